"""Setting, changing and removing limits."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import transaction

from credits.amounts import PICO
from credits.catalogue.exceptions import ChangedMeanwhile, InvalidValue
from credits.exceptions import CreditsBusy, LimitReached, OwnAccount
from credits.ledger import get_balance
from credits.limit_states import limit_states
from credits.limits import setting
from credits.limits.setting import (
    MOST,
    NEW,
    LimitExists,
    NoSuchLimit,
    TooManyLimits,
    limit_version,
    remove_limit,
    set_limit,
)
from credits.models import AuditEntry, Limit, SpendDay, User
from credits.signals import account_closed
from tests.clock import Clock
from tests.factories import make_charge, make_key, make_limit, make_user, set_price
from tests.parallel import backend_pid, in_background, in_parallel, wait_until_blocked

pytestmark = pytest.mark.django_db


def put(user: User, credits: int = 10, period: str = "day", **fields: Any) -> Limit:
    """The user's own limit."""
    return set_limit(actor=user, account_id=user.pk, period=period, credits=credits, **fields)


def test_a_new_limit_is_hard_and_tells_at_80_and_100_percent(alice: User) -> None:
    limit = put(alice)
    assert (limit.hard, limit.alert_at, limit.by_admin, limit.set_by) == (
        True, [80, 100], False, alice,
    )  # fmt: skip
    changed = put(alice, 20, hard=False, alert_at=[100, 50])
    assert (changed.pk, changed.credits, changed.hard) == (limit.pk, 20, False)
    assert Limit.objects.get().alert_at == [50, 100]
    assert put(alice, 30).alert_at == [50, 100], "What is not given stays."


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"credits": -1}, "credits"),
        ({"credits": 10**12 + 1}, "credits"),
        ({"credits": True}, "credits"),
        ({"credits": 1.0}, "credits"),
        ({"period": "year"}, "period"),
        ({"hard": 1}, "hard"),
        ({"alert_at": [0]}, "alertAt"),
        ({"alert_at": [101]}, "alertAt"),
        ({"alert_at": [80, 80]}, "alertAt"),
        ({"alert_at": [1, 2, 3, 4, 5, 6]}, "alertAt"),
        ({"alert_at": ["80"]}, "alertAt"),
    ],
)
def test_each_field_has_its_rule(alice: User, fields: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        put(alice, **fields)
    assert refusal.value.path == (name,)
    assert not Limit.objects.exists()


def test_the_bounds_of_each_field_are_taken(alice: User) -> None:
    put(alice, 0, alert_at=[])
    put(alice, 10**12, period="ever", alert_at=[1, 2, 3, 99, 100])
    assert get_balance(user_id=alice.pk).room == 0


def test_two_tabs(alice: User) -> None:
    version = limit_version(put(alice, expected_version=NEW))
    with pytest.raises(LimitExists):
        put(alice, 99, expected_version=NEW)
    put(alice, 20, expected_version=version)
    with pytest.raises(ChangedMeanwhile):
        put(alice, 30, expected_version=version)
    with pytest.raises(ChangedMeanwhile):
        remove_limit(
            actor=alice, account_id=alice.pk, limit_id=Limit.objects.get().pk,
            expected_version=version,
        )  # fmt: skip
    assert Limit.objects.get().credits == 20


@pytest.mark.django_db(transaction=True)
def test_twenty_tabs_at_once_set_it_once(alice: User) -> None:
    answers = in_parallel(20, lambda n: put(alice, n, expected_version=NEW), catch=LimitExists)
    assert sum(isinstance(answer, Limit) for answer in answers) == 1
    assert Limit.objects.count() == 1


@pytest.mark.parametrize(
    ("period", "first"), [("day", 27), ("week", 23), ("month", 1), ("ever", 27)]
)
def test_the_present_period_counts_whole(
    alice: User, clock: Clock, period: str, first: int
) -> None:
    clock.freeze(datetime(2030, 12, 27, 15, tzinfo=UTC))
    assert put(alice, period=period).since == date(2030, 12, first)


def test_a_limit_in_all_goes_on_unless_it_is_to_begin_anew(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 12, 27, 15, tzinfo=UTC))
    put(alice, period="ever")
    make_charge(alice, 4)
    clock.move(days=3)
    put(alice, 20, period="ever")
    assert [state.spent for state in limit_states(account_id=alice.pk)] == [4 * PICO]
    put(alice, 20, period="ever", restart=True)
    assert [state.spent for state in limit_states(account_id=alice.pk)] == [0]
    remove_limit(actor=alice, account_id=alice.pk, limit_id=Limit.objects.get().pk)
    assert put(alice, period="ever").since == date(2030, 12, 30)


def test_lowered_below_what_is_spent_it_refuses_from_then_on(alice: User) -> None:
    put(alice, 10)
    make_charge(alice, 8)
    put(alice, 5)
    with pytest.raises(LimitReached):
        make_charge(alice)
    put(alice, 9)
    make_charge(alice)
    with pytest.raises(LimitReached):
        make_charge(alice)
    remove_limit(actor=alice, account_id=alice.pk, limit_id=Limit.objects.get().pk)
    make_charge(alice, 20)


@pytest.mark.django_db(transaction=True)
def test_once_it_has_returned_no_spend_goes_by_what_was(alice: User) -> None:
    """The spend that began before is waited for."""
    put(alice, 10)
    with transaction.atomic():
        make_charge(alice, 8)
        lowered = in_background(lambda: put(alice, 5))
        wait_until_blocked(by=backend_pid())
    lowered.result()
    with pytest.raises(LimitReached):
        make_charge(alice)


def test_an_admins_limit_stands_beside_the_users_own(alice: User, admin: User) -> None:
    own = put(alice, 10)
    theirs = set_limit(
        actor=admin, account_id=alice.pk, period="day", credits=5, by_admin=True, reason="Fraud?"
    )
    assert theirs.pk != own.pk
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason, entry.user, entry.before) == (
        "limit.set", "Fraud?", alice, None,
    )  # fmt: skip
    assert entry.after["credits"] == 5
    with pytest.raises(LimitReached) as refusal:
        make_charge(alice, 6)
    assert refusal.value.limit.limit == theirs
    assert "that an admin set" in str(refusal.value)
    with pytest.raises(NoSuchLimit):
        remove_limit(actor=alice, account_id=alice.pk, limit_id=theirs.pk)
    remove_limit(
        actor=admin, account_id=alice.pk, limit_id=theirs.pk, by_admin=True, reason="No fraud."
    )
    assert AuditEntry.objects.latest("pk").action == "limit.remove"
    assert Limit.objects.get() == own
    make_charge(alice, 6)


def test_no_admin_sets_a_limit_for_their_own_account_as_an_admin(admin: User) -> None:
    with pytest.raises(OwnAccount):
        set_limit(actor=admin, account_id=admin.pk, period="day", credits=5, by_admin=True)
    put(admin)


def test_a_limit_of_a_key_or_member_is_of_the_accounts_own(alice: User, bob: User) -> None:
    theirs = make_key(bob)
    scopes: list[dict[str, Any]] = [{"key_id": theirs.pk}, {"member_id": bob.pk}, {"key_id": 10**9}]
    for scope in scopes:
        with pytest.raises(NoSuchLimit):
            put(alice, **scope)
    own = make_key(alice)
    with pytest.raises(InvalidValue):
        put(alice, key_id=own.pk, member_id=alice.pk)
    limits = [put(alice), put(alice, key_id=own.pk), put(alice, member_id=alice.pk)]
    assert len({limit.pk for limit in limits}) == 3
    assert put(alice, 7, key_id=own.pk).pk == limits[1].pk


def test_there_are_not_more_than_so_many(alice: User, admin: User) -> None:
    for number in range(MOST):
        key = make_key(alice)
        make_limit(alice, number, api_key=key)
    with pytest.raises(TooManyLimits):
        put(alice)
    set_limit(actor=admin, account_id=alice.pk, period="day", credits=5, by_admin=True)


def test_it_is_found_by_its_account_alone(alice: User, bob: User) -> None:
    limit = put(alice)
    with pytest.raises(NoSuchLimit):
        remove_limit(actor=bob, account_id=bob.pk, limit_id=limit.pk)
    assert setting.find_limit(account_id=alice.pk, limit_id=limit.pk) == limit


def test_they_go_with_the_account_and_the_sums_stay() -> None:
    user = make_user(credits=20)
    put(user)
    make_charge(user)
    account_closed.send(sender=User, user_id=user.pk)
    assert not Limit.objects.exists()
    assert SpendDay.objects.filter(account_id=user.pk).exists()


def test_what_is_free_can_be_had_at_a_limit_too(alice: User) -> None:
    put(alice, 2)
    make_charge(alice, 2)
    put(alice, 1)
    set_price("ai_text_chat", 0)
    assert make_charge(alice).credits == 0


def test_the_limit_that_is_named_is_the_one_that_refuses(alice: User) -> None:
    """Another that leaves less would leave enough once a hold has ended."""
    key = make_key(alice)
    wide, narrow = put(alice, 12), put(alice, 3, key_id=key.pk)
    make_charge(alice, 10, hold=True)
    with pytest.raises(LimitReached) as refusal:
        make_charge(alice, 4, key_id=key.pk)
    assert refusal.value.limit.limit == narrow
    with pytest.raises(CreditsBusy):
        make_charge(alice, 3, key_id=key.pk)
    balance = get_balance(user_id=alice.pk)
    assert (balance.room, balance.limit_id, balance.spendable) == (2 * PICO, wide.pk, 2)
