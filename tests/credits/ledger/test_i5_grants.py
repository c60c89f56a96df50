"""I5: a balance is what is left of its live grants; charges are paid from them in burn order,
refunds go back to them, and expired credits leave before anybody sees or spends them."""

from datetime import timedelta
from typing import NamedTuple

import pytest

from credits.adjustments import adjust_credits
from credits.exceptions import IdempotencyConflict, InsufficientCredits, LedgerError
from credits.ledger import (
    Grant,
    expire_credits,
    get_balance,
    grant_credits,
    refund_charge,
    release_charge,
    set_grant_expiry,
    settle_charge,
)
from credits.models import CreditGrant, GrantAllocation, UsageHistory, User
from credits.reasons import Reason
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user, set_price
from tests.ledger import sql, sql_balance
from tests.parallel import in_parallel

Source = CreditGrant.Source
pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)


def remaining(user: User) -> list[int]:
    """What is left of each grant, oldest first."""
    grants = CreditGrant.objects.filter(user=user).order_by("id")
    return list(grants.values_list("remaining", flat=True))


def paid(row_id: int) -> list[tuple[int, int]]:
    """Which grants paid a row how much, in the order of payment."""
    allocations = GrantAllocation.objects.filter(usage_id=row_id).order_by("id")
    return list(allocations.values_list("grant_id", "amount"))


class Given(NamedTuple):
    """A grant of 10 credits in the burn-order table."""

    priority: int
    days: int | None = None


# --- Burn order ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "order"),
    [
        pytest.param([Given(100), Given(100)], [0, 1], id="oldest first"),
        pytest.param([Given(200), Given(100)], [1, 0], id="low priority number first"),
        pytest.param([Given(100), Given(100, 5)], [1, 0], id="what expires before what does not"),
        pytest.param([Given(100, 9), Given(100, 5)], [1, 0], id="soonest expiry first"),
        pytest.param([Given(100, 5), Given(100, 5)], [0, 1], id="same expiry, oldest first"),
        pytest.param([Given(100, 5), Given(50)], [1, 0], id="priority before expiry"),
        pytest.param(
            [Given(200), Given(100), Given(100, 9), Given(10, 30), Given(100, 5)],
            [3, 4, 2, 1, 0],
            id="all together",
        ),
    ],
)
def test_burn_order(grants: list[Given], order: list[int], clock: Clock) -> None:
    user, now = make_user(), clock.now()
    ids = [
        make_grant(
            user,
            10,
            priority=g.priority,
            expires_at=now + timedelta(days=g.days) if g.days else None,
        ).id
        for g in grants
    ]
    charge = make_charge(user, 10 * len(grants) - 3)
    expected = [(ids[number], 10) for number in order[:-1]] + [(ids[order[-1]], 7)]
    assert paid(charge.id) == expected


def test_sources_burn_plan_then_welcome_then_adjustment_then_pack() -> None:
    user = make_user()
    sources = [Source.PACK, Source.ADJUSTMENT, Source.SIGNUP, Source.PLAN]
    ids = [make_grant(user, 1, source=source).id for source in sources]
    assert [grant for grant, _ in paid(make_charge(user, 4).id)] == ids[::-1]


def test_a_charge_records_every_grant_that_paid(alice: User) -> None:
    plan = make_grant(alice, 5, source=Source.PLAN)
    charge = make_charge(alice, 8)
    assert [amount for _, amount in paid(charge.id)] == [5, 3]
    assert paid(charge.id)[0][0] == plan.id


# --- Expiry --------------------------------------------------------------------------------------


def test_expired_credits_leave_before_the_next_read(clock: Clock) -> None:
    user = make_user(credits=5)
    make_grant(user, 20, expires_at=clock.now() + timedelta(days=1))
    make_charge(user, 8)
    clock.move(days=1, seconds=1)
    assert get_balance(user_id=user.pk).remaining == 5
    row = UsageHistory.objects.get(user=user, operation_type="EXPIRY")
    assert (row.credits_used, row.balance_after, row.details) == (12, 5, {"source": "pack"})


def test_expired_credits_are_gone_before_the_next_spend(clock: Clock) -> None:
    user = make_user(credits=5)
    make_grant(user, 20, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    with pytest.raises(InsufficientCredits) as refusal:
        make_charge(user, 6)
    assert refusal.value.available == 5
    assert make_charge(user, 5).balance == 0


def test_expired_credits_are_gone_before_an_admin_sets_a_balance(clock: Clock) -> None:
    user = make_user(credits=5)
    make_grant(user, 20, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    adjustment = adjust_credits(
        user_id=user.pk, reason="test", actor="a", idempotency_key="k", target=7
    )
    assert (adjustment.change, adjustment.balance) == (2, 7)


def test_a_grant_expires_at_its_very_moment(clock: Clock) -> None:
    user, moment = make_user(), clock.freeze()
    make_grant(user, 20, expires_at=moment + timedelta(seconds=10))
    clock.move(seconds=9.999999)
    assert get_balance(user_id=user.pk).remaining == 20
    clock.move(microseconds=1)
    assert get_balance(user_id=user.pk).remaining == 0


def test_a_spent_grant_expires_without_a_row(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 20, expires_at=clock.now() + timedelta(days=1))
    make_charge(user, 20)
    clock.move(days=2)
    assert expire_credits() == 1
    assert not UsageHistory.objects.filter(user=user, operation_type="EXPIRY").exists()
    assert CreditGrant.objects.get(user=user).expired


def test_the_sweep_expires_everyones_credits_in_batches(clock: Clock) -> None:
    users = [make_user() for _ in range(5)]
    for user in users:
        make_grant(user, 3, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    assert expire_credits(batch=2) == 5
    assert expire_credits(batch=2) == 0
    assert [sql_balance(user) for user in users] == [0] * 5


def test_one_users_fault_keeps_nobody_elses_credits_from_expiring(clock: Clock) -> None:
    broken, sound = make_user(), make_user()
    for user in (broken, sound):
        make_grant(user, 3, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    with_guards_off("UPDATE credits_creditbalance SET credits_remaining = 1", broken)
    assert expire_credits() == 1
    assert (sql_balance(broken), sql_balance(sound)) == (1, 0)
    with_guards_off("UPDATE credits_creditbalance SET credits_remaining = 3", broken)


def with_guards_off(update: str, user: User) -> None:
    sql("SET LOCAL session_replication_role = replica")
    sql(f"{update} WHERE account_id = %s", user.pk)
    sql("SET LOCAL session_replication_role = origin")


@together
def test_twenty_parallel_reads_post_an_expiry_once(clock: Clock) -> None:
    user = make_user(credits=5)
    make_grant(user, 20, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    answers = in_parallel(20, lambda _: get_balance(user_id=user.pk).remaining)
    assert answers == [5] * 20
    assert UsageHistory.objects.filter(operation_type="EXPIRY").count() == 1


@pytest.mark.parametrize("tick", range(1, 12))
def test_time_that_passes_inside_a_spend_never_turns_it_into_an_error(
    tick: int, clock: Clock
) -> None:
    """Each look at the clock is a second later than the one before; the grant expires at one of
    them. The spend is paid or refused for want of credits, whichever look that was."""
    user, start = make_user(), clock.freeze()
    make_grant(user, 5, expires_at=start + timedelta(seconds=tick))
    sql("CREATE TEMPORARY SEQUENCE looks")
    clock.count("looks", start)
    try:
        left = make_charge(user, 5).balance
    except InsufficientCredits as refusal:
        left = refusal.available
    assert left == 0
    clock.freeze(start + timedelta(hours=1))


@pytest.mark.parametrize(("seconds", "left"), [(30, 0), (90, 10), (200, 10)])
def test_a_grants_end_can_be_moved(seconds: int, left: int, clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    make_grant(user, 10, key="k", expires_at=start + timedelta(seconds=100))
    clock.move(seconds=60)
    assert set_grant_expiry(key="k", expires_at=start + timedelta(seconds=seconds))
    assert sql_balance(user) == left
    assert not set_grant_expiry(key="k", expires_at=start + timedelta(seconds=seconds))
    assert not set_grant_expiry(key="unknown", expires_at=start)


def test_a_grants_end_is_never_before_its_last_use(clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    make_grant(user, 10, key="k", expires_at=start + timedelta(seconds=100))
    used = clock.move(seconds=60)
    make_charge(user, 4)
    clock.move(seconds=1)
    assert set_grant_expiry(key="k", expires_at=start)
    assert CreditGrant.objects.get(key="k").expires_at == used + timedelta(microseconds=1)
    assert sql_balance(user) == 0


def test_an_expiry_that_was_posted_is_not_undone(clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    make_grant(user, 10, key="k", expires_at=start + timedelta(seconds=100))
    clock.move(seconds=101)
    expire_credits()
    assert not set_grant_expiry(key="k", expires_at=start + timedelta(days=1))
    assert get_balance(user_id=user.pk).remaining == 0


# --- Refunds go back to the grants ---------------------------------------------------------------


def refund(charge_id: int, amount: int | None = None, key: str = "r") -> int:
    answer = refund_charge(charge_id=charge_id, reason="test", idempotency_key=key, amount=amount)
    return answer.id


def test_a_refund_goes_back_to_the_grants_that_paid() -> None:
    user = make_user()
    make_grant(user, 10, source=Source.PLAN)
    make_grant(user, 10, source=Source.PACK)
    charge = make_charge(user, 15)
    refund(charge.id)
    assert remaining(user) == [10, 10]


def test_a_partial_refund_goes_to_the_longest_lived_credits_first(clock: Clock) -> None:
    user = make_user()
    plan = make_grant(user, 10, expires_at=clock.now() + timedelta(days=5))
    pack = make_grant(user, 10)
    charge = make_charge(user, 15)
    row = refund(charge.id, 7)
    assert paid(row) == [(pack.id, -5), (plan.id, -2)]


OURS = [reason for reason in Reason if not reason.by_payer]


@pytest.mark.parametrize("reason", [*OURS, "unknown", ""])
def test_a_failure_returns_expired_credits_for_thirty_days(reason: str, clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    old = make_grant(user, 10, expires_at=start + timedelta(days=1), priority=10)
    charge = make_charge(user, 6, hold=True, lease_seconds=10**6)
    returned = clock.move(days=2)
    release_charge(charge_id=charge.id, reason=reason)
    fresh = CreditGrant.objects.get(user=user, source=Source.REFUND)
    assert (fresh.amount, fresh.remaining) == (6, 6)
    assert fresh.expires_at == returned + timedelta(days=30)
    assert (fresh.replaces_id, fresh.priority) == (old.id, 10)
    assert get_balance(user_id=user.pk).remaining == 6
    clock.move(days=30)
    assert get_balance(user_id=user.pk).remaining == 0


@pytest.mark.parametrize("reason", [Reason.STOPPED_EARLY, Reason.REFUSED])
@pytest.mark.parametrize("expired_before", [True, False])
def test_what_the_payer_brings_back_keeps_its_end_and_leaves_at_once(
    reason: Reason, expired_before: bool, clock: Clock
) -> None:
    user, start = make_user(credits=3), clock.freeze()
    end = start + timedelta(days=1)
    old = make_grant(user, 10, expires_at=end, priority=10)
    charge = make_charge(user, 6, hold=True, lease_seconds=10**6)
    clock.move(days=2)
    if expired_before:
        expire_credits()
    ending = release_charge(charge_id=charge.id, reason=reason)
    fresh = CreditGrant.objects.get(user=user, source=Source.REFUND)
    assert (fresh.replaces_id, fresh.expires_at, fresh.expired) == (old.id, end, True)
    assert ending.refunded == 6
    assert sql_balance(user) == 3
    rows = UsageHistory.objects.filter(user=user, pk__gte=ending.refund_id).order_by("pk")
    left = [] if expired_before else [("EXPIRY", 4, False)]
    assert [(row.operation_type, row.credits_used, row.by_payer) for row in rows] == [
        ("AI_TEXT_CHAT", -6, True), *left, ("EXPIRY", 6, False)
    ]  # fmt: skip


@pytest.mark.parametrize("reason", [Reason.STOPPED_EARLY, Reason.TIMEOUT])
def test_credits_whose_grant_lives_go_back_to_it_whatever_the_reason(
    reason: Reason, clock: Clock
) -> None:
    user = make_user(credits=2)
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1), priority=10)
    charge = make_charge(user, 12, hold=True)
    release_charge(charge_id=charge.id, reason=reason)
    assert remaining(user) == [2, 10]


def test_an_early_stop_loses_only_what_has_expired(clock: Clock) -> None:
    """Of three grants that paid, one has expired, one has not, and one never does."""
    user, now = make_user(credits=5), clock.now()
    make_grant(user, 3, expires_at=now + timedelta(days=1), priority=1)
    make_grant(user, 4, expires_at=now + timedelta(days=9), priority=2)
    charge = make_charge(user, 12, hold=True, lease_seconds=10**6)
    clock.move(days=2)
    release_charge(charge_id=charge.id, reason=Reason.STOPPED_EARLY)
    assert remaining(user) == [5, 0, 4, 0]
    assert sql_balance(user) == 9


def test_holds_and_stops_in_turn_prolong_nothing(clock: Clock) -> None:
    """Each hold begins just before the end and is stopped just after it."""
    user, start = make_user(), clock.freeze()
    make_grant(user, 10, expires_at=start + timedelta(seconds=100))
    clock.move(seconds=99)
    held = [make_charge(user, 2, hold=True).id for _ in range(5)]
    clock.move(seconds=2)
    for charge_id in held:
        release_charge(charge_id=charge_id, reason=Reason.STOPPED_EARLY)
        with pytest.raises(InsufficientCredits):
            make_charge(user, hold=True)
    assert sql_balance(user) == 0


def test_an_admins_refund_lives_thirty_days_whatever_reason_is_given(clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    make_grant(user, 10, expires_at=start + timedelta(days=1))
    charge = make_charge(user, 10, hold=True)
    settle_charge(charge_id=charge.id, delivered=None)
    clock.move(days=2)
    answer = refund_charge(
        charge_id=charge.id, reason=Reason.STOPPED_EARLY, idempotency_key="r", amount=4
    )
    assert not UsageHistory.objects.get(pk=answer.id).by_payer
    assert sql_balance(user) == 4


def test_a_stop_and_then_an_admins_refund_of_the_same_charge(clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    set_price("ai_text_chat", 2)
    make_grant(user, 8, expires_at=start + timedelta(days=1))
    charge = make_charge(user, 4, hold=True, lease_seconds=10**6)
    clock.move(days=2)
    settle_charge(charge_id=charge.id, delivered=3, reason=Reason.STOPPED_EARLY)
    assert sql_balance(user) == 0
    refund(charge.id)
    assert remaining(user) == [0, 0, 6]


def test_refunded_credits_that_expired_in_their_turn_are_treated_as_any_other(clock: Clock) -> None:
    user, start = make_user(), clock.freeze()
    make_grant(user, 5, expires_at=start + timedelta(days=1))
    first = make_charge(user, 5, hold=True, lease_seconds=10**6)
    clock.move(days=2)
    release_charge(charge_id=first.id, reason=Reason.TIMEOUT)
    stopped = make_charge(user, 2, hold=True, lease_seconds=10**7)
    failed = make_charge(user, 3, hold=True, lease_seconds=10**7)
    clock.move(days=30)
    release_charge(charge_id=stopped.id, reason=Reason.STOPPED_EARLY)
    assert sql_balance(user) == 0
    release_charge(charge_id=failed.id, reason=Reason.TIMEOUT)
    assert sql_balance(user) == 3


@together
def test_twenty_parallel_endings_of_which_one_decides_whether_the_credits_stay(
    clock: Clock,
) -> None:
    user = make_user()
    make_grant(user, 6, expires_at=clock.now() + timedelta(days=1))
    charge = make_charge(user, 6, hold=True, lease_seconds=10**6)
    clock.move(days=2)
    reasons = [Reason.STOPPED_EARLY, Reason.TIMEOUT]
    answers = in_parallel(
        20, lambda n: release_charge(charge_id=charge.id, reason=reasons[n % 2]).outcome
    )
    stays = answers.index("refunded") % 2
    assert answers.count("refunded") == 1
    assert sql_balance(user) == (6 if stays else 0)


def test_expired_credits_can_be_returned_in_parts(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    charge = make_charge(user, 10)
    refund(charge.id, 2, "while it lives")
    clock.move(days=2)
    for key, amount in (("first", 4), ("second", 3), ("third", 1)):
        refund(charge.id, amount, key)
    assert remaining(user) == [2, 4, 3, 1]
    assert get_balance(user_id=user.pk).remaining == 8


def test_a_charge_paid_by_two_fresh_grants_returns_to_both(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    first, second = make_charge(user, 4), make_charge(user, 3)
    clock.move(days=2)
    refund(first.id, key="first")
    refund(second.id, key="second")
    charge = make_charge(user, 6)
    refund(charge.id, 3, "third")
    refund(charge.id, 3, "fourth")
    assert remaining(user)[1:] == [4, 3]


def test_what_came_back_as_a_fresh_grant_is_not_owed_to_the_old_one_again(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 5, priority=1)
    make_grant(user, 5, priority=2, expires_at=clock.now() + timedelta(days=1))
    charge = make_charge(user, 10)
    clock.move(days=2)
    refund(charge.id, 4, "of the second")
    refund(charge.id, 3, "of both")
    assert remaining(user) == [2, 0, 4, 1]


def test_a_refund_is_split_between_a_live_and_an_expired_grant(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    make_grant(user, 10)
    charge = make_charge(user, 15)
    clock.move(days=2)
    refund(charge.id)
    assert remaining(user) == [0, 10, 10]


def test_credits_due_to_expire_are_not_returned_to_their_grant(clock: Clock) -> None:
    """Their grant is past its time, though no sweep has said so yet."""
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    charge = make_charge(user, 10)
    clock.move(days=2)
    refund(charge.id)
    assert get_balance(user_id=user.pk).remaining == 10


def test_a_clock_that_was_set_back_does_not_revive_what_has_expired(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    charge = make_charge(user, 4)
    clock.move(days=2)
    assert get_balance(user_id=user.pk).remaining == 0
    clock.move(days=-2)
    refund(charge.id)
    clock.move(days=2)
    assert remaining(user) == [0, 4]
    assert get_balance(user_id=user.pk).remaining == 4


def test_a_clock_that_was_set_back_does_not_let_a_stop_revive_what_has_expired(
    clock: Clock,
) -> None:
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    charge = make_charge(user, 4, hold=True, lease_seconds=10**6)
    clock.move(days=2)
    assert get_balance(user_id=user.pk).remaining == 0
    clock.move(days=-2)
    release_charge(charge_id=charge.id, reason=Reason.STOPPED_EARLY)
    assert sql_balance(user) == 0
    clock.move(days=2)


# --- Grants come once ----------------------------------------------------------------------------


def test_a_grant_comes_once_per_key(alice: User) -> None:
    first = make_grant(alice, 5, key="period")
    again = make_grant(alice, 5, key="period")
    assert (again.id, again.replayed, again.usage_id) == (first.id, True, None)
    assert sql_balance(alice) == 105


@together
def test_twenty_parallel_grants_with_one_key_are_one(carol: User) -> None:
    answers = in_parallel(20, lambda _: make_grant(carol, 5, key="period"))
    assert [answer.replayed for answer in answers].count(False) == 1
    assert sql_balance(carol) == 5


@together
def test_one_grant_key_asked_for_by_two_users_at_once_is_one_users(alice: User, bob: User) -> None:
    users = [alice, bob]
    answers = in_parallel(
        20, lambda n: make_grant(users[n % 2], 5, key="period"), catch=IdempotencyConflict
    )
    owners = {users[n % 2].pk for n, answer in enumerate(answers) if isinstance(answer, Grant)}
    assert len(owners) == 1
    assert sql_balance(alice) + sql_balance(bob) == 115


def test_a_grant_key_means_one_user_source_and_amount(alice: User, bob: User) -> None:
    make_grant(alice, 5, key="k")
    with pytest.raises(IdempotencyConflict):
        make_grant(bob, 5, key="k")
    with pytest.raises(IdempotencyConflict):
        make_grant(alice, 6, key="k")
    with pytest.raises(IdempotencyConflict):
        make_grant(alice, 5, key="k", source=Source.PLAN)


def test_a_refunds_grant_is_nobodys_to_give(alice: User) -> None:
    with pytest.raises(LedgerError):
        grant_credits(user_id=alice.pk, source=Source.REFUND, amount=5, key="k")
