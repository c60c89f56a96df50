"""I6: a hold ends exactly once, settled or refunded; a late worker loses; a lease that ran out is
refunded by the sweeper, or on that user's next spend without waiting for it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from credits.exceptions import InsufficientCredits
from credits.ledger import Ending, get_balance, is_held, release_charge, settle_charge, sweep_holds
from credits.models import Hold, UsageHistory, User
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user, set_price
from tests.ledger import NO_CHARGE, insert_row, refused_by, sql, sql_balance
from tests.parallel import backend_pid, in_background, in_parallel, wait_until_blocked

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)


def settle(charge_id: int, delivered: int | None = None) -> Ending:
    return settle_charge(charge_id=charge_id, delivered=delivered, reason="short")


def release(charge_id: int) -> Ending:
    return release_charge(charge_id=charge_id, reason="failed")


# --- One ending ----------------------------------------------------------------------------------


def test_a_settled_hold_leaves_the_charge_standing(alice: User) -> None:
    charge = make_charge(alice, 3, hold=True)
    assert (charge.held, get_balance(user_id=alice.pk).held) == (True, 3)
    assert settle(charge.id) == Ending("settled", None, 0)
    assert (sql_balance(alice), is_held(charge_id=charge.id)) == (97, False)


def test_a_released_hold_is_refunded_in_full(alice: User) -> None:
    charge = make_charge(alice, 3, hold=True)
    ending = release(charge.id)
    assert (ending.outcome, ending.refunded, sql_balance(alice)) == ("refunded", 3, 100)
    assert ending.refund_id
    row = UsageHistory.objects.get(pk=ending.refund_id)
    assert row.details == {"refund": True, "reason": "failed"}


@pytest.mark.parametrize(
    ("delivered", "outcome", "refunded"),
    [
        (4, "settled", 0),
        (9, "settled", 0),
        (3, "settled", 5),
        (1, "settled", 15),
        (0, "refunded", 20),
    ],
)
def test_of_four_pictures_those_not_delivered_are_refunded(
    delivered: int, outcome: str, refunded: int, alice: User
) -> None:
    set_price("ai_text_chat", 5)
    charge = make_charge(alice, 4, hold=True)
    ending = settle(charge.id, delivered)
    assert (ending.outcome, ending.refunded) == (outcome, refunded)
    assert sql_balance(alice) == 80 + refunded


def test_a_negative_delivery_is_refused(alice: User) -> None:
    charge = make_charge(alice, 4, hold=True)
    with refused_by("i4_refunds_within_charge"):
        settle(charge.id, -1)


@pytest.mark.parametrize("first", [settle, release])
@pytest.mark.parametrize("second", [settle, release])
def test_a_second_ending_changes_nothing_and_tells_what_was_refunded(
    first: Callable[[int], Ending], second: Callable[[int], Ending], alice: User
) -> None:
    charge = make_charge(alice, 3, hold=True)
    ended = first(charge.id)
    balance = sql_balance(alice)
    assert second(charge.id) == Ending("ended", None, ended.refunded)
    assert sql_balance(alice) == balance


def test_a_free_hold_ends_without_a_row(alice: User) -> None:
    set_price("ai_text_chat", 0)
    charge = make_charge(alice, hold=True)
    assert release(charge.id) == Ending("refunded", None, 0)


def test_what_is_no_hold_cannot_be_ended(alice: User) -> None:
    charge = make_charge(alice)
    assert settle(charge.id).outcome == release(10**15).outcome == "ended"


@together
@pytest.mark.parametrize("round_", range(3))
def test_twenty_parallel_endings_of_one_hold_are_one(
    round_: int, alice: User, clock: Clock
) -> None:
    charge = make_charge(alice, 4, hold=True, lease_seconds=5)
    clock.move(seconds=6)
    ways: list[Callable[[], object]] = [
        lambda: settle(charge.id),
        lambda: settle(charge.id, 1),
        lambda: release(charge.id),
        sweep_holds,
        lambda: make_charge(alice),
    ]
    answers = in_parallel(20, lambda number: ways[(number + round_) % len(ways)]())
    endings = [a for a in answers if isinstance(a, Ending) and a.outcome != "ended"]
    swept = sum(answer for answer in answers if isinstance(answer, int))
    refunds = UsageHistory.objects.filter(refund_of_id=charge.id)
    # Nobody in the answers ended it: then a spend found it past its lease.
    assert len(endings) + swept <= 1
    assert refunds.count() <= 1
    expected = endings[0].refunded if endings else 4
    assert -sum(refunds.values_list("credits_used", flat=True)) == expected
    assert sql_balance(alice) == 100 - 4 + expected - 4
    assert not Hold.objects.exists()


# --- Leases --------------------------------------------------------------------------------------


def test_a_stale_hold_is_swept_and_a_late_worker_loses(alice: User, clock: Clock) -> None:
    charge = make_charge(alice, 3, hold=True, lease_seconds=60)
    fresh = make_charge(alice, 2, hold=True, lease_seconds=600)
    clock.move(seconds=61)
    assert sweep_holds() == 1
    refund = UsageHistory.objects.get(refund_of_id=charge.id)
    assert refund.details == {"refund": True, "reason": "lease_expired"}
    assert settle(charge.id) == Ending("ended", None, 3)
    assert (sql_balance(alice), is_held(charge_id=fresh.id)) == (98, True)


def test_a_worker_past_its_lease_wins_while_nobody_has_swept(alice: User, clock: Clock) -> None:
    charge = make_charge(alice, 3, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    assert settle(charge.id).outcome == "settled"
    assert sweep_holds() == 0


def test_the_next_spend_frees_stale_holds_by_itself(clock: Clock) -> None:
    user = make_user(credits=3)
    make_charge(user, 3, hold=True, lease_seconds=60)
    with pytest.raises(InsufficientCredits):
        make_charge(user)
    clock.move(seconds=61)
    assert make_charge(user).balance == 2


def test_a_spend_frees_stale_holds_of_its_user_only(alice: User, bob: User, clock: Clock) -> None:
    stale, of_alice = (make_charge(u, 3, hold=True, lease_seconds=60) for u in (bob, alice))
    live = make_charge(bob, 2, hold=True, lease_seconds=120)
    clock.move(seconds=61)
    assert make_charge(bob).balance == 7
    held = [is_held(charge_id=charge.id) for charge in (stale, live, of_alice)]
    assert held == [False, True, True]


def test_a_refund_by_the_sweep_survives_the_grants_expiry(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 5, expires_at=clock.now() + timedelta(seconds=30))
    make_charge(user, 5, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    assert sweep_holds() == 1
    assert get_balance(user_id=user.pk).remaining == 5


def test_a_lease_can_be_extended_while_the_work_goes_on(alice: User, clock: Clock) -> None:
    charge = make_charge(alice, 3, hold=True, lease_seconds=60)
    Hold.objects.filter(pk=charge.id).update(lease_until=clock.now() + timedelta(hours=1))
    clock.move(seconds=61)
    assert sweep_holds() == 0


def test_the_sweep_works_in_batches(clock: Clock) -> None:
    users = [make_user(credits=5) for _ in range(5)]
    for user in users:
        make_charge(user, hold=True, lease_seconds=60)
        make_charge(user, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    assert sql("SELECT credits_sweep(3)") == [(3,)]
    assert sweep_holds(batch=3) == 7
    assert [sql_balance(user) for user in users] == [5] * 5


def test_one_hold_that_cannot_end_keeps_nobody_elses_waiting(
    alice: User, bob: User, clock: Clock
) -> None:
    broken = make_charge(alice, hold=True, lease_seconds=60)
    sound = make_charge(bob, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    _with_guards_off(
        "UPDATE credits_grantallocation SET amount = -1 WHERE usage_id = %s", broken.id
    )
    assert sweep_holds() == 1
    assert (is_held(charge_id=broken.id), is_held(charge_id=sound.id)) == (True, False)
    _with_guards_off("UPDATE credits_grantallocation SET amount = 1 WHERE usage_id = %s", broken.id)
    assert sweep_holds() == 1


def _with_guards_off(statement: str, *values: object) -> None:
    sql("SET LOCAL session_replication_role = replica")
    sql(statement, *values)
    sql("SET LOCAL session_replication_role = origin")


@together
def test_a_sweeper_passes_by_a_hold_that_somebody_is_ending(
    alice: User, bob: User, clock: Clock
) -> None:
    busy = make_charge(alice, 3, hold=True, lease_seconds=60)
    make_charge(bob, 2, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    with transaction.atomic():
        sql("SELECT FROM credits_hold WHERE charge_id = %s FOR UPDATE", busy.id)
        assert in_background(sweep_holds).result() == 1
        assert settle(busy.id).outcome == "settled"
    assert (sql_balance(alice), sql_balance(bob)) == (97, 10)


@together
def test_a_spend_passes_by_a_stale_hold_that_somebody_is_ending(alice: User, clock: Clock) -> None:
    busy = make_charge(alice, 3, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    with transaction.atomic():
        sql("SELECT FROM credits_hold WHERE charge_id = %s FOR UPDATE", busy.id)
        assert in_background(lambda: make_charge(alice)).result().balance == 96
        assert release(busy.id).outcome == "refunded"
    assert sql_balance(alice) == 99


@together
def test_a_settle_that_waits_for_the_sweeper_loses(alice: User, clock: Clock) -> None:
    charge = make_charge(alice, 3, hold=True, lease_seconds=60)
    clock.move(seconds=61)
    with transaction.atomic():
        assert sweep_holds() == 1
        late = in_background(lambda: settle(charge.id))
        wait_until_blocked(by=backend_pid())
    assert late.result() == Ending("ended", None, 3)


@together
def test_an_ending_that_was_rolled_back_leaves_the_hold_to_the_next(alice: User) -> None:
    charge = make_charge(alice, 3, hold=True)
    with transaction.atomic():
        settle(charge.id)
        transaction.set_rollback(True)
    assert release(charge.id).outcome == "refunded"


# --- By hand -------------------------------------------------------------------------------------


def test_a_hold_cannot_be_deleted_by_hand(alice: User) -> None:
    charge = make_charge(alice, hold=True)
    with refused_by("i6_hold_ends_by_name", message="a hold is settled or refunded"):
        sql("DELETE FROM credits_hold")
    with refused_by("i6_hold_ends_by_name"):
        Hold.objects.filter(pk=charge.id).delete()
    with refused_by("i6_no_truncate"):
        sql("TRUNCATE credits_hold")


def test_ending_one_hold_does_not_open_the_door_to_others(alice: User) -> None:
    first, second = make_charge(alice, hold=True), make_charge(alice, hold=True)
    settle(first.id)
    with refused_by("i6_hold_ends_by_name"):
        sql("DELETE FROM credits_hold WHERE charge_id = %s", second.id)


def test_a_hold_that_ended_cannot_be_opened_again(alice: User, clock: Clock) -> None:
    charge = make_charge(alice, hold=True)
    settle(charge.id)
    with refused_by("i6_hold_opens_with_its_charge"):
        Hold.objects.create(charge_id=charge.id, user=alice, lease_until=clock.now())


def test_a_hold_stays_with_its_charge_and_user(alice: User, bob: User) -> None:
    make_charge(alice, hold=True)
    other = make_charge(alice)
    with refused_by("i6_hold_keeps_its_charge"):
        sql("UPDATE credits_hold SET charge_id = %s", other.id)
    with refused_by("i6_hold_keeps_its_charge"):
        sql("UPDATE credits_hold SET account_id = %s", bob.pk)


def test_only_a_charge_can_have_a_lease(alice: User, clock: Clock) -> None:
    charge = make_charge(alice, 5)
    row = {"credits_used": -1, "refund_of_id": charge.id, "lease_until": clock.now(), **NO_CHARGE}
    with refused_by("usage_row_shape"):
        insert_row(alice, **row)


def test_a_charge_by_hand_with_a_lease_opens_its_hold(alice: User, clock: Clock) -> None:
    row = insert_row(alice, credits_used=2, lease_until=clock.now() + timedelta(seconds=60))
    assert get_balance(user_id=alice.pk).held == 2
    assert release(row).refunded == 2
