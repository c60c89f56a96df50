"""Failures on request: markers in a prompt such as `[[fail:cut:5]]` make the provider fail. A fault
is a function over the engine's events; "units" are pieces of text, pictures, or vectors. Faults can
be combined: they are applied in the table's order.

Other markers: `[[reason:200]]` has so many tokens thought before a text, `[[usage:none]]` falsifies
the tokens that it says (a name of `wire.FALSE_USAGE`), `[[ignore:max]]` lets it go on beyond the
tokens that it was allowed."""

import re
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle, islice

from ai_chat.local_provider.engine import (
    ChatRequest,
    Done,
    Engine,
    Events,
    Pause,
    Thought,
    Vector,
)
from ai_chat.local_provider.wire import FALSE_USAGE, HIGHEST_MAX_TOKENS, ApiError

MAX_WAIT_SECONDS = 300.0
PULSE_SECONDS = 0.25
COMMENT_SECONDS = 1.0

_MARKER = re.compile(
    r"\[\[(?:fail:(?P<fault>[a-z]+|\d{3})(?::(?P<amount>\d{1,6}(?:\.\d{1,3})?))?"
    r"|reason:(?P<reason>\d{1,6})|usage:(?P<usage>[a-z]+)|(?P<ignore>ignore:max))\]\]"
)
#: Each is a token of most vocabularies.
_THOUGHTS = ("I ", "think ", "about ", "it. ")


class Cut(Exception):
    """The connection ends here, without a message."""


class Garbage(Exception):
    """Invalid JSON is sent here, then the answer ends."""


def pauses(seconds: float, *, every: float = PULSE_SECONDS, comment: bool = False) -> Events:
    """Let `seconds` pass, yielding often enough to notice a client that leaves."""
    end = time.monotonic() + min(seconds, MAX_WAIT_SECONDS)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(every, left))
        yield Pause(comment)


def _first(events: Events, units: float) -> Events:
    """The first `units` units, with the pauses between them; the rest is dropped."""
    with closing(events):
        seen = 0
        while seen < units:
            event = next(events, None)
            if event is None or isinstance(event, Done):
                return
            seen += isinstance(event, str | bytes | Vector)
            yield event


def _short(events: Events, units: float) -> Events:
    yield from _first(events, units)
    yield Done()


def _bad_image(events: Events, _: float) -> Events:
    with closing(events):
        for event in events:
            yield b"this is no picture" if isinstance(event, bytes) else event


def _refuse(events: Events, _: float) -> Events:
    events.close()
    yield Done(finish_reason="content_filter", refusal="I cannot help with that.")


def _stall(events: Events, units: float) -> Events:
    yield from _first(events, units)
    yield from pauses(MAX_WAIT_SECONDS, every=COMMENT_SECONDS, comment=True)
    raise Cut


def _fail(error: Callable[[], Exception], events: Events, units: float) -> Events:
    yield from _first(events, units)
    raise error()


def _slow(events: Events, seconds: float) -> Events:
    with closing(events):
        yield from pauses(seconds)
        yield from events


@dataclass(frozen=True)
class Fault:
    """What `[[fail:name:amount]]` does, and the amount if none is given."""

    change: Callable[[Events, float], Events]
    default: float = 0


def _http(status: int, code: str, message: str) -> Fault:
    text = f"{message}, as the prompt asked."
    return Fault(partial(_fail, partial(ApiError, status, text, code=code)))


FAULTS = {
    "empty": Fault(lambda events, _: _short(events, 0)),  # a valid answer that holds nothing
    "short": Fault(_short, default=1),  # only this many units of those asked for
    "badimage": Fault(_bad_image),  # pictures whose bytes are no picture
    "refuse": Fault(_refuse),  # the model refuses
    "cut": Fault(partial(_fail, Cut)),  # the connection ends after this many units
    "stall": Fault(_stall),  # no more units after this many, but comments in a stream
    "garbage": Fault(partial(_fail, Garbage)),  # invalid JSON after this many units
    # An HTTP status; after this many units, if any, an error inside the stream.
    "500": _http(500, "server_error", "The server failed"),
    "429": _http(429, "rate_limit_exceeded", "Too many requests"),
    "401": _http(401, "invalid_api_key", "Incorrect API key"),
    "slow": Fault(_slow, default=5),  # this many seconds of silence before the first unit
}


@dataclass
class Markers:
    """What the markers of a prompt ask for."""

    #: The amount of each fault.
    faults: dict[str, float] = field(default_factory=dict)
    reasoning_tokens: int = 0
    false_usage: str = ""
    ignores_limit: bool = False


def split_markers(prompt: str) -> tuple[str, Markers]:
    """The prompt without its markers, and what they ask for. Raises ApiError (400) for what does
    not exist, so that a typing error is noticed."""
    markers = Markers()
    for match in _MARKER.finditer(prompt):
        if name := match["fault"]:
            fault = FAULTS[_known(name, "fault", FAULTS)]
            markers.faults[name] = float(match["amount"] or fault.default)
        elif match["usage"]:
            markers.false_usage = _known(match["usage"], "usage", FALSE_USAGE)
        markers.reasoning_tokens = int(match["reason"] or markers.reasoning_tokens)
        markers.ignores_limit |= match["ignore"] is not None
    return _MARKER.sub("", prompt).strip(), markers


def _known(name: str, kind: str, names: Collection[str]) -> str:
    if name not in names:
        raise ApiError(400, f"There is no {kind} {name!r}; there are {', '.join(names)}.")
    return name


def answer(markers: Markers, engine: Engine, request: ChatRequest) -> Events:
    """The engine's answer, after as many tokens of thoughts as the markers ask for; those count
    among the tokens that are allowed."""
    allowed = HIGHEST_MAX_TOKENS if markers.ignores_limit else request.max_tokens
    thoughts = min(markers.reasoning_tokens, allowed)
    left = allowed - thoughts
    begun = False
    # It counts the prompt also when no token is left for the text.
    with closing(engine.chat(replace(request, max_tokens=max(1, left)))) as events:
        for event in events:
            if not begun and not isinstance(event, Pause):
                begun = True
                yield from (Thought(word) for word in islice(cycle(_THOUGHTS), thoughts))
            if isinstance(event, Done):
                yield _counted(event, thoughts, left)
            elif left or isinstance(event, Pause):
                yield event


def _counted(done: Done, thoughts: int, left: int) -> Done:
    written = thoughts + (done.completion_tokens if left else 0)
    reason = done.finish_reason if left else "length"
    return replace(done, finish_reason=reason, completion_tokens=written, reasoning_tokens=thoughts)


def apply(markers: Markers, events: Events) -> Events:
    """The events, changed by every fault that the markers ask for."""
    for name, fault in FAULTS.items():
        if name in markers.faults:
            events = fault.change(events, markers.faults[name])
    return _falsified(markers.false_usage, events) if markers.false_usage else events


def _falsified(name: str, events: Events) -> Events:
    with closing(events):
        for event in events:
            yield replace(event, false_usage=name) if isinstance(event, Done) else event
