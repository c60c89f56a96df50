"""An admin's reset of plan credits touches the grants of plans alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from credits.adjustments import PlanReset, set_plan_credits
from credits.exceptions import IdempotencyConflict
from credits.integrity.run import run_checks
from credits.ledger import get_balance, grant_credits
from credits.models import CreditGrant, Identity, SubscriptionItem, UsageHistory, User
from tests.factories import make_charge, make_grant, make_user
from tests.ledger import sql_balance
from tests.parallel import in_parallel

#: Grants of the free plan end with a calendar month.
END = datetime(2100, 1, 1, tzinfo=UTC)
Source = CreditGrant.Source


@pytest.fixture
def item(db: None) -> SubscriptionItem:
    return SubscriptionItem.objects.create(
        item_id="csub_1", instance_id="i", status="active", payer_kind="user", payer_id="user_1"
    )


@pytest.fixture
def user(item: SubscriptionItem) -> User:
    """With two grants of plans, and credits from elsewhere."""
    user = make_user()
    Identity.objects.create(clerk_id="user_1", user=user)
    for number, amount in enumerate((100, 20)):
        grant_credits(
            user_id=user.pk, source=Source.PLAN, amount=amount, key=f"plan:{amount}",
            expires_at=END.replace(year=2100 - number), item_id=item.pk,
        )  # fmt: skip
    make_grant(user, 50, source=Source.SIGNUP)
    make_grant(user, 500, source=Source.ADJUSTMENT)
    make_grant(user, 7)
    return user


def reset(user: User, target: int, **fields: Any) -> PlanReset:
    item = SubscriptionItem.objects.get()
    values: dict[str, Any] = {
        "expires_at": END, "item_id": item.pk, "period_id": None, "reason": "a new start",
        "actor": "admin@example.com", "idempotency_key": "reset", **fields,
    }  # fmt: skip
    return set_plan_credits(user_id=user.pk, target=target, **values)


def left(user: User) -> dict[str, int]:
    grants = CreditGrant.objects.filter(user=user)
    return {
        source: sum(grant.remaining for grant in grants if grant.source == source)
        for source in Source.values[:4]
    }


@pytest.mark.parametrize("target", [0, 1, 99, 100, 119, 120, 121, 1000])
def test_the_plan_s_credits_become_the_target_and_all_others_stay(user: User, target: int) -> None:
    answer = reset(user, target)
    assert (answer.before, answer.change) == (120, target - 120)
    assert left(user) == {"plan": target, "signup": 50, "adjustment": 500, "pack": 7}
    assert answer.balance == sql_balance(user) == get_balance(user_id=user.pk).remaining
    assert [result.check.name for result in run_checks() if not result.ok] == []


def test_each_change_is_a_row_with_actor_and_reason(user: User) -> None:
    reset(user, 10)
    rows = UsageHistory.objects.filter(operation_type="ADJUSTMENT", grant__source="plan")
    # What ends soonest leaves first.
    assert list(rows.order_by("pk").values_list("credits_used", flat=True)) == [20, 90]
    assert {(row.details["actor"], row.details["reason"]) for row in rows} == {
        ("admin@example.com", "a new start")
    }


def test_what_is_given_is_of_the_item_and_ends_with_its_period(user: User) -> None:
    make_charge(user, 60)
    reset(user, 120)
    grant = CreditGrant.objects.get(key__startswith="reset:")
    assert (grant.amount, grant.source, grant.expires_at) == (60, "plan", END)
    assert grant.subscription_item == SubscriptionItem.objects.get()


def test_twice_is_once_and_another_target_is_a_conflict(user: User) -> None:
    reset(user, 10)
    again = reset(user, 10)
    assert (again.before, again.replayed) == (None, True)
    with pytest.raises(IdempotencyConflict):
        reset(user, 11)
    assert left(user)["plan"] == 10


def test_what_has_expired_is_not_counted_as_left(user: User, clock: Any) -> None:
    clock.freeze(END)
    assert reset(user, 5, expires_at=END.replace(month=2)).before == 0
    assert left(user)["plan"] == 5


@pytest.mark.django_db(transaction=True)
def test_resets_at_the_same_time_as_spends_lose_nothing(user: User) -> None:
    def act(number: int) -> None:
        if number % 2:
            reset(user, 80, idempotency_key=f"reset:{number}")
        else:
            make_charge(user)

    in_parallel(12, act)
    assert left(user) | {"plan": 0} == {"plan": 0, "signup": 50, "adjustment": 500, "pack": 7}
    assert sql_balance(user) == get_balance(user_id=user.pk).remaining
    assert [result.check.name for result in run_checks() if not result.ok] == []


@pytest.mark.parametrize(("kind", "amount"), [("ADJUSTMENT", 101), ("EXPIRY", 5), ("GRANT", 5)])
def test_a_row_takes_no_more_from_a_grant_than_it_holds(user: User, kind: str, amount: int) -> None:
    grant = CreditGrant.objects.get(key="plan:100")
    balance = sql_balance(user)
    with pytest.raises(IntegrityError), transaction.atomic():
        UsageHistory.objects.create(
            account_id=user.pk, operation_type=kind, credits_used=amount, grant=grant,
            balance_after=balance - amount, created_at=datetime.now(UTC), details={},
        )  # fmt: skip
    assert sql_balance(user) == balance
