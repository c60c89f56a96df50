"""The inbox and the sync at the desk, in a real browser, with a real worker, and with Clerk's fake
at the other end of real HTTP."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, expect

from credits.catalogue.plans import create_plan
from credits.models import CreditGrant, SyncJob, User, WebhookDelivery
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.factories import make_plan
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import FakeClerk, running_clerk, user_json
from tests.fakes.clerk_events import DAY, as_api, event, item_json
from tests.live import Site, database_url, http_client
from tests.processes import ROOT, stop
from tests.waiting import wait_for

NOW = int(time.time() * 1000)
SECRETS = {
    "CLERK_SECRET_KEY": fake_clerk.SECRET_KEY,
    "CLERK_INSTANCE_ID": fake_clerk.INSTANCE,
    "CLERK_WEBHOOK_SIGNING_SECRET": fake_clerk.SIGNING_SECRET,
}
#: Without what the clock asks for: a worker does what it missed in the last minutes, such as the
#: hourly sync, and the dry run would find nothing left to do.
WORKER = """
import django; django.setup()
from django.core.management import execute_from_command_line
from procrastinate.contrib.django import app
app.perform_import_paths()  # Else the worker would import tasks after they are cleared.
app.periodic_registry.periodic_tasks.clear()
execute_from_command_line(["manage.py", "procrastinate", "worker"])
"""


@pytest.fixture(scope="module")
def kept_clerk() -> Iterator[FakeClerk]:
    with running_clerk() as fake:
        yield fake


@pytest.fixture
def clerk(kept_clerk: FakeClerk) -> FakeClerk:
    """Five users, three of them subscribed to Pro."""
    start = NOW - DAY
    kept_clerk.users = [
        user_json(f"user_{n}", email=f"u{n}@example.com", at=n) for n in range(1, 6)
    ]
    kept_clerk.items = [as_api(item_json(f"user_{n}", period_start=start)) for n in (1, 2, 3)]
    return kept_clerk


@pytest.fixture
def clerk_site(keep_site: Callable[..., Site], clerk: FakeClerk) -> Site:
    return keep_site(**SECRETS, CLERK_API_URL=clerk.url)


@pytest.fixture
def desk(browser: Browser, clerk_site: Site) -> Iterator[Window]:
    with windows(browser, clerk_site) as opened:
        yield opened


@pytest.fixture
def worker(clerk_site: Site, clerk: FakeClerk, tmp_path: Any) -> Iterator[None]:
    """A worker as it runs in production."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url(),
        "CLERK_API_URL": clerk.url, **SECRETS,
    }  # fmt: skip
    with (tmp_path / "worker.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=ROOT,
            env={**os.environ, **environment}, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    yield
    stop(process)


def deliver(site: Site, payload: dict[str, Any], svix_id: str) -> int:
    body = json.dumps(payload).encode()
    headers = {**fake_clerk.sign(body, svix_id=svix_id), "Content-Type": "application/json"}
    with http_client(site.base_url) as client:
        return client.post("/api/webhooks/clerk", content=body, headers=headers).status_code


def user_event(user_id: str) -> dict[str, Any]:
    return event("user.created", user_json(user_id, email=f"{user_id}@example.com", at=1), at=1)


def item_event(user_id: str, plan: str) -> dict[str, Any]:
    item = item_json(user_id, plan, period_start=NOW - DAY)
    return event("subscriptionItem.active", item, at=NOW)


@pytest.fixture
def broken(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Nobody called user_bad can be made, until this is called."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE credits_identity ADD CONSTRAINT no_bad CHECK (clerk_id <> 'user_bad')"
        )

    def mend() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE credits_identity DROP CONSTRAINT IF EXISTS no_bad")

    yield mend
    mend()


def test_a_failed_webhook_is_found_read_and_replayed(
    desk: Window, clerk_site: Site, admin: User, broken: Callable[[], None]
) -> None:
    assert deliver(clerk_site, user_event("user_1"), "msg_1") == 200
    assert deliver(clerk_site, user_event("user_bad"), "msg_2") == 500
    page = desk(admin, size="phone")
    page.goto("/admin/webhooks")
    expect(page.locator("main tbody tr")).to_have_count(2)
    axe(page)
    fits(page)
    page.get_by_role("navigation", name="Status").get_by_text("Failed").click()
    expect(page.locator("main tbody tr")).to_have_count(1)
    page.get_by_role("link", name="user.created").click()
    expect(page.locator("#error")).to_contain_text("IntegrityError")
    expect(page.locator(".json")).to_contain_text("user_bad@example.com")
    axe(page)
    fits(page)
    broken()
    page.get_by_role("link", name="Replay").click()
    expect(page.get_by_role("heading", name="Replay 1 delivery?")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Replay 1 delivery").click()
    expect(page.locator(".toast")).to_contain_text("1 processed, 0 failed.")
    expect(page.locator("main tbody tr").first).to_contain_text("Account")
    expect(page.locator("main tbody tr").first).to_contain_text("created")
    page.locator(".json summary", has_text="data").first.click()
    expect(page.locator(".json").get_by_text("user_bad@example.com")).to_be_hidden()


def test_many_are_replayed_batch_after_batch_by_themselves(desk: Window, admin: User) -> None:
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            svix_id=f"msg_{n}", type="user.created", payload=user_event(f"user_{n}"), error="x: y"
        )
        for n in range(230)
    )
    page = desk(admin)
    page.goto("/admin/webhooks")
    page.get_by_role("link", name="Replay all failed").click()
    expect(page.get_by_role("heading", name="Replay 230 failed deliveries?")).to_be_visible()
    page.get_by_role("button", name="Replay 230 deliveries").click()
    expect(page.locator(".toast")).to_contain_text("230 processed, 0 failed.")
    assert User.objects.filter(clerk_id__startswith="user_").count() == 230


@pytest.mark.parametrize("javascript", [True, False])
def test_a_plan_that_is_missing_is_named_and_mapping_it_grants(
    desk: Window, clerk_site: Site, admin: User, javascript: bool
) -> None:
    assert deliver(clerk_site, item_event("user_1", "cplan_team"), "msg_1") == 200
    page = desk(admin, javascript=javascript)
    page.goto("/admin/webhooks?status=unmapped")
    expect(page.locator(".note").first).to_contain_text("cplan_team (1 subscription)")
    create_plan(actor=admin, clerk_id="cplan_team", name="Team", credits=700)
    page.get_by_role("navigation", name="Status").get_by_text("Processed").click()
    page.get_by_role("link", name="subscriptionItem.active").click()
    expect(page.get_by_text("What it did")).to_be_visible()
    grants = page.get_by_role("region", name="Grants of")
    expect(grants).to_contain_text("700")
    expect(grants).to_contain_text("another delivery, a sync, or our clock")
    fits(page)


def test_rows_are_reached_by_keys(desk: Window, clerk_site: Site, admin: User) -> None:
    deliver(clerk_site, user_event("user_1"), "msg_1")
    deliver(clerk_site, item_event("user_2", "cplan_team"), "msg_2")
    page = desk(admin)
    page.goto("/admin/webhooks")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="user.created")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="user.created")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("y")
    expect(page.get_by_role("heading", name="Sync", exact=True)).to_be_visible()


def numbers(page: Page) -> list[str]:
    """The figures' column."""
    return page.locator(".figures-of tbody td:nth-child(2)").all_inner_texts()


def test_a_sync_is_foreseen_confirmed_and_done(
    desk: Window, admin: User, clerk: FakeClerk, worker: None
) -> None:
    make_plan("cplan_pro", credits=100)
    page = desk(admin, size="phone")
    page.goto("/admin/sync")
    axe(page)
    fits(page)
    with clerk.lock:  # Clerk takes its time: the page shows that it runs, and asks for itself.
        page.get_by_role("button", name="Count what it would do").click()
        expect(page.locator("#state .tag").first).to_have_text("running")
        expect(page.get_by_role("progressbar")).to_be_visible()
        axe(page)
    expect(page.locator("#state .tag").first).to_have_text("done")
    expect(page.locator(".toast")).to_contain_text("The dry run is done.")
    foreseen = numbers(page)
    assert foreseen == ["5", "5", "0", "0", "5", "3", "3", "300", "0"]
    assert not CreditGrant.objects.exists()
    axe(page)
    fits(page)
    page.get_by_role("button", name="Do this now").click()
    expect(page.get_by_role("heading", name="Sync", exact=True)).to_be_visible()
    expect(page.locator("#state .tag").first).to_have_text("done")
    assert numbers(page) == foreseen
    assert CreditGrant.objects.filter(source="plan").count() == 3
    axe(page)
    fits(page)
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("link", name="All runs").click()
    expect(page.locator("main tbody tr")).to_have_count(2)
    fits(page)


def test_a_sync_is_cancelled(desk: Window, admin: User, clerk: FakeClerk, worker: None) -> None:
    page = desk(admin)
    page.goto("/admin/sync")
    page.get_by_label("Rows a page").fill("1")
    with clerk.lock:
        page.get_by_role("button", name="Count what it would do").click()
        expect(page.locator("#state .tag").first).to_have_text("running")
        page.get_by_role("link", name="Cancel").click()
        expect(page.get_by_role("heading", name=re.compile("Cancel the dry run"))).to_be_visible()
        axe(page)
        page.get_by_role("button", name="Cancel it").click()
        expect(page.locator("#state .tag").first).to_have_text("stopping")
    expect(page.locator("#state .tag").first).to_have_text("canceled")
    assert SyncJob.objects.get().processed < 5


def test_bad_options_stand_beside_their_fields(desk: Window, admin: User) -> None:
    page = desk(admin)
    desk.allow("400")
    page.goto("/admin/sync")
    page.get_by_label("To this many credits").fill("5")
    page.get_by_role("button", name="Count what it would do").click()
    field = page.get_by_label("To this many credits")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field", has=field)).to_contain_text("Only with")
    expect(field).to_have_value("5")
    axe(page)


def test_a_sync_without_scripts(desk: Window, admin: User, worker: None) -> None:
    page = desk(admin, javascript=False)
    page.goto("/admin/sync")
    page.get_by_role("button", name="Count what it would do").click()

    def has_ended() -> bool:
        if page.get_by_role("button", name="Do this now").count():
            return True
        page.get_by_role("link", name="Refresh").click()
        return False

    wait_for(has_ended, "the dry run to end")
    page.get_by_role("button", name="Do this now").click()
    expect(page.get_by_role("heading", name="Sync", exact=True)).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_both_pages_can_be_read_in_every_look(
    desk: Window, clerk_site: Site, admin: User, size: Size, scheme: Scheme
) -> None:
    deliver(clerk_site, item_event("user_1", "cplan_team"), "msg_1")
    page = desk(admin, size=size, scheme=scheme)
    delivery = WebhookDelivery.objects.get()
    for path in ("/admin/webhooks", f"/admin/webhooks/{delivery.pk}", "/admin/sync"):
        page.goto(path)
        axe(page)
        fits(page)
