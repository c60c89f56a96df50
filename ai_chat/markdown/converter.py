"""TeX to MathML in a separate process.

The library has no bounds: 500 nested braces overflow its stack, which ends the process, and 30 open
parentheses keep it busy for days while it holds the GIL. Here a formula ends at most the
converter's process, and the next formula starts another."""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

SECONDS = 0.1
"""CPU for one formula; ordinary ones take 20 µs."""
_PROGRAM = Path(__file__).with_name("converter_process.py")


class Converter:
    """One process, started with the first formula; it converts one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        #: The process that started it: a process forked later must not use its pipes.
        self._owner = 0

    def convert(self, tex: str, *, is_display: bool) -> tuple[str | None, float]:
        """The MathML, or None if the library refuses the formula or takes too long; and seconds of
        CPU."""
        with self._lock:
            try:
                requests, answers = self._pipes()
                requests.write(json.dumps([tex, is_display]) + "\n")
                requests.flush()
                if answer := answers.readline():
                    mathml, seconds = json.loads(answer)
                    return mathml, seconds
            except (OSError, ValueError):  # The process could not be started, or has ended.
                pass
            self.close()
            return None, SECONDS

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        process = self._process
        # One that was ended from outside takes no formula with it: its source would be kept.
        if process is None or self._owner != os.getpid() or process.poll() is not None:
            self.close()
            process = self._process = subprocess.Popen(
                [sys.executable, "-I", str(_PROGRAM), str(SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                start_new_session=True,
            )
            self._owner = os.getpid()
        assert process.stdin is not None
        assert process.stdout is not None
        return process.stdin, process.stdout

    def close(self) -> None:
        """Ends the process, if this process started it."""
        process, self._process = self._process, None
        if process and self._owner == os.getpid():
            process.kill()
            process.communicate()


converter = Converter()
atexit.register(converter.close)
