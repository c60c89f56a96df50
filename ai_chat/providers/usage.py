"""How many tokens an answer took, as its provider counts them: brought into one form, and left out
when it cannot be true."""

from enum import StrEnum
from typing import Any, NamedTuple

from ai_chat.providers.pieces import Usage
from credits.uses import MAX_TOKENS

#: Seconds for which a whole answer waits for its usage.
USAGE_SECONDS = 2.0
#: The counts without which a usage is incomplete, by OpenAI's names and by Anthropic's.
OPENAI, ANTHROPIC = ("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")
#: What servers of OpenAI's protocol call the tokens that were written to a cache: in the details of
#: the prompt, or beside them (LiteLLM).
CACHE_WRITES = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")


class Flag(StrEnum):
    """What is odd about the tokens of an answer: kept with them, counted, and shown on the desk."""

    #: A count is negative, no whole number, above MAX_TOKENS, or larger than what it is a part of.
    UNBELIEVABLE = "usage_unbelievable"
    #: The sum that the provider gives is another; prompt and completion stand.
    CONTRADICTS_TOTAL = "usage_contradicts_total"
    #: Zeros came after other counts; those stand.
    ZEROED = "usage_zeroed"
    #: More of the answer came after the last counts than these say.
    OUTDATED = "usage_outdated"
    #: No counts came.
    MISSING = "usage_missing"
    #: More tokens than the call was bound to.
    ABOVE_BOUND = "usage_above_bound"
    #: The answer went on beyond the limit that the provider was given, and was cut.
    ABOVE_LIMIT = "output_above_limit"


type Flags = frozenset[Flag]


class Reading(NamedTuple):
    """What a provider's counts say: None when they are incomplete or cannot be true."""

    usage: Usage | None
    flags: Flags = frozenset()


def read_usage(counts: object) -> Reading:
    """A provider's usage in one form, whatever JSON it is."""
    if not isinstance(counts, dict):
        return Reading(None)
    is_openai = counts.get("prompt_tokens") is not None
    needed = OPENAI if is_openai else ANTHROPIC
    if any(counts.get(name) is None for name in needed):
        return Reading(None)
    try:
        usage = _openai(counts) if is_openai else _anthropic(counts)
    except (TypeError, AttributeError):
        return Reading(None, frozenset({Flag.UNBELIEVABLE}))
    fits = usage.cached + usage.cache_write <= usage.input and usage.reasoning <= usage.output
    if not fits or max(usage) > MAX_TOKENS:
        return Reading(None, frozenset({Flag.UNBELIEVABLE}))
    total = counts.get("total_tokens")
    contradicts = is_openai and total is not None and total != usage.input + usage.output
    return Reading(usage, frozenset({Flag.CONTRADICTS_TOTAL} if contradicts else ()))


def _openai(counts: dict[str, Any]) -> Usage:
    """Cached tokens are among those read, reasoning tokens among those written. Gemini and xAI put
    reasoning beside what was written: then the total says so."""
    details = counts.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or counts.get("prompt_cache_hit_tokens")
    places = [(place, name) for place in (details, counts) for name in CACHE_WRITES]
    created = next((place[name] for place, name in places if place.get(name)), 0)
    read, written = _count(counts["prompt_tokens"]), _count(counts["completion_tokens"])
    reasoning = _count((counts.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0)
    if reasoning and counts.get("total_tokens") == read + written + reasoning:
        written += reasoning
    return Usage(read, _count(cached or 0), _count(created), written, reasoning)


def _anthropic(counts: dict[str, Any]) -> Usage:
    """Tokens that were read from a cache or written to it stand beside the input."""
    cached = _count(counts.get("cache_read_input_tokens") or 0)
    created = _count(counts.get("cache_creation_input_tokens") or 0)
    read = _count(counts["input_tokens"]) + cached + created
    return Usage(read, cached, created, _count(counts["output_tokens"]), 0)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
