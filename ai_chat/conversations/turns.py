"""The metered turn: a message and its answer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from ai_chat.attachments.sending import refusal_of
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import history
from ai_chat.conversations.rendering import html_columns
from ai_chat.conversations.thinking import Thinking
from ai_chat.conversations.title_model import name_after
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.start import Agreed, choose_model, start_job
from ai_chat.jobs.supervision import begin
from ai_chat.jobs.work import Bounds, Stopped, TimeIsUp, Work, charged_if_shown
from ai_chat.markdown import has_visible_text
from ai_chat.models import USUAL, Place, Turn
from ai_chat.providers.bounds import asked_of, file_tokens, input_bound, size_of
from ai_chat.providers.chat import AnswerStream, Message, can_read, tokens_of
from ai_chat.providers.client import thinking_seconds
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Piece, Reasoning, Text
from ai_chat.providers.used import CallBounds, used
from ai_chat.titles import title_of
from config.errors import InvalidInput
from config.text import as_written, is_blank
from credits.features import TEXT
from credits.models import AIModel
from credits.reasons import Reason
from credits.uses import Asked, Tokens

State = Turn.State


class InvalidMessage(InvalidInput):
    """The message cannot be sent; the text says why, for people."""

    path = ("messages",)


def choose_text_model(name: str, *, user_id: int, idempotency_key: str) -> AIModel:
    """The model of a message that is sent with this key, as `choose_model` has it."""
    return choose_model(
        name, feature=TEXT, user_id=user_id, idempotency_key=f"turn:{idempotency_key}"
    )


def send_message(
    draft: Draft,
    model: AIModel,
    *,
    idempotency_key: str,
    temperature: float | None = None,
    **more: Any,
) -> tuple[Turn, bool]:
    """Charges a message as `start_turn` does, with what else that takes, and asks for its answer:
    what `history` says is sent with it. `temperature` goes before the chat's. Returns the turn and
    whether it is new. Raises InvalidMessage where the model does not read its files, and what
    `start_turn` and `answer_turn` raise."""
    draft = checked_draft(draft, model)
    context = history(draft, model)
    asked = asked_of(model, size_of(context.messages))
    turn, is_new = start_turn(draft, model, idempotency_key=idempotency_key, asked=asked, **more)
    if is_new and not (context.in_time and turn.parent == draft.place.parent):
        # The answer that was being written has ended, or another was begun and ended: it belongs
        # before this one, if there is room for it in what was paid.
        later = history(replace(draft, place=Place(turn.conversation, turn.parent)), model)
        if not turn.is_by_tokens or asked_of(model, size_of(later.messages)) <= asked:
            context = later
    if is_new:
        temperature = context.temperature if temperature is None else temperature
        answer_turn(turn, model, context.messages, temperature=temperature)
    return turn, is_new


def start_turn(
    draft: Draft,
    model: AIModel,
    *,
    idempotency_key: str,
    max_unit_cost: int | None = None,
    request: Any = None,
    external_id: str | None = None,
    asked: Asked | None = None,
    agreed: Agreed = Agreed(),  # noqa: B008 -- it cannot be changed
) -> tuple[Turn, bool]:
    """Charges a message and records its turn; without a conversation it begins one, or goes on with
    that of `external_id`. Returns the turn and whether it is new: a repeated key finds the first
    one (I7). `request` stands for more than the message, if given; `asked` and `agreed` are as
    `start_job` has them. Raises InvalidMessage, TurnRunning while another answer is written in the
    conversation, and what else `start_job` raises."""
    text, place = checked(draft.text), draft.place
    conversation_id = place.conversation_id and str(place.conversation_id)
    files = [str(each.pk) for each in draft.attachments]
    version = [str(place.parent)] if place.is_version else []
    beginning = place.conversation.beginning if place.conversation else draft.beginning
    differs = [beginning.columns] if beginning != USUAL and place.conversation is None else []
    return start_job(
        Turn,
        user_id=draft.user_id,
        feature=TEXT,
        max_unit_cost=max_unit_cost,
        idempotency_key=f"turn:{idempotency_key}",
        request=request or [conversation_id, model.name, text, *version, *files, *differs],
        asked=asked,
        agreed=agreed,
        row={
            "conversation_id": conversation_id,
            "external_id": external_id,
            "title": title_of(text),
            "model": model.name,
            "prompt": text,
            "parent": place.parent and str(place.parent),
            "is_version": place.is_version,
            "attachments": files,
            "one_at_a_time": True,
            **beginning.columns,
        },
    )


def checked_draft(draft: Draft, model: AIModel) -> Draft:
    """A message as it is sent to the model. Raises InvalidMessage."""
    if refusal := refusal_of(draft.attachments, model):
        raise InvalidMessage(refusal)
    return replace(draft, text=checked(draft.text))


def checked(text: str) -> str:
    """A message as it is kept. Raises InvalidMessage."""
    text = as_written(text)
    if is_blank(text):
        raise InvalidMessage("Write a message first.")
    if len(text) > settings.MESSAGE_MAX_CHARACTERS:
        raise InvalidMessage(
            f"A message has at most {settings.MESSAGE_MAX_CHARACTERS:,} characters; "
            f"this one has {len(text):,}."
        )
    return text


def answer_turn(
    turn: Turn, model: AIModel, messages: list[Message], *, temperature: float | None = None
) -> None:
    """Asks the provider for the answer of a turn that was just charged. Raises Busy."""
    begin(Answering(turn, model, messages, temperature))


class Answering(Work[Turn]):
    """The answer of one turn. The charge stands when there is visible text and nothing failed."""

    def __init__(
        self, job: Turn, model: AIModel, messages: list[Message], temperature: float | None
    ) -> None:
        super().__init__(job, model)
        self.bounds = Bounds.of_text(model, total=settings.ANSWER_SECONDS + thinking_seconds(model))
        self.thinking = Thinking()
        self._asked = messages, temperature
        size = size_of(messages)
        self._bounds = CallBounds(
            size.text_bytes + file_tokens(model, size),
            input_bound(model, size),
            job.output_granted or tokens_of(model),
        )
        self._stream = AnswerStream(
            model=model, messages=messages, temperature=temperature, max_tokens=job.output_granted
        )
        self._finish = Finish.STOP
        self._cut = ""
        self._html: Mapping[str, Any] = {}

    def with_model(self, model: AIModel) -> "Answering | None":
        messages, _ = self._asked
        return Answering(self.job, model, *self._asked) if can_read(model, messages) else None

    def perform(self, publish: Callable[[Piece], bool]) -> None:
        room = dict.fromkeys((Text, Reasoning), settings.ANSWER_MAX_CHARACTERS)
        for piece in self._stream:
            shown = piece
            if isinstance(piece, Text | Reasoning):
                kind = type(piece)
                shown = kind(piece.text[: room[kind]]) if room[kind] else Alive()
                room[kind] -= len(piece.text)
            elif isinstance(piece, End):
                self._finish = piece.finish
            self.thinking.note(shown)
            if not publish(shown):
                return
            if room[Text] < 0:
                self._finish = Finish.LENGTH
                # Whatever the call does from here on, the answer is whole: a model that hides what
                # it thinks is read on for its count, in silence.
                publish(End(Finish.LENGTH))
                return

    def cancel(self) -> None:
        self._stream.leave()

    def so_far(self) -> Tokens:
        return used(self._bounds, self._stream.received).tokens

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        self.thinking.end()
        outcome = self._outcome(cause, text)
        outcome = charged_if_shown(
            outcome, cause, is_shown=self.thinking.has_begun or bool(text), state=State.FAILED
        )
        # A stop before the answer began is to be paid for where it is one too many.
        is_stop = outcome.failure == Reason.STOPPED_EARLY
        is_failed = outcome.delivered == 0 and not (is_stop or outcome.charged_as)
        taken = used(self._bounds, self._stream.received, failed=is_failed, input_due=is_stop)
        return replace(outcome, used=taken)

    def _outcome(self, cause: Exception | None, text: str) -> Outcome:
        # Here, as `keep` is within the ending's transaction.
        self._html = html_columns(text) if text else {}
        is_visible = has_visible_text(text)
        match cause:
            case TimeIsUp() if is_visible:
                self._cut = Turn.Cut.TIME
                return Outcome(State.ANSWERED)
            case ProviderError():
                return Outcome(State.FAILED, cause.reason, delivered=0)
            case Stopped() if is_visible:
                return Outcome(State.STOPPED)
            case Stopped():
                return Outcome(State.STOPPED, Reason.STOPPED_EARLY, delivered=0)
        is_cut = self._finish == Finish.LENGTH
        if is_visible:
            self._cut = Turn.Cut.LENGTH if is_cut else ""
            return Outcome(State.ANSWERED)
        failure = Reason.LENGTH_USED_UP if is_cut else Reason.EMPTY_ANSWER
        return Outcome(State.FAILED, failure, delivered=0)

    def ended(self, job: Turn | None, *, kept: bool) -> None:
        if job and kept and not job.came_back and has_visible_text(job.answer):
            name_after(job)

    def keep(self, text: str, reasoning: str, *, lost: bool) -> Mapping[str, Any]:
        kept = {"answer": text, "reasoning": reasoning}
        shown = {name: value for name, value in kept.items() if value or not lost}
        seconds = {"reasoning_seconds": self.thinking.seconds} if reasoning else {}
        return {**shown, **seconds, **self._html} | ({} if lost else {"cut": self._cut})
