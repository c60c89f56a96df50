"""What runs in a limited process (see `process.py`): for each line of JSON a line with the answer
of the program's function `answer`, and the seconds of CPU it took.

The process is ended by the system when one request takes more CPU than it may, whatever the
library does."""

import json
import os
import resource
import runpy
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main(program: str, seconds: float, memory_bytes: int) -> None:
    """Answers until the input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with suppress(OSError):  # Not every system lets everybody have a network of their own.
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    sys.path.insert(0, str(ROOT))
    # What libraries print must not stand among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer = runpy.run_path(program)["answer"]
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        started = time.process_time()
        result = answer(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps([result, time.process_time() - started]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
