"""Two syncs of the same people at once, and a sync beside a delivery: nothing is done twice, and
nobody waits in a circle."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from credits.clerk.sync import run as sync
from credits.clerk.sync.jobs import start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.webhooks import inbox
from credits.models import (
    CreditBalance,
    CreditGrant,
    Identity,
    Period,
    SubscriptionItem,
    SyncJob,
    UsageHistory,
    User,
)
from tests.credits.clerk.histories import final_state, renamed
from tests.factories import make_grant, make_plan
from tests.fakes.clerk import FakeClerk
from tests.fakes.clerk_events import DAY, as_api, event, full_history, item_json
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
NOW = int(time.time() * 1000)
PEOPLE = 24


@pytest.fixture
def base(fake: FakeClerk) -> FakeClerk:
    for plan, amount in (("cplan_free", 10), ("cplan_pro", 100), ("cplan_max", 500)):
        make_plan(plan, credits=amount)
    for number in range(PEOPLE):
        full_history(NOW, f"user_{number:02}").into(fake)
    return fake


type Aside = Callable[[Callable[[], Any]], Future[Any]]


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Starts something in a thread with a connection of its own; its future is returned."""
    with ThreadPoolExecutor(4) as pool:

        def run(work: Callable[[], Any]) -> Future[Any]:
            def alone() -> Any:
                try:
                    return work()
                finally:
                    connection.close()

            return pool.submit(alone)

        yield run


def full_sync(**options: Any) -> SyncJob:
    job = start_job(
        options=SyncOptions(page_size=5, **options),
        actor="admin@example.com",
        background=False,
        allowance=10**9,
    )
    sync.run_sync(job.pk)
    job.refresh_from_db()
    return job


def endings() -> list[dict[str, object]]:
    """How everybody ended, under one name: they all lived the same life."""
    found = []
    for number in range(PEOPLE):
        state = final_state(f"user_{number:02}")
        state["items"] = [row[1:] for row in state["items"]]
        state["periods"] = [row[1:] for row in state["periods"]]
        found.append(renamed(state, {f"user_{number:02}": "somebody"}))
    return found


def test_a_reconcile_beside_a_full_sync_ends_like_one_alone(base: FakeClerk, aside: Aside) -> None:
    running = [aside(full_sync), aside(sync.reconcile), aside(full_sync)]
    jobs = [each.result() for each in running]
    assert [(job.state, job.failed) for job in jobs] == [("done", 0)] * 3
    living = sum(item["status"] != "ended" for item in base.items)
    found = {"createdUsers": PEOPLE, "createdBalances": PEOPLE, "drift": living}
    assert {name: sum(job.counts[name] for job in jobs) for name in found} == found
    assert User.objects.count() == CreditBalance.objects.count() == PEOPLE
    assert CreditGrant.objects.values("key").distinct().count() == CreditGrant.objects.count()
    together = endings()
    assert all(each == together[0] for each in together)
    again = full_sync()
    assert again.counts["drift"] == again.counts["creditsGranted"] == 0
    assert endings() == together


def test_packs_and_an_override_stand_beside_a_reconcile(base: FakeClerk, aside: Aside) -> None:
    full_sync()
    for user in User.objects.all():
        make_grant(user, 40)
    renewed = [item for item in base.items if item["status"] == "active"][::2]
    for item in renewed:
        item.update(
            period_start=NOW - 1000, period_end=item["period_end"] + 30 * DAY, updated_at=NOW
        )
    running = [aside(lambda: full_sync(set_credits=True, override_credits=250))]
    running += [aside(sync.reconcile), aside(sync.reconcile)]
    assert [job.result().state for job in running] == ["done"] * 3
    assert set(CreditBalance.objects.values_list("credits_remaining", flat=True)) <= {290, 390}
    last = full_sync(set_credits=True, override_credits=250)
    assert last.counts["drift"] == 0
    assert set(CreditBalance.objects.values_list("credits_remaining", flat=True)) == {290}
    packs = CreditGrant.objects.exclude(source__in=["plan", "adjustment"])
    assert set(packs.values_list("remaining", flat=True)) == {40}
    assert UsageHistory.objects.filter(operation_type="ADJUSTMENT").count() >= PEOPLE


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction the activity stays as it was when it was first looked at.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("model", [SubscriptionItem, Identity])
def test_a_page_that_was_met_never_waits_in_a_circle_with_a_delivery(
    base: FakeClerk, aside: Aside, model: type[Any]
) -> None:
    full_sync()
    first, second = model.objects.order_by("pk")[:2]
    with transaction.atomic():  # As a delivery of two items of one subscription does.
        model.objects.select_for_update().get(pk=second.pk)
        job = aside(full_sync)
        wait_for(waits_for_a_lock, "the sync to wait for the lock", pause=0.01)
        model.objects.select_for_update().get(pk=first.pk)
    assert (job.result().state, job.result().failed) == ("done", 0)


def test_deliveries_come_in_while_two_syncs_run(base: FakeClerk, aside: Aside) -> None:
    full_sync()
    items = [item for item in base.items if item["status"] == "active"]
    fresh = [
        {**item_json(item["payer"]["user_id"]), "id": item["id"], "period_start": NOW - DAY,
         "period_end": NOW + 29 * DAY, "updated_at": NOW}
        for item in items
    ]  # fmt: skip
    for item, renewed in zip(items, fresh, strict=True):
        item.update(as_api(renewed))

    def deliver() -> None:
        for number, item in enumerate(fresh):
            payload = event("subscriptionItem.updated", item, at=NOW)
            inbox.receive(svix_id=f"msg_renewed_{number}", payload=payload)

    running = [aside(deliver), aside(full_sync), aside(sync.reconcile)]
    for each in running:
        each.result()
    assert Period.objects.filter(start=NOW - DAY, earned=True).count() == PEOPLE
    together = endings()
    assert all(each == together[0] for each in together)


def test_somebody_deleted_while_two_syncs_run_stays_deleted(base: FakeClerk, aside: Aside) -> None:
    full_sync()
    gone = [base.users.pop(3)["id"], base.users.pop(9)["id"]]

    def deliver() -> None:
        for clerk_id in gone:
            payload = event("user.deleted", {"id": clerk_id, "deleted": True}, at=NOW)
            inbox.receive(svix_id=f"msg_{clerk_id}", payload=payload)

    running = [aside(full_sync), aside(deliver), aside(sync.reconcile)]
    for each in running:
        each.result()
    closed = User.objects.filter(is_active=False).values_list("clerk_id", flat=True)
    assert set(closed) == set(gone)
