"""The program of the process that converts formulas (see `converter.py`): for each line of JSON,
TeX and whether it is displayed, a line with its MathML or null, and the seconds of CPU it took.

It is ended by the system when one formula takes more CPU than it may, whatever the library does."""

import json
import resource
import signal
import sys
import time

from math_core import LatexError, LatexToMathML

MACROS = {
    "mbox": r"\text{#1}",
    "hbox": r"\text{#1}",
    "smash": "#1",
    "pmb": r"\boldsymbol{#1}",
    "mathbbm": r"\mathbb{#1}",
    "abs": r"\left|#1\right|",
    "norm": r"\left\|#1\right\|",
}
MEMORY_BYTES = 1024 * 1024 * 1024


def main(seconds: float) -> None:
    """Converts until the input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    converter = LatexToMathML(
        macros=MACROS, fancy_error=False, allow_unreliable_rendering=True, max_expansions=500
    )
    for line in sys.stdin:
        tex, is_display = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        started = time.process_time()
        try:
            mathml = converter.convert_with_local_state(tex, displaystyle=is_display)
        except LatexError:
            mathml = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps([mathml, time.process_time() - started]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
