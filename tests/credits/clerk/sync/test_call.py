"""`POST /api/admin/users/sync`, `sync_clerk`, and Clerk's plans."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from credits.clerk.sync.jobs import start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import run_sync
from credits.models import AuditEntry, SyncJob, User
from tests.fakes.clerk import FakeClerk

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client: Client, admin: User) -> Callable[..., Any]:
    client.force_login(admin)

    def post(**body: Any) -> Any:
        return client.post("/api/admin/users/sync", body, content_type="application/json")

    return post


def test_the_call_answers_with_the_figures(ask: Callable[..., Any], base: FakeClerk) -> None:
    answer = ask(syncUsers=True, syncPlans=True, setCredits=False, debug=True)
    assert answer.status_code == 200
    assert {k: answer.json()[k] for k in ("processed", "createdUsers", "activeSubscriptions")} == {
        "processed": 5,
        "createdUsers": 5,
        "activeSubscriptions": 3,
    }


def test_who_failed_is_named_and_stops_nobody(ask: Callable[..., Any], base: FakeClerk) -> None:
    base.users[1]["id"] = None
    base.items[0]["id"] = None
    answer = ask().json()
    assert (answer["createdUsers"], answer["failed"]) == (4, 2)
    assert [failure["who"] for failure in answer["job"]["failures"]] == [
        "a user without an id",
        "an item without an id",
    ]


def test_a_large_base_is_a_job(
    ask: Callable[..., Any], base: FakeClerk, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adminpanel.api.sync.AT_ONCE", 4)
    answer = ask()
    assert answer.status_code == 202
    job_id = answer.json()["job"]["id"]
    assert client.get(f"/api/admin/users/sync/{job_id}").json()["state"] == "queued"
    run_sync(job_id)
    assert client.get(f"/api/admin/users/sync/{job_id}").json()["counts"]["processed"] == 5
    assert client.delete(f"/api/admin/users/sync/{job_id}").json()["state"] == "done"
    assert client.get(f"/api/admin/users/sync/{uuid.uuid4()}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"overrideCredits": 5},
        {"setCredits": True, "overrideCredits": -1},
        {"setCredits": True, "overrideCredits": 1.5},
        {"pageSize": 0},
        {"pageSize": 501},
        {"syncUsers": "yes"},
        {"maxPages": 0},
        {"setcredits": True},
    ],
    ids=repr,
)
def test_a_wrong_body_is_a_400(ask: Callable[..., Any], base: FakeClerk, body: Any) -> None:
    assert ask(**body).status_code == 400
    assert not SyncJob.objects.exists()


def test_only_admins_sync(client: Client, alice: User, base: FakeClerk) -> None:
    assert client.post("/api/admin/users/sync").status_code == 401
    client.force_login(alice)
    assert client.post("/api/admin/users/sync").status_code == 404


def test_without_a_secret_key_there_is_nothing_to_sync(ask: Callable[..., Any]) -> None:
    assert ask().status_code == 409


def test_clerk_s_plans_are_listed_for_import(client: Client, admin: User, base: FakeClerk) -> None:
    client.force_login(admin)
    base.plans = [{"id": "cplan_pro", "name": "Pro", "fee": {"amount": 2000, "currency": "USD"}}]
    (plan,) = client.get("/api/admin/clerk/plans").json()["plans"]
    assert (plan["clerkId"], plan["amount"], plan["imported"]) == ("cplan_pro", 2000, True)


def test_the_command_shows_its_progress(
    base: FakeClerk, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sync_clerk", "--page-size", "2")
    out = capsys.readouterr().out
    assert "users: 4 of 5" in out
    assert "createdUsers: 5" in out


def test_the_command_is_in_the_record_of_what_was_done(base: FakeClerk) -> None:
    call_command("sync_clerk", "--dry-run", "--users-only")
    call_command("sync_clerk", "--set-credits", "--reason", "a fresh start")
    preview, run = AuditEntry.objects.order_by("pk")
    jobs = SyncJob.objects.order_by("created_at")
    assert [preview.target, run.target] == [f"sync {job.pk}" for job in jobs]
    assert (preview.action, run.action) == ("sync.preview", "sync.start")
    assert (run.actor, run.actor_name, run.origin, run.reason) == (
        None, "", "command", "a fresh start",
    )  # fmt: skip
    assert preview.after["dryRun"] and not preview.after["syncPlans"]
    assert run.after["setCredits"] and not run.after["dryRun"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--override-credits", "5"],
        ["--set-credits", "--override-credits", "-1"],
        ["--page-size", "501"],
        ["--max-pages", "0"],
        ["--users-only", "--plans-only"],
    ],
    ids=" ".join,
)
def test_the_command_refuses_what_the_call_refuses(base: FakeClerk, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("sync_clerk", *arguments)
    assert not SyncJob.objects.exists()


def test_the_command_does_not_sync_beside_another_sync(base: FakeClerk) -> None:
    running = start_job(options=SyncOptions(), actor="somebody", background=False)
    with pytest.raises(CommandError, match=f"is running.*/admin/sync/{running.pk}"):
        call_command("sync_clerk")
    assert SyncJob.objects.get() == running
    assert not AuditEntry.objects.exists()


def test_the_command_fails_when_the_sync_does(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.clerk.client.FIRST_PAUSE", 0)
    base.failures.extend([(500, {})] * 10)
    with pytest.raises(CommandError, match="failed"):
        call_command("sync_clerk")
