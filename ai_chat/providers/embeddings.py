"""Vectors as providers send them: lists of numbers, or base64 of 32-bit numbers (little-endian),
whichever was asked for. Clients of OpenAI's SDKs ask for base64 unless they are told otherwise, and
some servers ignore that: so each form can be made of the other (design: gateway, A.6)."""

import base64
import math
import struct
from typing import Any, NamedTuple

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.reading import error_in_chunk
from ai_chat.providers.sdk_errors import error_of, provider_errors
from credits.reasons import Reason

#: Bytes of an answer: 2,048 vectors of 3,072 numbers in base64, or of 1,536 as decimals.
MAX_ANSWER_BYTES = 64 * 1024 * 1024


class Vector(NamedTuple):
    """The embedding of one input: as it was sent, and as 32-bit numbers."""

    sent: list[float] | str
    packed: bytes

    @property
    def length(self) -> int:
        """How many numbers it has."""
        return len(self.packed) // 4

    def as_floats(self) -> list[float]:
        """Its numbers."""
        return self.sent if isinstance(self.sent, list) else [*_numbers(self.packed)]

    def as_base64(self) -> str:
        """The same numbers as base64."""
        return self.sent if isinstance(self.sent, str) else base64.b64encode(self.packed).decode()


def read_vectors(answer: Any, *, count: int, dimensions: int | None) -> list[Vector]:
    """The vectors of `count` inputs, in their order, from an answer of any JSON. Raises
    ProviderError where it is an error, or not as many vectors of one length (`dimensions`, if they
    were asked for) with numbers in them."""
    with provider_errors():
        answer = answer[0] if isinstance(answer, list) else answer
        if error := error_in_chunk(answer):
            raise error_of(error)
        entries = answer["data"]
        if len(entries) != count:
            raise ProviderError(Reason.UNREADABLE, code="embeddings")
        placed = {entry.get("index", place): entry for place, entry in enumerate(entries)}
        vectors = [_vector(placed[place]["embedding"]) for place in range(count)]
    lengths = {vector.length for vector in vectors}
    if len(lengths) != 1 or lengths == {0}:
        raise ProviderError(Reason.UNREADABLE, code="dimensions")
    if dimensions is not None and lengths != {dimensions}:
        raise ProviderError(Reason.NOT_ACCEPTED, code="dimensions")
    return vectors


def counts_in(answer: Any) -> dict[str, Any] | None:
    """The usage in such an answer, as of a text without output; some providers say only a total."""
    answer = answer[0] if isinstance(answer, list) else answer
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    read = usage.get("prompt_tokens")
    read = usage.get("total_tokens") if read is None else read
    return {**usage, "prompt_tokens": read, "completion_tokens": 0}


def _vector(sent: Any) -> Vector:
    """Raises ProviderError, ValueError, TypeError."""
    try:
        if isinstance(sent, str):
            packed = base64.b64decode(sent, validate=True)
        else:
            sent, packed = [*sent], struct.pack(f"<{len(sent)}f", *sent)
        total = math.fsum(_numbers(packed))
    except (struct.error, OverflowError):
        raise ProviderError(Reason.UNREADABLE, code="numbers") from None
    if not math.isfinite(total):
        raise ProviderError(Reason.UNREADABLE, code="numbers")
    return Vector(sent, packed)


def _numbers(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // 4}f", packed)
