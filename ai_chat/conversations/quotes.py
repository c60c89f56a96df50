"""What a message would cost, before it is sent: for the button and for programs. Nothing is
charged."""

from collections.abc import Iterable
from dataclasses import dataclass

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import history
from ai_chat.conversations.turns import checked_draft
from ai_chat.jobs.rates import count_request
from ai_chat.jobs.start import say_what_comes
from ai_chat.providers.bounds import asked_of, size_of
from ai_chat.providers.chat import Message
from credits.amounts import PICO
from credits.exceptions import InsufficientCredits
from credits.features import TEXT
from credits.ledger import Balance, get_balance
from credits.limit_states import LimitState, limit_state
from credits.models import AIModel
from credits.uses import Asked, Quote, quote_credits


@dataclass(frozen=True)
class MessageQuote:
    """What a message to a model would be granted with this balance, or why it would be refused.
    `reserve` is None where a message has a price of its own, whatever it uses."""

    model: AIModel
    balance: Balance
    asked: Asked
    reserve: Quote | None

    @property
    def credits(self) -> int:
        """What is taken at first."""
        return self.reserve.credits if self.reserve else self.model.cost or 0

    @property
    def most(self) -> int:
        """Pico-credits that it costs at most."""
        return self.reserve.bound if self.reserve else self.credits * PICO

    @property
    def price_id(self) -> int | None:
        """The price by tokens that would count."""
        return self.reserve.price_id if self.reserve else None

    @property
    def likely(self) -> int | None:
        """What it usually costs the account, in pico-credits, if that is known."""
        return self.reserve.likely if self.reserve else None

    @property
    def refusal(self) -> Exception | None:
        """Why it would be refused, if it would."""
        return self.reserve.refusal if self.reserve else None

    @property
    def words_granted(self) -> int:
        """About how many words the answer may have, two figures of it, where that is less than the
        model could write; else 0."""
        granted = self.reserve.output_granted if self.reserve else 0
        if not 0 < granted < self.asked.output:
            return 0
        words = granted * 5 // 7
        return max(1, round(words, 2 - len(str(words))))

    @property
    def limit(self) -> LimitState | None:
        """The limit because of which the answer may be no longer."""
        return limit_state(self.reserve.limit_id) if self.reserve else None


def quote_message(draft: Draft, model: AIModel) -> MessageQuote:
    """What `send_message` would be granted. Raises InvalidMessage, and what the charge would be
    refused with."""
    messages = history(checked_draft(draft, model), model).messages
    quote = quote_messages(
        messages, user_id=draft.user_id, model=model, balance=get_balance(user_id=draft.user_id)
    )
    if isinstance(quote.refusal, InsufficientCredits):
        say_what_comes(quote.refusal, user_id=draft.user_id)
    if quote.refusal:
        raise quote.refusal
    return quote


def quote_messages(
    messages: Iterable[Message], *, user_id: int, model: AIModel, balance: Balance
) -> MessageQuote:
    """What a call with these messages would be granted, or why it would be refused."""
    asked = asked_of(model, size_of(messages))
    reserve = None
    if model.token_price:
        reserve = quote_credits(
            user_id=user_id, feature=TEXT, model=model.name, asked=asked, balance=balance
        )
    return MessageQuote(model, balance, asked, reserve)


def count_quote(*, user_id: int) -> None:
    """Counts a quote that a program asks for. Raises TooManyRequests beyond REQUESTS_PER_MINUTE."""
    count_request(user_id=user_id, kind="quotes", name="quote")
