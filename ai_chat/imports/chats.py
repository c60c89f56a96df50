"""A chat from elsewhere, in the shape that conversations have here: from a tree of messages, as
other programs keep it, to a tree of turns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings

from config.text import as_written, cut, is_blank

#: Turns of one chat, and characters of all of them together.
MOST_TURNS = 5_000
MOST_CHARACTERS = 20_000_000
#: Messages of one turn.
MOST_MESSAGES = 1_000
#: Characters of a question or an answer: no answer here is longer.
LONGEST = settings.ANSWER_MAX_CHARACTERS
#: What stands for a question where there was none.
NO_QUESTION = "(no question)"

type Role = Literal["user", "assistant"]


class NotImported(Exception):
    """A chat is left out; the text finishes "skipped, because"."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What somebody said. `parent` is the id of the message before it."""

    id: str
    parent: str | None
    role: Role
    text: str
    reasoning: str = ""
    model: str = ""
    at: datetime | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether it is no part of a turn: a step of the other program."""
        return self.role == "assistant" and not self.text and not self.reasoning


@dataclass(frozen=True, kw_only=True)
class ImportedTurn:
    """A question and its answer; `parent` is the id of the turn before it."""

    id: str
    parent: str | None
    prompt: str
    answer: str
    reasoning: str = ""
    model: str = ""
    at: datetime | None = None
    ended_at: datetime | None = None
    cut: str = ""


@dataclass(kw_only=True)
class ImportedChat:
    """A chat; parents stand before those that name them. `current` is the end of what was shown."""

    id: str
    #: Whose export it is, for people.
    source: str
    title: str
    turns: list[ImportedTurn]
    at: datetime | None = None
    active_at: datetime | None = None
    current: str | None = None
    instructions: str = ""
    folder: str = ""
    is_archived: bool = False
    is_pinned: bool = False
    temperature: float | None = None

    def checked(self) -> "ImportedChat":
        """The same. Raises NotImported for one with nothing in it, or too much."""
        if not self.turns:
            raise NotImported("they hold no message")
        size = sum(len(each.prompt) + len(each.answer) for each in self.turns)
        if len(self.turns) > MOST_TURNS or size > MOST_CHARACTERS:
            raise NotImported("they are too long")
        return self


@dataclass(slots=True)
class _Node:
    """A message in its place. `before` is the one that it goes on from within the same turn, `turn`
    the id of the turn before; `number` and `size` count the messages and characters of the turn so
    far."""

    message: Message
    before: "_Node | None" = None
    turn: str | None = None
    number: int = 1
    size: int = 0
    is_followed: bool = False

    def take_place(self) -> None:
        """Goes on with the turn of the message before, or begins one after it."""
        self.size = len(self.message.text) + len(self.message.reasoning)
        if self.before is None:
            return
        if self.message.role == "user":
            self.turn, self.before = self.before.message.id, None
            return
        self.before.is_followed = True
        self.turn = self.before.turn
        self.number = self.before.number + 1
        self.size += self.before.size


class _Turns:
    """The turns of a tree, by the ids of their last messages."""

    def __init__(self) -> None:
        self.turns: dict[str, ImportedTurn] = {}
        self.size = 0

    def add(self, end: _Node) -> None:
        """Adds the turn that ends with a message, once. Raises NotImported: a tree of messages may
        come to many more characters in turns, as versions of an answer share its beginning."""
        if end.message.id in self.turns:
            return
        self.size += end.size
        if (
            len(self.turns) >= MOST_TURNS
            or self.size > MOST_CHARACTERS
            or end.number > MOST_MESSAGES
        ):
            raise NotImported("they are too long")
        said, first = [end.message], end
        while first.before is not None:
            first = first.before
            said.append(first.message)
        self.turns[end.message.id] = _turn(said[::-1], first.turn)


def turns_of(messages: Iterable[Message]) -> list[ImportedTurn]:
    """The turns of a tree of messages, parents first. A question with the answers after it is a
    turn; where an answer has versions, each is a turn with the same question. A turn has the id of
    its last message. Cycles are left out. Raises NotImported for too many."""
    turns = _Turns()
    nodes = []
    for node in _in_order(messages):
        end = node.before
        node.take_place()
        if end is not None and node.before is None:
            turns.add(end)
        nodes.append(node)
    for node in nodes:
        if not node.is_followed:
            turns.add(node)
    return list(turns.turns.values())


def _in_order(messages: Iterable[Message]) -> Iterator[_Node]:
    """The messages, each after the one that it follows. What follows one that says nothing follows
    the one before that."""
    children: dict[str | None, list[Message]] = {}
    known = {each.id: each for each in messages}
    for each in known.values():
        parent = each.parent if each.parent in known else None
        children.setdefault(parent, []).append(each)
    waiting = [_Node(each) for each in reversed(children.get(None, []))]
    while waiting:
        node = waiting.pop()
        before: _Node | None = node
        if node.message.says_nothing:
            before = node.before
        else:
            yield node
        after = children.get(node.message.id, [])
        waiting += [_Node(each, before) for each in reversed(after)]


def _turn(said: list[Message], parent: str | None) -> ImportedTurn:
    first, last = said[0], said[-1]
    is_asked = first.role == "user"
    answers = said[1:] if is_asked else said
    prompt = clean(first.text) if is_asked else ""
    return ImportedTurn(
        id=last.id,
        parent=parent,
        prompt=NO_QUESTION if is_blank(prompt) else prompt,
        answer=clean("\n\n".join(each.text for each in answers if each.text)),
        reasoning=clean("\n\n".join(each.reasoning for each in answers if each.reasoning)),
        model=next((each.model for each in reversed(answers) if each.model), ""),
        at=first.at or last.at,
        ended_at=last.at,
    )


def clean(text: str, most: int = LONGEST) -> str:
    """A text that the database takes, in at most so many characters."""
    return cut(as_written(text).encode(errors="replace").decode(), most, " […]")
