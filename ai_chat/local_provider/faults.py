"""Failures on request: markers in a prompt such as `[[fail:cut:5]]` make the provider fail. A fault
is a function over the engine's events; "units" are pieces of text, or pictures. Faults can be
combined: they are applied in the table's order."""

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from ai_chat.local_provider.engine import Done, Events, Pause
from ai_chat.local_provider.wire import ApiError

MAX_WAIT_SECONDS = 300.0
PULSE_SECONDS = 0.25
COMMENT_SECONDS = 1.0

_MARKER = re.compile(r"\[\[fail:([a-z]+|\d{3})(?::(\d{1,6}(?:\.\d{1,3})?))?\]\]")


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
            seen += isinstance(event, str | bytes)
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


def split_markers(prompt: str) -> tuple[str, dict[str, float]]:
    """The prompt without its markers, and the amount of each fault it asks for. Raises ApiError
    (400) for a fault that does not exist, so that a typing error is noticed."""
    wanted: dict[str, float] = {}
    for name, amount in _MARKER.findall(prompt):
        if name not in FAULTS:
            raise ApiError(400, f"There is no fault {name!r}; there are {', '.join(FAULTS)}.")
        wanted[name] = float(amount) if amount else FAULTS[name].default
    return _MARKER.sub("", prompt).strip(), wanted


def apply(wanted: dict[str, float], events: Events) -> Events:
    """The events, changed by every wanted fault."""
    for name, fault in FAULTS.items():
        if name in wanted:
            events = fault.change(events, wanted[name])
    return events
