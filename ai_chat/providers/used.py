"""What a call took, by what was asked, what came of it and how it ended."""

from typing import NamedTuple

from ai_chat.providers.pieces import Usage
from ai_chat.providers.received import Received
from ai_chat.providers.usage import Flag, Flags
from credits.models import Use
from credits.uses import Tokens

#: Bytes of a token where nobody counts them: in the user's favour, as most text has fewer.
BYTES_PER_TOKEN = 4


class CallBounds(NamedTuple):
    """A call as it was paid for: the bytes of its text, with one for each token that its pictures
    and pages have at most, and the most tokens that it was to read (`input`) and to write, with
    reasoning (`output`)."""

    text_bytes: int
    input: int
    output: int


class Used(NamedTuple):
    """The tokens that a call took, as `settle_use` takes them, and what is odd about them."""

    tokens: Tokens
    flags: Flags = frozenset()


def used(
    bounds: CallBounds, received: Received, *, failed: bool = False, input_due: bool = False
) -> Used:
    """What is to be paid for. `failed`: nothing is, as the whole reserve goes back. `input_due`:
    what was asked is, although nothing came (a stop before the first token, once too often).

    The provider's counts stand; those above what was asked as well, with a flag (a use never costs
    more than its bound). Where they do not come, or do not say all that came, bytes and deltas do:
    never above what was asked. Flags are kept of a failed call too. Design: gateway, C.6."""
    usage, flags = received.usage, received.flags
    if failed:
        return _used(Usage(), Use.Source.NONE, flags)
    if usage and not received.is_outdated:
        is_above = usage.input > bounds.input or usage.output > bounds.output
        flags |= {Flag.ABOVE_BOUND} if is_above else set()
        return _used(usage, Use.Source.PROVIDER, flags)
    output = max(received.bytes // BYTES_PER_TOKEN, received.deltas)
    output = min(output, bounds.output)
    if usage:
        reasoning = min(usage.reasoning, output)
        usage = usage._replace(output=output, reasoning=reasoning)
        return _used(usage, Use.Source.ESTIMATED, flags | {Flag.OUTDATED})
    flags |= {Flag.MISSING}
    if not received.deltas and not input_due:
        return _used(Usage(), Use.Source.NONE, flags)
    read = min(bounds.text_bytes // BYTES_PER_TOKEN, bounds.input)
    return _used(Usage(input=read, output=output), Use.Source.ESTIMATED, flags)


def _used(usage: Usage, source: Use.Source, flags: Flags) -> Used:
    return Used(Tokens(*usage, source), flags)
