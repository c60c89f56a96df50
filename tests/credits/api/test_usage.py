"""GET /api/credits/usage."""

from datetime import UTC, datetime
from typing import Any

import pytest

from credits.adjustments import adjust_credits
from credits.ledger import deduct_credits_for_feature, refund_charge
from credits.models import User
from tests.api import Api, assert_problem
from tests.clock import Clock
from tests.factories import make_charge

USAGE = "/api/credits/usage"


def items(user: User, query: str = "") -> list[dict[str, Any]]:
    response = Api(user).get(USAGE + query)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["items"]
    return found


def test_a_charge_is_told_in_full(alice: User) -> None:
    charge = make_charge(alice, 2, hold=True, details={"model": "m1"})
    row = items(alice)[0]
    created = row.pop("createdAt")
    assert datetime.fromisoformat(created).tzinfo == UTC
    assert row == {
        "id": charge.id,
        "kind": "charge",
        "operationType": "AI_TEXT_CHAT",
        "feature": "ai_text_chat",
        "creditsUsed": 2,
        "balanceAfter": 98,
        "unitCost": 1,
        "quantity": 2,
        "refundOf": None,
        "held": True,
        "reason": None,
        "actor": None,
        "model": "m1",
        # Of a charge by tokens: tests/credits/statement/test_lines.py.
        "priceVersion": None,
        "key": None,
        "usage": None,
        "cost": None,
        "paidAhead": None,
    }


def test_a_refund_names_its_charge_and_its_reason(alice: User) -> None:
    charge = make_charge(alice, 2)
    refund_charge(charge_id=charge.id, reason="provider_error", idempotency_key="r")
    row = items(alice)[0]
    assert (row["kind"], row["creditsUsed"], row["balanceAfter"]) == ("refund", -2, 100)
    assert (row["refundOf"], row["reason"]) == (charge.id, "provider_error")


@pytest.fixture
def busy(alice: User) -> User:
    """Alice with a row of most kinds."""
    charge = make_charge(alice)
    refund_charge(charge_id=charge.id, reason="x", idempotency_key="r")
    deduct_credits_for_feature(user_id=alice.pk, feature="ai_image_generation")
    adjust_credits(user_id=alice.pk, delta=5, reason="gift", actor="a", idempotency_key="a")
    return alice


KINDS = {
    "charge": ["ai_image_generation", "ai_text_chat"],
    "refund": ["ai_text_chat"],
    "grant": [None],
    "adjustment": [None],
    "expiry": [],
}


@pytest.mark.parametrize(("kind", "features"), KINDS.items())
def test_a_kind_is_all_one_sees(kind: str, features: list[str | None], busy: User) -> None:
    found = items(busy, f"?kind={kind}")
    assert [row["feature"] for row in found] == features
    assert {row["kind"] for row in found} <= {kind}


def test_a_feature_is_all_one_sees(busy: User) -> None:
    found = items(busy, "?feature=ai_text_chat")
    assert [row["kind"] for row in found] == ["refund", "charge"]


def test_days_are_included_on_both_ends(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2031, 5, 1, 23, 59, 59, tzinfo=UTC))
    make_charge(alice)
    clock.freeze(datetime(2031, 5, 2, tzinfo=UTC))
    make_charge(alice)
    days = [row["createdAt"][:10] for row in items(alice, "?from=2031-05-01&to=2031-05-01")]
    assert days == ["2031-05-01"]
    assert len(items(alice, "?from=2031-05-01&to=2031-05-02")) == 2
    assert items(alice, "?from=2031-05-03") == []


def test_the_longest_range_is_a_range(alice: User) -> None:
    assert len(items(alice, "?from=2020-01-01&to=2100-12-31")) == 1


def test_who_adjusted_is_an_admin_whoever_it_was(alice: User) -> None:
    adjust_credits(
        user_id=alice.pk, delta=5, reason="gift", actor="dora@example.com", idempotency_key="a"
    )
    make_charge(alice)
    charge, adjustment, grant = items(alice)
    assert (adjustment["actor"], adjustment["reason"]) == ("an admin", "gift")
    assert (charge["actor"], grant["actor"]) == (None, None)
    assert "dora" not in Api(alice).get(USAGE).text


def test_pages_hold_every_row_once_also_when_rows_come_meanwhile(alice: User) -> None:
    expected = [make_charge(alice).id for _ in range(7)]
    seen: list[int] = []
    query = "?kind=charge&limit=3"
    cursor: str | None = ""
    while cursor is not None:
        page = Api(alice).get(USAGE + query + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [row["id"] for row in page["items"]]
        cursor = page["nextCursor"]
        make_charge(alice)
    assert seen == expected[::-1]


def test_a_page_that_is_exactly_full_is_the_last(alice: User) -> None:
    make_charge(alice)
    assert Api(alice).get(f"{USAGE}?limit=2").json()["nextCursor"] is None


def test_other_peoples_rows_are_never_there(alice: User, bob: User) -> None:
    charge = make_charge(bob)
    assert charge.id not in [row["id"] for row in items(alice, f"?cursor={charge.id + 1}")]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=spend", "kind"),
        ("kind=", "kind"),
        ("feature=ai_video", "feature"),
        ("from=yesterday", "from"),
        ("from=2026-13-01", "from"),
        ("to=2026-02-30", "to"),
        ("to=%00", "to"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1.0", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("cursor=0", "cursor"),
        ("cursor=9223372036854775808", "cursor"),
        ("cursor=x", "cursor"),
        ("featrue=ai_text_chat", "featrue"),
    ],
)
def test_a_query_that_means_nothing_is_400_naming_the_field(
    query: str, field: str, alice: User
) -> None:
    problem = assert_problem(Api(alice).get(f"{USAGE}?{query}"), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [[field]]
