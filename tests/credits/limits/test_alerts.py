"""A threshold that is reached is told once: by mail, and by the user's webhooks."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, connection, transaction

from credits.amounts import PICO
from credits.events.announcing import announce
from credits.ledger import release_charge, settle_charge
from credits.limits import alerts
from credits.limits.alerts import record_alerts, tell_all_reached, tell_reached
from credits.limits.setting import remove_all, remove_limit, set_limit
from credits.limits.tasks import tell_reached as task
from credits.models import Limit, LimitAlert, User, WebhookMessage
from tests.clock import Clock
from tests.credits.users.conftest import work
from tests.factories import make_charge, make_limit, make_user
from tests.ledger import sql
from tests.parallel import in_background, in_parallel
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db
#: Whoever waits for a lock of this connection.
BLOCKED = """
SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
"""


def told(user: User) -> list[tuple[str, int]]:
    """Kind and percentage of what the user's webhooks were sent, oldest first."""
    messages = WebhookMessage.objects.filter(account_id=user.pk).order_by("created_at", "pk")
    return sorted((each.kind, each.payload["percent"]) for each in messages)


@pytest.fixture
def limit_of_ten(alice: User) -> Any:
    return make_limit(alice, 10, alert_at=[50, 80, 100])


def test_each_threshold_is_told_once(alice: User, limit_of_ten: Any) -> None:
    spent = []
    for _ in range(10):
        make_charge(alice)
        tell_reached(account_id=alice.pk)
        tell_reached(account_id=alice.pk)
        spent.append(len(told(alice)))
    assert spent == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert told(alice) == [
        ("limit.reached", 100), ("limit.threshold_reached", 50), ("limit.threshold_reached", 80),
    ]  # fmt: skip


def test_the_message_has_the_limits_figures(alice: User, limit_of_ten: Any) -> None:
    make_charge(alice, 8)
    make_charge(alice, 1, hold=True)
    tell_reached(account_id=alice.pk)
    payload = WebhookMessage.objects.order_by("-payload__percent")[0].payload
    assert payload == {
        "id": limit_of_ten.pk,
        "period": "day",
        "credits": 10,
        "hard": True,
        "byAdmin": False,
        "spent": "8.000000000000",
        "held": "1.000000000000",
        "remaining": 1,
        "resetsAt": payload["resetsAt"],
        "percent": 80,
        "windowStart": f"{limit_of_ten.since}",
    }
    assert payload["resetsAt"] == f"{limit_of_ten.since + timedelta(days=1)}T00:00:00Z"


def test_one_letter_for_the_highest(alice: User, limit_of_ten: Any, settings: Any) -> None:
    settings.MAIL_CONFIGURED = True
    make_charge(alice, 10)
    tell_reached(account_id=alice.pk)
    work()
    [letter] = mail.outbox
    assert letter.subject == "100 % of your limit of 10 credits a day is used"
    assert "10 of your limit of 10 credits a day are spent." in " ".join(letter.body.split())
    assert f"{settings.SITE_URL}/account/limits" in letter.body
    assert len(told(alice)) == 3


def test_what_is_held_has_reached_nothing(alice: User, limit_of_ten: Any) -> None:
    charge = make_charge(alice, 10, hold=True)
    tell_reached(account_id=alice.pk)
    assert told(alice) == []
    settle_charge(charge_id=charge.id, delivered=5, reason="provider_error")
    tell_reached(account_id=alice.pk)
    assert told(alice) == [("limit.threshold_reached", 50)]


def test_a_failure_reaches_nothing(alice: User, limit_of_ten: Any) -> None:
    release_charge(charge_id=make_charge(alice, 10, hold=True).id, reason="provider_error")
    tell_reached(account_id=alice.pk)
    assert told(alice) == []


def test_each_period_and_each_size_is_told_anew(alice: User, clock: Clock, settings: Any) -> None:
    clock.freeze(datetime(2030, 3, 1, 12, tzinfo=UTC))
    settings.MAIL_CONFIGURED = True
    limit = make_limit(alice, 10, alert_at=[100])
    make_charge(alice, 10)
    tell_reached(account_id=alice.pk)
    limit.credits = 20
    limit.save()
    make_charge(alice, 10)
    tell_reached(account_id=alice.pk)
    clock.move(days=1)
    make_charge(alice, 20)
    tell_reached(account_id=alice.pk)
    keys = LimitAlert.objects.order_by("pk").values_list("window_start__day", "credits")
    assert list(keys) == [(1, 10), (1, 20), (2, 20)]
    assert work() == 3


def test_what_its_user_sees_while_setting_it_is_not_told(alice: User, admin: User) -> None:
    make_charge(alice, 9)
    set_limit(actor=alice, account_id=alice.pk, period="day", credits=10)
    tell_reached(account_id=alice.pk)
    assert told(alice) == []
    make_charge(alice, 1)
    tell_reached(account_id=alice.pk)
    assert told(alice) == [("limit.reached", 100)]
    set_limit(actor=admin, account_id=alice.pk, period="month", credits=12, by_admin=True)
    assert told(alice) == [("limit.reached", 100), ("limit.threshold_reached", 80)]


def test_a_call_that_ends_after_midnight_is_told_of_its_day(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 2, 28, 23, 59, 50, tzinfo=UTC))
    limit = make_limit(alice, 10, alert_at=[100])
    limit.updated_at = clock.now()
    limit.save()
    charge = make_charge(alice, 10, hold=True)
    clock.move(seconds=20)
    settle_charge(charge_id=charge.id)
    tell_reached(account_id=alice.pk)
    [message] = WebhookMessage.objects.all()
    assert message.payload["windowStart"] == "2030-02-28"
    assert message.payload["resetsAt"] == "2030-03-01T00:00:00Z"
    make_charge(alice, 9)
    tell_reached(account_id=alice.pk)
    assert LimitAlert.objects.count() == 1


def test_what_is_spent_today_is_not_yesterdays(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 3, 1, 12, tzinfo=UTC))
    make_limit(alice, 10, alert_at=[100])
    make_charge(alice, 6)
    clock.move(days=1)
    make_charge(alice, 6)
    tell_reached(account_id=alice.pk)
    assert told(alice) == []


def test_yesterday_is_not_judged_by_a_limit_that_was_set_today(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 2, 28, 12, tzinfo=UTC))
    limit = set_limit(actor=alice, account_id=alice.pk, period="day", credits=10)
    make_charge(alice, 7)
    clock.move(days=1)
    set_limit(actor=alice, account_id=alice.pk, period="day", credits=5)
    tell_reached(account_id=alice.pk)
    assert not LimitAlert.objects.filter(limit=limit).exists()


def test_a_limit_that_only_tells(alice: User) -> None:
    make_limit(alice, 0, hard=False, alert_at=[100])
    tell_reached(account_id=alice.pk)
    assert told(alice) == []
    make_charge(alice, 1)
    tell_reached(account_id=alice.pk)
    assert told(alice) == [("limit.reached", 100)]


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_look_at_once_one_tells(alice: User, limit_of_ten: Any) -> None:
    make_charge(alice, 10)
    counts = in_parallel(20, lambda _: record_alerts(account_id=alice.pk))
    assert sorted(counts) == [0] * 19 + [3]
    assert len(told(alice)) == 3


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_told_is_not_recorded_and_told_by_the_worker(
    alice: User, limit_of_ten: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process dies between the two."""
    make_charge(alice, 10)

    def die(**_: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(alerts, "announce", die)
        tell_reached(account_id=alice.pk)
    assert not LimitAlert.objects.exists()
    task(1)
    assert len(told(alice)) == 3


def test_the_worker_looks_where_something_changed_lately(
    alice: User, bob: User, clock: Clock
) -> None:
    clock.freeze(datetime(2030, 3, 1, 12, tzinfo=UTC))
    for user in (alice, bob):
        make_limit(user, 5, alert_at=[100])
        make_charge(user, 5)
        clock.move(minutes=20)
    make_charge(make_user(credits=5), 5)
    assert tell_all_reached(lately=timedelta(minutes=25)) == 1
    assert (told(alice), told(bob)) == ([], [("limit.reached", 100)])
    task(int(datetime(2030, 3, 1, 13, tzinfo=UTC).timestamp()))
    assert told(alice) == [("limit.reached", 100)]


def test_one_account_that_fails_keeps_nobody_elses_waiting(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (alice, bob):
        make_limit(user, 5, alert_at=[100])
        make_charge(user, 5)

    def fail(**values: Any) -> Any:
        if values["account_id"] == alice.pk:
            raise ValueError
        return announce(**values)

    monkeypatch.setattr(alerts, "announce", fail)
    assert tell_all_reached(lately=timedelta(hours=1)) == 1
    assert (told(alice), told(bob)) == ([], [("limit.reached", 100)])


@pytest.mark.django_db(transaction=True)
def test_a_limit_that_is_removed_while_it_is_told_disturbs_nobody(
    alice: User, limit_of_ten: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded of it goes with it."""
    make_charge(alice, 10)

    def announce_while_it_goes(**values: Any) -> Any:
        if Limit.objects.exists():
            remove = partial(remove_limit, actor=alice, account_id=alice.pk)
            in_background(lambda: remove(limit_id=limit_of_ten.pk)).result()
        return announce(**values)

    monkeypatch.setattr(alerts, "announce", announce_while_it_goes)
    tell_reached(account_id=alice.pk)
    assert not LimitAlert.objects.exists()
    assert told(alice) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("remove", ["remove_limit", "remove_all"])
def test_a_limit_that_is_told_while_it_is_removed_goes(
    remove: str, alice: User, limit_of_ten: Any
) -> None:
    """A threshold that is recorded between the two steps of the removal would keep it."""
    make_charge(alice, 10)
    telling: list[Any] = []

    def tell_meanwhile(execute: Any, statement: str, values: Any, many: bool, context: Any) -> Any:
        if statement.startswith('DELETE FROM "credits_limit" '):
            telling.append(in_background(lambda: tell_reached(account_id=alice.pk)))
            wait_for(
                lambda: telling[0].done() or bool(sql(BLOCKED)), "the telling to end or to wait"
            )
        return execute(statement, values, many, context)

    with transaction.atomic(), connection.execute_wrapper(tell_meanwhile):
        if remove == "remove_all":
            remove_all(user_id=alice.pk)
        else:
            remove_limit(actor=alice, account_id=alice.pk, limit_id=limit_of_ten.pk)
    assert telling
    telling[0].result()
    assert not Limit.objects.exists()
    assert told(alice) == []


def test_an_account_without_limits_costs_one_look(
    alice: User, django_assert_num_queries: Any
) -> None:
    make_charge(alice)
    with django_assert_num_queries(1, connection=connection):
        with_savepoint = record_alerts.__wrapped__  # type: ignore[attr-defined]
        assert with_savepoint(account_id=alice.pk) == 0


def test_spent_is_exact_to_the_pico_credit(alice: User) -> None:
    """79.999… percent is not 80."""
    limit = make_limit(alice, 3, alert_at=[67])
    make_charge(alice, 2)
    tell_reached(account_id=alice.pk)
    assert told(alice) == []
    assert 2 * PICO * 100 < 3 * PICO * 67
    assert limit.alert_at == [67]
