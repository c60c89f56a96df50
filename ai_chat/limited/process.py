"""A program that runs in a process of its own, with limits of CPU and memory, without network and
the secrets of the site: what a library does in it ends at most this process."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

#: What a program may know of the environment: where libraries are.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
_MAIN = Path(__file__).with_name("main.py")


class LimitedProcess:
    """One process of the program at `program`, a file whose function `answer` makes JSON of JSON.
    It is started with the first request, and anew after one that ended it; it answers one request
    at a time. `seconds` is CPU for one request, `memory_bytes` its address space."""

    def __init__(self, program: Path, *, seconds: float, memory_bytes: int) -> None:
        self._arguments = [str(program), str(seconds), str(memory_bytes)]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        #: The process that started it: a process forked later must not use its pipes.
        self._owner = 0

    def ask(self, request: Any, *, within: float | None = None) -> tuple[Any, float] | None:
        """The answer, and the seconds of CPU that it took; None if the process was ended by it,
        or did not answer `within` so many seconds."""
        with self._lock:
            try:
                requests, answers = self._pipes()
                requests.write(json.dumps(request) + "\n")
                requests.flush()
                if line := self._read(answers, within):
                    answer, seconds = json.loads(line)
                    return answer, seconds
            except (OSError, ValueError):  # The process could not be started, or has ended.
                pass
            self.close()
            return None

    def _read(self, answers: IO[str], within: float | None) -> str:
        if within is None:
            return answers.readline()
        assert self._process
        timer = threading.Timer(within, self._process.kill)
        timer.start()
        try:
            return answers.readline()
        finally:
            timer.cancel()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        process = self._process
        # One that was ended from outside takes no request with it.
        if process is None or self._owner != os.getpid() or process.poll() is not None:
            self.close()
            process = self._process = subprocess.Popen(
                [sys.executable, "-I", str(_MAIN), *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                start_new_session=True,
                # Without the site's secrets.
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
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
