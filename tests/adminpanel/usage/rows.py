"""Rows of every kind on three days, and reading the page of everybody's rows."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from credits.adjustments import adjust_credits
from credits.ledger import deduct_credits_for_feature, refund_charge, release_charge
from credits.models import UsageHistory, User
from tests.clock import Clock
from tests.factories import make_charge, make_grant


def image(user: User, quantity: int = 1, model: str = "painter") -> int:
    return deduct_credits_for_feature(
        user_id=user.pk,
        feature="ai_image_generation",
        quantity=quantity,
        details={"model": model},
    ).id


def three_days(alice: User, bob: User, clock: Clock) -> None:
    """Rows of every kind on three days, the last of which is today."""
    clock.move(days=-2)
    make_charge(alice, 3, details={"model": "m1"})
    refund_charge(charge_id=image(alice, 2), reason="empty_answer", idempotency_key="a", amount=5)
    clock.move(days=1)
    held = make_charge(bob, 2, hold=True, details={"model": "m1"})
    release_charge(charge_id=held.id, reason="provider_error")
    make_grant(bob, 7, expires_at=clock.now() + timedelta(hours=1))
    clock.move(days=1)
    make_charge(bob, 1, details={"model": "m2"})
    adjust_credits(
        user_id=alice.pk, delta=4, target=None, reason="=cmd()", actor="x", idempotency_key="b"
    )
    make_charge(alice, 1, hold=True, lease_seconds=2, details={"model": "m2"})
    make_charge(alice, 2, hold=True, details={"model": "m2"})
    clock.move(seconds=3)


def rows_of(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'<tr id="row-(\d+)"', page)]


def asked(desk: Client, **query: Any) -> str:
    """The page for these filters; `first` is `from`."""
    query = {"from" if key == "first" else key: value for key, value in query.items()}
    answer = desk.get(f"/admin/usage?{urlencode(query)}")
    assert answer.status_code == 200
    return answer.text


def sums_of(page: str) -> dict[str, tuple[str, str]]:
    """Each sum of the page: where it leads, and what it is."""
    found = re.findall(r'<dt>(\w+)</dt><dd>(?:<a href="([^"]*)">)?(-?\d+)<', page)
    return {label: (href, value) for label, href, value in found}


DAY = timedelta(days=1)
#: Filters, and the rows that a person would say they mean.
FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda _: True),
    ({"kind": "charge"}, lambda row: row.unit_cost is not None),
    ({"kind": "refund"}, lambda row: row.refund_of_id is not None),
    ({"kind": "grant"}, lambda row: row.operation_type == "GRANT"),
    ({"kind": "adjustment"}, lambda row: row.operation_type == "ADJUSTMENT"),
    ({"kind": "expiry"}, lambda row: row.operation_type == "EXPIRY"),
    ({"feature": "ai_image_generation"}, lambda row: "IMAGE" in row.operation_type),
    ({"kind": "charge", "feature": "ai_text_chat"},
     lambda row: "TEXT" in row.operation_type and row.unit_cost is not None),
    ({"model": "m1"}, lambda row: model(row) == "m1"),
    ({"model": "painter", "kind": "refund"},
     lambda row: model(row) == "painter" and row.refund_of_id is not None),
    ({"reason": "provider_error"}, lambda row: row.details.get("reason") == "provider_error"),
    ({"reason": "nothing like it"}, lambda _: False),
    ({"first": -1}, lambda row: row.created_at.date() >= today() - DAY),
    ({"to": -1}, lambda row: row.created_at.date() < today()),
    ({"first": -1, "to": -1, "kind": "charge"},
     lambda row: row.created_at.date() == today() - DAY and row.unit_cost is not None),
    ({"user": "alice@example.com"}, lambda row: row.user.email == "alice@example.com"),
    ({"user": "BOB@example.com", "kind": "charge"},
     lambda row: row.user.email == "bob@example.com" and row.unit_cost is not None),
    ({"state": "held"}, lambda row: hasattr(row, "hold")),
    ({"state": "overdue"}, lambda row: hasattr(row, "hold") and row.credits_used == 1),
    ({"way": "in"}, lambda row: row.credits_used < 0),
    ({"way": "out", "to": -1},
     lambda row: row.credits_used >= 0 and row.created_at.date() < today()),
    ({"way": "in", "kind": "adjustment"},
     lambda row: row.operation_type == "ADJUSTMENT" and row.credits_used < 0),
    ({"way": "out", "kind": "adjustment"}, lambda _: False),
]  # fmt: skip


def today() -> Any:
    return datetime.now(UTC).date()


def model(row: UsageHistory) -> str | None:
    return row.details.get("model") or (
        row.refund_of.details.get("model") if row.refund_of else None
    )


def spelt(query: dict[str, Any]) -> dict[str, Any]:
    """Days are given as so many from today."""
    return {
        key: today() + timedelta(days=value) if isinstance(value, int) else value
        for key, value in query.items()
    }
