"""What a message would cost, before it is sent: for the button and for programs. Nothing is
charged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from ai_chat.conversations.history import history
from ai_chat.conversations.turns import checked
from ai_chat.jobs.errors import LimitReached
from ai_chat.jobs.start import say_what_comes
from ai_chat.models import Conversation
from ai_chat.providers.bounds import asked_of, size_of
from ai_chat.providers.chat import Message
from credits import rate_limits
from credits.amounts import PICO
from credits.exceptions import InsufficientCredits, OtherPricing
from credits.features import TEXT
from credits.ledger import Balance, get_balance
from credits.limit_states import LimitState, limit_state
from credits.models import AIModel
from credits.uses import Asked, Quote, quote_credits


@dataclass(frozen=True)
class MessageQuote:
    """What a message to a model would be granted with this balance. `reserve` is None where a
    message has a price of its own, whatever it uses."""

    model: AIModel
    balance: Balance
    asked: Asked
    reserve: Quote | None

    @property
    def credits(self) -> int:
        """What is taken at first."""
        return self.reserve.credits if self.reserve else self.model.cost

    @property
    def most(self) -> int:
        """Pico-credits that it costs at most."""
        return self.reserve.bound if self.reserve else self.model.cost * PICO

    @property
    def limit(self) -> LimitState | None:
        """The limit because of which the answer may be no longer."""
        return limit_state(self.reserve.limit_id) if self.reserve else None


def quote_message(
    *,
    user_id: int,
    conversation: Conversation | None,
    text: str,
    model: AIModel,
    **more: Any,
) -> MessageQuote:
    """What `send_message` would be granted; `more` is what `history` takes besides. Raises
    InvalidMessage, and what the charge would be refused with."""
    place = conversation.pk if conversation else None
    messages = history(place, checked(text), model, **more).messages
    quote = quote_messages(
        messages, user_id=user_id, model=model, balance=get_balance(user_id=user_id)
    )
    refusal = quote.reserve.refusal if quote.reserve else None
    if isinstance(refusal, InsufficientCredits):
        say_what_comes(refusal, user_id=user_id)
    if refusal:
        raise refusal
    return quote


def quote_messages(
    messages: Iterable[Message], *, user_id: int, model: AIModel, balance: Balance
) -> MessageQuote:
    """What a call with these messages would be granted, or why it would be refused."""
    asked = asked_of(model, size_of(messages))
    reserve = quote_credits(
        user_id=user_id, feature=TEXT, model=model.name, asked=asked, balance=balance
    )
    is_by_message = isinstance(reserve.refusal, OtherPricing)
    return MessageQuote(model, balance, asked, None if is_by_message else reserve)


def count_quote(*, user_id: int) -> None:
    """Counts a quote that a program asks for. Raises LimitReached beyond REQUESTS_PER_MINUTE."""
    many: int = settings.REQUESTS_PER_MINUTE
    minute = timedelta(minutes=1)
    if seconds := rate_limits.take(f"quotes:{user_id}", limit=many, window=minute):
        plural = "s" if many != 1 else ""
        raise LimitReached(
            f"You can ask for {many} quote{plural} a minute. Try again in {seconds} "
            f"second{'s' if seconds != 1 else ''}.",
            retry_seconds=seconds,
        )
