"""How many tokens an answer took, as its provider counts them: brought into one form, and left out
when it cannot be true."""

from typing import Any

from ai_chat.providers.pieces import Usage

#: No call has more tokens.
MAX_TOKENS = 1_000_000_000
#: Seconds for which a whole answer waits for its usage.
USAGE_SECONDS = 2.0


class UsageReader:
    """The usage of one answer: the last complete one that is believable. They are never added up:
    some providers send the sum so far with every chunk."""

    def __init__(self) -> None:
        self.latest: Usage | None = None

    def note(self, value: object) -> None:
        """What a chunk carries as its usage, whatever JSON that is."""
        usage = usage_of(value) if isinstance(value, dict) else None
        # Zeros at the end do not take back what was counted before them.
        if usage and (any(usage) or self.latest is None):
            self.latest = usage


def usage_of(counts: dict[str, Any]) -> Usage | None:
    """A provider's usage in one form; None when it is incomplete or unbelievable: negative, not
    whole, above MAX_TOKENS, or a part larger than its whole."""
    try:
        usage = _openai(counts) if counts.get("prompt_tokens") is not None else _anthropic(counts)
    except (KeyError, TypeError, AttributeError):
        return None
    fits = usage.cached <= usage.input and usage.reasoning <= usage.output
    return usage if fits and max(usage) <= MAX_TOKENS else None


def _openai(counts: dict[str, Any]) -> Usage:
    """Cached tokens are among those read, reasoning tokens among those written. Gemini and xAI put
    reasoning beside what was written: then the total says so."""
    details = counts.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or counts.get("prompt_cache_hit_tokens")
    read, written = _count(counts["prompt_tokens"]), _count(counts["completion_tokens"])
    reasoning = _count((counts.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0)
    if reasoning and counts.get("total_tokens") == read + written + reasoning:
        written += reasoning
    return Usage(read, _count(cached or 0), written, reasoning)


def _anthropic(counts: dict[str, Any]) -> Usage:
    """Tokens that were read from a cache or written to it stand beside the input."""
    cached = _count(counts.get("cache_read_input_tokens") or 0)
    created = _count(counts.get("cache_creation_input_tokens") or 0)
    read = _count(counts["input_tokens"]) + cached + created
    return Usage(read, cached, _count(counts["output_tokens"]), 0)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
