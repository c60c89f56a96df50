"""How long a model thinks before it answers, as far as it shows that."""

import time

from ai_chat.providers.pieces import Piece, Reasoning, Text


class Thinking:
    """From the first piece of reasoning to the first text after it that is not blank, or to the
    end. One thread notes pieces; others may read meanwhile."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._ended: float | None = None

    @property
    def has_begun(self) -> bool:
        """Whether any of it was shown."""
        return self._began is not None

    @property
    def is_over(self) -> bool:
        """Whether the answer has begun since, or has ended."""
        return self._ended is not None

    @property
    def seconds(self) -> float | None:
        """How long it took, or takes by now; None before it begins."""
        if self._began is None:
            return None
        return (self._ended or time.monotonic()) - self._began

    def note(self, piece: Piece) -> None:
        """A piece of the answer, as it is passed on."""
        if isinstance(piece, Reasoning) and self._began is None:
            self._began = time.monotonic()
        elif isinstance(piece, Text) and piece.text.strip():
            self.end()

    def end(self) -> None:
        """Nothing more is thought."""
        if self._began is not None and self._ended is None:
            self._ended = time.monotonic()


def duration(seconds: float) -> str:
    """So many seconds in words: whole ones, at least one."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    parts = [f"{minutes} min"] * (minutes > 0) + [f"{rest} s"] * (rest > 0)
    return " ".join(parts)
