"""Answers as providers send them. Each `.sse` file is one answer: a header in TOML between two
lines `+++`, then the bytes as they came. A further dialect is a further file.

The header: `provider`, `what` (one sentence), `origin`, `source`, `note` (what differs from the
source), `tools_offered`, `alive` (whether signs of life come before the first piece), and what the
answer amounts to: `text`, `reasoning`, `tool_calls`, `usage`, `ending` (a Finish, or the Reason of
a failure)."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from ai_chat.providers.pieces import Finish, ToolCall, Usage
from credits.reasons import Reason

FOLDER = Path(__file__).parent
#: From a real server on this machine; from a public transcript; from a public description, where
#: no transcript is known.
ORIGINS = ("recorded", "transcribed", "composed")
FENCE = b"+++\n"


class Answer(NamedTuple):
    """What an answer amounts to; its calls have whole arguments."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage | None
    ending: Finish | Reason


class Stream(NamedTuple):
    """One file."""

    name: str
    provider: str
    origin: str
    source: str
    tools_offered: bool
    alive: bool
    expected: Answer
    body: bytes


def load_streams() -> list[Stream]:
    """All files, by name."""
    return [_load(path) for path in sorted(FOLDER.glob("*/*.sse"))]


def _load(path: Path) -> Stream:
    nothing, header, body = path.read_bytes().split(FENCE, 2)
    assert not nothing, f"{path} does not begin with +++."
    values = tomllib.loads(header.decode())
    expected = Answer(
        text=values["text"],
        reasoning=values.get("reasoning", ""),
        tool_calls=tuple(
            ToolCall(position, **call) for position, call in enumerate(values.get("tool_calls", []))
        ),
        usage=Usage(**values["usage"]) if "usage" in values else None,
        ending=_ending(values["ending"]),
    )
    return Stream(
        name=str(path.relative_to(FOLDER).with_suffix("")),
        provider=values["provider"],
        origin=values["origin"],
        source=values["source"],
        tools_offered=values.get("tools_offered", False),
        alive=values.get("alive", False),
        expected=expected,
        body=body,
    )


def _ending(value: str) -> Finish | Reason:
    return Finish(value) if value in Finish else Reason(value)
