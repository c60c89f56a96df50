"""Titles by the model that an admin names, at the operator's cost: nothing is charged, held or
counted. It is asked once in a conversation, after its first answer, in the worker. A kill, a
failure or a busy worker leaves the title that the rule gave."""

import logging
from datetime import timedelta
from threading import Timer
from typing import Any

from django.db import connections
from django.db.models import Exists
from django.utils import timezone
from procrastinate.contrib.django import app

from ai_chat.models import ChatSettings, Conversation, Turn
from ai_chat.providers.chat import AnswerStream, Message
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Text
from ai_chat.titles import cleaned_title, title_of
from credits.models import AIModel

logger = logging.getLogger(__name__)

#: A title comes within this time after the answer, or not at all: pages ask for it as long.
DUE_FOR = timedelta(seconds=60)
#: The whole call, in seconds.
CALL_SECONDS = 10.0
#: Of the title; a model that reasons has its tokens for that besides.
MAX_TOKENS = 40
#: Of the question, and of the answer, that the model is sent.
MAX_CHARACTERS = 1_000
ASKED = (
    "Write a title for the conversation below: at most six words, in the language of its question, "
    "without quotation marks. Answer with the title alone."
)


def name_after(turn: Turn) -> None:
    """Gives the conversation of a turn that was just answered its title: by the rule, where the
    question said nothing, and later by the model, if there is one. Never raises: the answer has
    been paid for."""
    try:
        if turn.parent is None:
            _name_by_rule(turn)
        _ask_for_title(turn)
    except Exception:
        logger.exception("%s got no title", turn)


def _name_by_rule(turn: Turn) -> None:
    title, first = title_of(turn.prompt, turn.answer), title_of(turn.prompt)
    if title != first:
        named = Conversation.objects.filter(pk=turn.conversation_id, title_is_chosen=False)
        named.filter(title=first).update(title=title)


def _ask_for_title(turn: Turn) -> None:
    """Has the worker ask the model, if nobody chose a title and this is the first answer. Each
    statement commits by itself: whoever follows the answer waits for most of them, and after a kill
    between them the title stays that of the rule."""
    has_model = ChatSettings.objects.filter(title_model__active=True)
    others = Turn.objects.filter(conversation=turn.conversation_id).exclude(pk=turn.pk)
    unnamed = Conversation.objects.filter(
        Exists(has_model),
        ~Exists(others.exclude(state__in=[Turn.State.RUNNING, Turn.State.FAILED])),
        pk=turn.conversation_id,
        title_is_chosen=False,
        title_due_until=None,
    )
    if unnamed.update(title_due_until=timezone.now() + DUE_FOR):
        app.configure_task("chat.title", queue="default").defer(turn_id=str(turn.pk))


def make_title(turn_id: str) -> None:
    """Asks the model for the title of a turn's conversation, if it is still due."""
    turn = Turn.objects.select_related("conversation").filter(pk=turn_id).first()
    settings = ChatSettings.objects.select_related("title_model__provider").first()
    model = settings.title_model if settings else None
    if turn is None or model is None or not model.is_offered or not is_due(turn.conversation):
        return
    title = ""
    try:
        title = cleaned_title(_written(model, turn))
    except ProviderError as error:
        logger.warning("no title for %s: %s", turn.conversation_id, error.reason)
    finally:
        connections.close_all()
        named: dict[str, Any] = {"title": title} if title else {}
        own = Conversation.objects.filter(pk=turn.conversation_id)
        own.filter(title_is_chosen=False).update(title_due_until=timezone.now(), **named)


def is_due(conversation: Conversation) -> bool:
    """Whether the model may still give it a title."""
    until = conversation.title_due_until
    return bool(until and until > timezone.now() and not conversation.title_is_chosen)


def _written(model: AIModel, turn: Turn) -> str:
    """What the model writes. Raises ProviderError."""
    said = f"Question:\n{turn.prompt[:MAX_CHARACTERS]}\n\nAnswer:\n{turn.answer[:MAX_CHARACTERS]}"
    messages: list[Message] = [{"role": "user", "content": f"{ASKED}\n\n{said}"}]
    most = MAX_TOKENS + model.reasoning_tokens
    stream = AnswerStream(model=model, messages=messages, temperature=None, max_tokens=most)
    connections.close_all()  # Before waiting: the pool is for those who work.
    timer = Timer(CALL_SECONDS, stream.cancel)
    timer.start()
    try:
        return "".join(piece.text for piece in stream if isinstance(piece, Text))
    finally:
        timer.cancel()
