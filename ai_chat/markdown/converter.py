"""TeX to MathML by a kept library, in a process of its own.

The library knows no bound: 500 braces in a row overflow its stack, which ends the process that it
runs in, and 30 opened parentheses keep it busy for days, with every thread waiting for it. Here a
formula ends at most the process of the formulas, and the next one starts another."""

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
    """One process, begun with the first formula; one formula at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        #: The process that began it: one that was forked since has no part in its pipes.
        self._owner = 0

    def convert(self, tex: str, *, is_display: bool) -> tuple[str | None, float]:
        """MathML, None for what the library cannot or must not do, and seconds of CPU."""
        with self._lock:
            try:
                requests, answers = self._pipes()
                requests.write(json.dumps([tex, is_display]) + "\n")
                requests.flush()
                if answer := answers.readline():
                    mathml, seconds = json.loads(answer)
                    return mathml, seconds
            except (OSError, ValueError):  # It could not be begun, or has ended.
                pass
            self.close()
            return None, SECONDS

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        is_ours = self._process is not None and self._owner == os.getpid()
        # One that was ended from outside takes no formula with it: its source would be kept.
        if not is_ours or (self._process and self._process.poll() is not None):
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_PROGRAM), str(SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                start_new_session=True,
            )
            self._owner = os.getpid()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def close(self) -> None:
        """Ends the process, if it is ours."""
        process, self._process = self._process, None
        if process and self._owner == os.getpid():
            process.kill()
            process.communicate()


converter = Converter()
atexit.register(converter.close)
