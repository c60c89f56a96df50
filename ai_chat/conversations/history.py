"""The messages that a model is sent: the stored turns of a conversation, or a client's messages
where it is not known here, as a list that every model takes. A system message may stand first; then
user and assistant alternate, from the user to the user, and none is empty."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import IntegerField, Transform
from django.db.models.functions import Length

from ai_chat.attachments.content import Content, Room, contents_of, known_files
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.instructions import NO_INSTRUCTIONS, Instructions, told_with_path
from ai_chat.conversations.path import end_of
from ai_chat.models import Attachment, Conversation, Turn
from ai_chat.providers.chat import Message, tokens_of
from config.text import text_of_size
from credits.models import AIModel
from credits.reasons import Reason

#: At most so many of the latest turns are looked at.
MAX_TURNS = 100
#: Of what came before, at least so many characters are sent, however long the prompt is.
LEAST_CHARACTERS = 500
#: What a model can read whose context is not known, in characters.
UNBOUNDED = 10**9
#: A cautious guess; most languages have three or four characters in a token.
CHARACTERS_PER_TOKEN = 2
CUT = " […] "
#: Between texts that are joined.
BETWEEN = "\n\n"
#: After these the question is not sent again: the user took it back, or it would fail every later
#: message as well.
QUESTION_DROPPED = {
    Reason.STOPPED_EARLY,
    Reason.STOPS_USED_UP,
    Reason.ANSWERS_USED_UP,
    Reason.REFUSED,
    Reason.NOT_ACCEPTED,
    Reason.CONTEXT_TOO_LONG,
}


class OctetLength(Transform):
    """Bytes of a text."""

    function = "octet_length"
    output_field = IntegerField()


class Question(NamedTuple):
    text: str
    #: The stored turn that asked it.
    turn_id: UUID | None = None
    #: That came with it: ids of attachments.
    files: tuple[UUID, ...] = ()


class Exchange(NamedTuple):
    """What the user said until an answer came, and the answer; empty while there is none."""

    questions: tuple[Question, ...]
    answer: str = ""

    @property
    def question(self) -> str:
        return joined(*(question.text for question in self.questions))

    @property
    def turn_ids(self) -> list[UUID | None]:
        return [question.turn_id for question in self.questions]

    @property
    def files(self) -> list[UUID]:
        """Each once."""
        return [*dict.fromkeys(each for question in self.questions for each in question.files)]

    @property
    def size(self) -> int:
        """Characters, without those of files."""
        return len(self.question) + len(self.answer)


class KnownFrom(NamedTuple):
    """The first turn that the model is sent. `forgets` says that earlier ones are left out,
    `shortened` that only a part of this one is sent."""

    turn_id: UUID | None
    forgets: bool
    shortened: bool


class Context(NamedTuple):
    """The messages of a call. `in_time` is False while an answer was being written in the
    conversation: then they lack that. `temperature` is that of the chat, if it has one. Of the `of`
    messages that the user has sent before they hold the last `known`, and take so many `percent` of
    what the model can read. `instructions` and `turns` (of the path, oldest first) are what
    they were made of."""

    messages: list[Message]
    in_time: bool = True
    temperature: float | None = None
    known: int = 0
    of: int = 0
    percent: int = 0
    instructions: Instructions = NO_INSTRUCTIONS
    turns: Sequence[Turn] = ()


def history(draft: Draft, model: AIModel, *, only_sizes: bool = False) -> Context:
    """The messages for the answer to a draft: before it as much of the path that it goes on from as
    fits. Stored turns are the conversation; before the first one (or without a conversation) it is
    what the client sent, whose system messages hold in any case, after the instructions. With
    `only_sizes` the messages are as long as they would be: for what is not sent."""
    instructions, path = told_with_path(draft, most=MAX_TURNS)
    stored = _turns(path, only_sizes=only_sizes) if path else []
    room = room_for(model)
    past = from_turns(stored, model, room) if stored else from_messages(draft.client_messages)
    files = FilesOfCall(draft, model, stored, only_sizes=only_sizes)
    room = max(0, min(room, context_room(model) - files.needed))
    own = [_text(each) for each in draft.client_messages if each["role"] == "system"]
    system = system_message(instructions, own, most=room - len(draft.text) - LEAST_CHARACTERS)
    messages = messages_of(past, draft.text, system=system, room=room, files=files)
    kept = _kept(past, messages)
    said = len(system) + len(draft.text) + sum(exchange.size for exchange in kept)
    return Context(
        messages,
        in_time=not any(turn.is_running for turn in stored),
        temperature=instructions.temperature,
        known=_questions(kept),
        of=_questions(past),
        percent=min(100, -(-100 * said // max(1, room))),
        instructions=instructions,
        turns=stored,
    )


def _kept(past: Sequence[Exchange], messages: Iterable[Message]) -> Sequence[Exchange]:
    """The latest of the exchanges that stand in the messages before the prompt."""
    questions = sum(message["role"] == "user" for message in messages)
    # The prompt is joined to a question without an answer.
    kept = questions if past and not past[-1].answer else questions - 1
    return past[len(past) - kept :]


def _questions(exchanges: Iterable[Exchange]) -> int:
    return sum(len(exchange.questions) for exchange in exchanges)


def system_message(instructions: Instructions, client: Iterable[str] = (), *, most: int) -> str:
    """All instructions as one text of at most `most` characters, but of LEAST_CHARACTERS in any
    case: the house rule whole where there is room for it, of the rest the beginning and the end."""
    most = max(most, LEAST_CHARACTERS)
    rule = shortened(instructions.house_rule, most)
    left = most - len(rule) - len(BETWEEN) if rule else most
    rest = joined(*instructions.texts[1:], *client)
    return joined(rule, shortened(rest, left) if left > len(CUT) else "")


def known_from(
    conversation: Conversation, model: AIModel, *, context: Context | None = None
) -> KnownFrom | None:
    """From where on the model would be sent a conversation now; None when that is all of it. A
    long message takes room from what stands before it. `context` is that of a message at its end,
    where that is known already."""
    if context is None:
        draft = Draft(user_id=conversation.user_id, text="", place=end_of(conversation))
        context = history(draft, model, only_sizes=True)
    instructions, turns = context.instructions, context.turns
    room = room_for(model)
    system = system_message(instructions, most=room - LEAST_CHARACTERS)
    room = max(room - len(system), LEAST_CHARACTERS)
    everything = from_turns([turn for turn in turns if not _was_too_long(turn)], model, room)
    known = fitting(from_turns(turns, model, room), room)
    if not known:
        return None
    first = known[0].turn_ids[0]
    forgets = first != everything[0].turn_ids[0] or len(turns) == MAX_TURNS
    is_shortened = known[0] not in everything
    return KnownFrom(first, forgets, is_shortened) if forgets or is_shortened else None


def room_for(model: AIModel) -> int:
    """Characters of a call's messages together: HISTORY_MAX_CHARACTERS, or what the model can read
    where that is less. An unknown context is taken to be large enough."""
    return min(settings.HISTORY_MAX_CHARACTERS, context_room(model))


def context_room(model: AIModel) -> int:
    """Characters of all that the model can read."""
    if model.context_tokens is None:
        return UNBOUNDED
    return max(0, (model.context_tokens - tokens_of(model)) * CHARACTERS_PER_TOKEN)


def files_room(model: AIModel, turns: Iterable[Turn]) -> int:
    """Characters of the files' text in a call. Each call of the path that was too long for the
    model halves it: of one whose context is not known that is the only way to learn it."""
    is_known = model.context_tokens is not None
    room = settings.ATTACHED_MAX_CHARACTERS if is_known else settings.HISTORY_MAX_CHARACTERS
    too_long = [turn for turn in turns if _was_too_long(turn) and turn.model == model.name]
    return int(room) >> len(too_long)


class FilesOfCall:
    """The files of a draft, and of what was asked before it, as a call has room for them."""

    def __init__(
        self, draft: Draft, model: AIModel, turns: Iterable[Turn] = (), *, only_sizes: bool = False
    ) -> None:
        self.own = tuple(file.pk for file in draft.attachments)
        self._draft, self._model, self._only_sizes = draft, model, only_sizes
        self._picture = model.image_tokens * CHARACTERS_PER_TOKEN
        self._text = files_room(model, turns)
        kinds = [file.kind for file in draft.attachments]
        pictures = kinds.count(Attachment.Kind.PICTURE)
        self._pictures = pictures * self._picture if model.reads_images else 0
        self._characters = sum(file.characters for file in draft.attachments)
        left = context_room(model) - len(draft.text) - self._pictures - LEAST_CHARACTERS
        #: Characters of text that there is room for in the draft's own.
        self._room = min(self._text, max(left, LEAST_CHARACTERS))

    @property
    def needed(self) -> int:
        """Characters that the draft's own take from what the model can read."""
        return self._pictures + min(self._characters, self._room)

    @property
    def is_shortened(self) -> bool:
        """Whether the draft's own are too long to be sent whole."""
        return self._characters > self._room

    def contents(self, exchanges: Sequence[Exchange], system: str) -> Iterable[Content]:
        """What of the files of each exchange is sent."""
        asked = [exchange.files for exchange in exchanges]
        earlier = {each for ids in asked for each in ids}.difference(self.own)
        if not (earlier or self.own):
            return repeat(Content(), len(asked))
        known = known_files(earlier, user_id=self._draft.user_id) if earlier else {}
        known |= {file.pk: file for file in self._draft.attachments}
        said = len(system) + sum(exchange.size for exchange in exchanges)
        room = Room(max(0, context_room(self._model) - said), self._text, self._picture)
        return contents_of(
            asked, known, self._model, room, own=self.own, only_sizes=self._only_sizes
        )


def from_turns(turns: Iterable[Turn], model: AIModel, room: int) -> list[Exchange]:
    """The turns of a path, oldest first, as the model is to be sent them. A conversation that was
    too long for the model is halved each time, from the characters that it had `room` for, and
    stays so."""
    past: list[Exchange] = []
    for turn in turns:
        if _was_too_long(turn) and turn.model == model.name:
            past = fitting(past, min(room, sum(each.size for each in past)) // 2)
        if turn.failure not in QUESTION_DROPPED:
            _ask(past, Question(turn.prompt, turn.pk, tuple(turn.attachments)))
            if _is_sent(turn):
                _answer(past, turn.answer)
    return past


def from_messages(messages: Iterable[Message]) -> list[Exchange]:
    """A client's messages; what an assistant says before the first question is left out."""
    past: list[Exchange] = []
    for message in messages:
        if not (text := _text(message).strip()):
            continue
        if message["role"] == "user":
            _ask(past, Question(text))
        elif message["role"] == "assistant":
            _answer(past, text)
    return past


def messages_of(
    past: Sequence[Exchange],
    prompt: str,
    *,
    system: str,
    room: int,
    files: FilesOfCall | None = None,
) -> list[Message]:
    """The messages, as many of the latest exchanges as fit into `room` characters besides the
    prompt and the system message; at least the last, shortened if need be. The prompt is sent
    whole. Their `files` stand with their questions."""
    left = max(room - len(prompt) - len(system), LEAST_CHARACTERS)
    exchanges = fitting(past, left)
    _ask(exchanges, Question(prompt, files=files.own if files else ()))
    contents = files.contents(exchanges, system) if files else repeat(Content(), len(exchanges))
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for exchange, content in zip(exchanges, contents, strict=True):
        messages.append({"role": "user", "content": content.before(exchange.question)})
        if exchange.answer:
            messages.append({"role": "assistant", "content": exchange.answer})
    return messages


def fitting(past: Sequence[Exchange], room: int) -> list[Exchange]:
    """The latest exchanges that together have at most `room` characters, whole ones; when there is
    none, the last one shortened."""
    left, first = room, len(past)
    while first and past[first - 1].size <= left:
        first -= 1
        left -= past[first].size
    return list(past[first:] or [_shortened(exchange, room) for exchange in past[-1:]])


def shortened(text: str, room: int) -> str:
    """At most `room` characters of a text, its beginning and its end; never nothing of it."""
    if len(text) <= room:
        return text
    half = max(0, room - len(CUT)) // 2
    return f"{text[:half]}{CUT}{text[len(text) - half :]}".strip()


def _shortened(exchange: Exchange, room: int) -> Exchange:
    """Question and answer get half each, and what the other leaves."""
    half = room // 2
    question = shortened(exchange.question, room - min(len(exchange.answer), half))
    answer = shortened(exchange.answer, max(half, room - len(question)))
    return Exchange((Question(question, exchange.turn_ids[0], tuple(exchange.files)),), answer)


def _ask(past: list[Exchange], question: Question) -> None:
    """Adds a question. One that has no answer yet is joined with it, unless it is the same."""
    earlier = past.pop().questions if past and not past[-1].answer else ()
    others = [
        each for each in earlier if (each.text, each.files) != (question.text, question.files)
    ]
    past.append(Exchange((*others, question)))


def _answer(past: list[Exchange], text: str) -> None:
    if past:
        past[-1] = past[-1]._replace(answer=joined(past[-1].answer, text))


def _turns(path: Sequence[UUID], *, only_sizes: bool) -> list[Turn]:
    """The turns among the entries of a path, which is given from its end, oldest first. With
    `only_sizes` answers are as long as the stored ones and say nothing: pages need not read
    megabytes. Questions are read: the same one is sent once."""
    # Reasoning is never sent to a model, and may be longer than all else.
    turns = Turn.objects.filter(pk__in=path).defer("reasoning", "html")
    if only_sizes:
        turns = turns.defer("answer", "reasoning", "html").annotate(
            length=Length("answer"), octets=OctetLength("answer")
        )
    by_id = {turn.pk: turn for turn in turns}
    read = [by_id[each] for each in reversed(path) if each in by_id]
    for turn in read if only_sizes else ():
        measured: Any = turn
        turn.answer = text_of_size(measured.length, measured.octets)
    return read


def _is_sent(turn: Turn) -> bool:
    """Whether the answer was paid for, or imported, and has text: also one that was cut, or
    stopped."""
    ended_well = turn.state in {Turn.State.ANSWERED, Turn.State.STOPPED, Turn.State.IMPORTED}
    return ended_well and not turn.came_back and bool(turn.answer.strip())


def _was_too_long(turn: Turn) -> bool:
    return turn.failure == Reason.CONTEXT_TOO_LONG


def _text(message: Message) -> str:
    content = message["content"]
    return content if isinstance(content, str) else ""


def joined(*texts: str) -> str:
    """One text of those that are not empty."""
    return BETWEEN.join(text for text in texts if text)
