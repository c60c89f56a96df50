"""A model that is priced by tokens, somebody who writes to it, and what holds of every answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from ai_chat.models import Turn
from credits.amounts import PICO
from credits.ledger import get_balance
from credits.models import TokenPrice, Use, User
from tests.ai_chat.chat import Chat
from tests.ai_chat.turns import text_model
from tests.factories import make_token_price
from tests.live import Site

#: Of an answer, with what the model thinks.
MAX_TOKENS = 1000


def price_by_tokens(**columns: Any) -> TokenPrice:
    """Of the first text model: 1 credit per 1,000 tokens that are read (a tenth from the cache), 2
    per 1,000 written. `columns` of the model besides."""
    model = text_model(**{"output_tokens": MAX_TOKENS, "output_least": 50, **columns})
    return make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                            reasoning=2 * 10**9)  # fmt: skip


class TokensChat(Chat):
    """A person at the page, whose button has this price by tokens."""

    def __init__(self, site: Site, user: User, price: TokenPrice) -> None:
        super().__init__(site, user)
        self.price = price

    @contextmanager
    def sending(
        self, message: str, *, path: str = "/ai-chat", key: str = "", **form: str
    ) -> Iterator[httpx.Response]:
        agreed = {"price": "", "price_version": str(self.price.pk), **form}
        with super().sending(message, path=path, key=key, **agreed) as response:
            yield response


def assert_paid_exactly(user: User, *, had: int = 100) -> None:
    """What the account paid, by the part of a credit, is what its uses collected, and nothing is
    held any more."""
    balance = get_balance(user_id=user.pk)
    uses = Use.objects.filter(account=user.pk)
    paid = (had - balance.remaining) * PICO - balance.ahead
    assert paid == sum(int(use.collected) for use in uses)
    assert balance.held == 0


def ended_turn(user: User) -> Turn:
    """The latest turn, with what its receipt shows."""
    return Turn.with_receipt().filter(user=user).latest("created_at")
