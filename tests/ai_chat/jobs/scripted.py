"""Answers whose provider is a script: the real job, charge and ending, without the wire."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ai_chat.conversations.turns import answer_turn
from ai_chat.jobs.following import wait
from ai_chat.models import Turn
from ai_chat.providers.bounds import asked_of, size_of
from ai_chat.providers.chat import Message
from ai_chat.providers.pieces import Piece, Reasoning, Text, Usage
from ai_chat.providers.received import Received
from credits.catalogue.models import get_model
from credits.features import TEXT
from credits.models import AIModel, User
from tests.ai_chat.turns import MODEL, charge_turn


class Wait:
    """The provider sends nothing more until the call is cancelled."""


type Step = Piece | Exception | Wait


class ScriptedStream:
    """Stands where a call of the provider stands: `scripts` says, by the model's name, what comes
    of it."""

    scripts: ClassVar[dict[str, Sequence[Step]]] = {}
    calls: ClassVar[list[str]] = []
    #: The tokens that each call was paid for.
    limits: ClassVar[list[int | None]] = []

    def __init__(
        self,
        *,
        model: AIModel,
        messages: Any,
        temperature: float | None,
        max_tokens: int | None = None,
    ) -> None:
        self._name = model.name
        self._cancelled = threading.Event()
        self.received = Received()
        self.limits.append(max_tokens)

    def __iter__(self) -> Iterator[Piece]:
        self.calls.append(self._name)
        for step in self.scripts[self._name]:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Wait):
                self._cancelled.wait(60)
                return
            if isinstance(step, Usage):
                self.received.note(as_counts(step))
            elif isinstance(step, Text | Reasoning):
                self.received.deltas += 1
                self.received.add(step.text)
            yield step

    def leave(self) -> None:
        self.cancel()

    def cancel(self) -> None:
        self._cancelled.set()


def as_counts(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI sends it."""
    return {
        "prompt_tokens": usage.input,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens": usage.output,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def begin_turn(user: User, *steps: Step, model: str = MODEL) -> Turn:
    """A turn that was charged, and whose answer is being made."""
    ScriptedStream.scripts[model] = steps
    chosen = get_model(model, feature=TEXT, user_id=user.pk)
    messages: list[Message] = [{"role": "user", "content": "Hi"}]
    turn = charge_turn(user, model=chosen, asked=asked_of(chosen, size_of(messages)))
    answer_turn(turn, chosen, messages)
    return turn


def ended(turn: Turn) -> Turn:
    """The turn as it ended."""
    end = wait(turn)
    assert end and not end.is_running
    return end
