"""TeX to MathML in a separate process.

The library has no bounds: 500 nested braces overflow its stack, which ends the process, and 30 open
parentheses keep it busy for days while it holds the GIL. Here a formula ends at most the
converter's process, and the next formula starts another."""

import atexit
from pathlib import Path

from ai_chat.limited.process import LimitedProcess

SECONDS = 0.1
"""CPU for one formula; ordinary ones take 20 µs."""
MEMORY_BYTES = 1024 * 1024 * 1024

process = LimitedProcess(
    Path(__file__).with_name("converter_process.py"), seconds=SECONDS, memory_bytes=MEMORY_BYTES
)
atexit.register(process.close)


def convert(tex: str, *, is_display: bool) -> tuple[str | None, float]:
    """The MathML, or None if the library refuses the formula or takes too long; and seconds of
    CPU."""
    return process.ask([tex, is_display]) or (None, SECONDS)
