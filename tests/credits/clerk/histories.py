"""Deliveries in any order, and the state that they lead to."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

from django.db import transaction

from credits.clerk.webhooks import inbox
from credits.ledger import expire_credits, get_balance
from credits.models import CreditGrant, Identity, Payment, Period, SubscriptionItem
from tests.fakes.clerk import Json

type Delivery = tuple[str, Json]


def receive_all(events: Iterable[Delivery]) -> None:
    for svix_id, payload in events:
        inbox.receive(svix_id=svix_id, payload=payload)


def final_state(user_id: str = "user_1") -> dict[str, Any]:
    """Everything that must not depend on the order: grants, balance and state of one payer."""
    expire_credits()
    user = Identity.objects.get(clerk_id=user_id).user
    assert user
    grants = CreditGrant.objects.filter(user=user).order_by("key")
    items = SubscriptionItem.objects.filter(payer_id=user_id).order_by("item_id")
    periods = Period.objects.filter(item__payer_id=user_id).order_by(
        "item__item_id", "start", "trial"
    )
    return {
        "grants": list(grants.values_list("key", "amount", "remaining", "expires_at", "expired")),
        "balance": get_balance(user_id=user.pk).remaining,
        "items": list(
            items.values_list(
                "item_id", "plan_id", "status", "period_start", "period_end", "version", "ends"
            )
        ),
        "periods": list(
            periods.values_list("item__item_id", "start", "trial", "end", "earned", "settled")
        ),
        "person": (user.name, user.email, user.is_active),
        "payments": list(
            Payment.objects.filter(payer_id=user_id)
            .order_by("payment_id")
            .values_list("payment_id", "status")
        ),
    }


def renamed(value: Any, names: dict[str, str]) -> Any:
    """A final state with other names in it, so that those of two payers can be compared."""
    if isinstance(value, dict):
        return {key: renamed(entry, names) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(renamed(entry, names) for entry in value)
    if isinstance(value, str):
        return reduce(lambda text, name: text.replace(*name), names.items(), value)
    return value


@contextmanager
def rolled_back() -> Iterator[None]:
    """What happens inside is rolled back, so that the next order starts from the same state."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def with_duplicates(order: Iterable[Delivery], chance: random.Random) -> list[Delivery]:
    """Some messages again, later: under their own id, and under a new one as a resend by hand."""
    deliveries = list(order)
    for svix_id, payload in chance.sample(deliveries, k=min(2, len(deliveries))):
        name = chance.choice([svix_id, f"{svix_id}_again"])
        deliveries.insert(chance.randrange(len(deliveries) + 1), (name, payload))
    return deliveries
