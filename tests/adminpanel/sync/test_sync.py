"""/admin/sync: a dry run, its figures, the run that follows, and stopping."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from credits.adjustments import adjust_credits
from credits.clerk import identity
from credits.clerk.parsing import Person
from credits.clerk.sync import users
from credits.clerk.sync.jobs import GOOD_FOR, start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import reconcile, run_sync
from credits.ledger import get_balance
from credits.models import AuditEntry, CreditGrant, SyncJob, UsageHistory, User
from credits.models.background import SILENCE
from tests.factories import make_charge
from tests.fakes.clerk import FakeClerk

pytestmark = pytest.mark.django_db
PATH = "/admin/sync"


def options(**fields: Any) -> dict[str, Any]:
    """The form as a browser sends it: boxes that are not ticked are not sent."""
    form = {"syncUsers": "on", "syncPlans": "on", "pageSize": 500, "key": uuid.uuid4(), **fields}
    return {name: value for name, value in form.items() if value is not None}


def work() -> None:
    """What a worker does: everything that is on the queue."""
    for job in ProcrastinateJob.objects.filter(task_name="clerk.sync").order_by("pk"):
        run_sync(job.args["job_id"])


def dry_run(desk: Client, **fields: Any) -> SyncJob:
    answer = desk.post(PATH, options(**fields))
    assert answer.status_code == 302, answer.context["form"].errors
    work()
    return SyncJob.objects.get(pk=answer["Location"].rpartition("/")[2])


def figures(answer: Any) -> dict[str, int]:
    return {line.name: line.number for line in answer.context["sync"].lines}


def test_a_dry_run_counts_then_the_run_does_the_same(desk: Client, base: FakeClerk) -> None:
    preview = dry_run(desk)
    assert not CreditGrant.objects.exists()
    page = desk.get(f"{PATH}/{preview.pk}")
    assert "Nothing has changed yet." in page.text
    assert figures(page) == {
        "processed": 5, "createdUsers": 5, "updatedUsers": 0, "deletedUsers": 0,
        "createdBalances": 5, "activeSubscriptions": 3, "drift": 3, "creditsGranted": 300,
    }  # fmt: skip
    answer = desk.post(f"{PATH}/{preview.pk}/run")
    work()
    done = desk.get(answer["Location"])
    assert figures(done) == figures(page)
    assert not any(line.differs for line in done.context["sync"].lines)
    assert done.context["foreseen"] == preview
    assert CreditGrant.objects.count() == 3
    assert "look at the sync" in desk.get(f"{PATH}/{preview.pk}").text


def test_setting_balances_is_foreseen_with_what_it_adds_and_takes(
    desk: Client, base: FakeClerk
) -> None:
    desk.post(f"{PATH}/{dry_run(desk).pk}/run")
    work()
    make_charge(User.objects.get(clerk_id="user_1"), 90)
    preview = dry_run(desk, setCredits="on", overrideCredits=40, reason="a fresh start")
    page = desk.get(f"{PATH}/{preview.pk}")
    shown = figures(page)
    assert (shown["creditsRefreshed"], shown["creditsAdded"], shown["creditsTaken"]) == (3, 30, 120)
    assert get_balance(user_id=User.objects.get(clerk_id="user_1").pk).remaining == 10
    answer = desk.post(f"{PATH}/{preview.pk}/run")
    work()
    assert figures(desk.get(answer["Location"])) == shown
    rows = UsageHistory.objects.filter(operation_type="ADJUSTMENT")
    assert {row.details["reason"] for row in rows} == {"a fresh start"}
    assert {row.details["actor"] for row in rows} == {"admin@example.com"}


def test_who_gains_and_who_loses_is_named_before_and_after(desk: Client, base: FakeClerk) -> None:
    desk.post(f"{PATH}/{dry_run(desk).pk}/run")
    work()
    make_charge(User.objects.get(clerk_id="user_1"), 90)
    preview = dry_run(desk, setCredits="on", overrideCredits=40, reason="a fresh start")
    page = desk.get(f"{PATH}/{preview.pk}")
    shown = [(str(c.user), c.before, c.after) for c in page.context["sync"].changes]
    assert shown == [
        ("u2@example.com", 100, 40), ("u3@example.com", 100, 40), ("u1@example.com", 10, 40),
    ]  # fmt: skip
    user = User.objects.get(clerk_id="user_1")
    assert f'<a href="/admin/users/{user.pk}">u1@example.com</a></td>' in page.text
    assert "In all 120 taken and 30 added." in page.text
    done = desk.get(desk.post(f"{PATH}/{preview.pk}/run")["Location"])
    work()
    done = desk.get(done.request["PATH_INFO"])
    assert done.context["sync"].changes == page.context["sync"].changes
    answer = desk.get(f"/api/admin/users/sync/{preview.pk}").json()
    assert answer["changes"][0] == {"who": "user_1", "before": 10, "after": 40}


def test_the_figures_of_set_balances_lead_to_just_their_rows(desk: Client, base: FakeClerk) -> None:
    desk.post(f"{PATH}/{dry_run(desk).pk}/run")
    work()
    users = [User.objects.get(clerk_id=f"user_{n}") for n in (1, 2, 3)]
    make_charge(users[0], 90)
    preview = dry_run(desk, setCredits="on", overrideCredits=40, reason="a fresh start")
    answer = desk.post(f"{PATH}/{preview.pk}/run")
    work()
    adjust_credits(  # Somebody else's, in the same minute, of the same kind.
        user_id=users[1].pk, delta=5, target=None, reason="r", actor="x", idempotency_key="a"
    )
    page = desk.get(answer["Location"])
    lines = {line.name: line for line in page.context["sync"].lines}
    led = {name: desk.get(line.href).context for name, line in lines.items() if line.href}
    assert led.keys() == {"creditsRefreshed", "creditsAdded", "creditsTaken"}
    assert all(f'href="{lines[name].href.replace("&", "&amp;")}"' in page.text for name in led)
    shown = {name: {one.user for one in at["page"].rows} for name, at in led.items()}
    assert shown["creditsRefreshed"] == set(users)
    assert led["creditsRefreshed"]["sums"].rows == lines["creditsRefreshed"].number == 3
    assert shown["creditsAdded"] == {users[0]}
    assert led["creditsAdded"]["sums"].adjusted == lines["creditsAdded"].number == 30
    assert led["creditsTaken"]["sums"].adjusted == -lines["creditsTaken"].number == -120
    rows = desk.get(lines["creditsRefreshed"].href).text
    assert f'href="{answer["Location"]}"' in rows, "The rows lead back to their sync."


def test_figures_without_rows_of_their_own_are_no_links(desk: Client, base: FakeClerk) -> None:
    preview = dry_run(desk, setCredits="on", reason="r")
    answer = desk.post(f"{PATH}/{preview.pk}/run")
    work()
    for page in (desk.get(f"{PATH}/{preview.pk}"), desk.get(answer["Location"])):
        assert not any(line.href for line in page.context["sync"].lines)
        assert "/admin/usage?" not in page.text.split('id="state"')[1]


def test_when_all_is_as_it_should_be_the_dry_run_says_so(desk: Client, base: FakeClerk) -> None:
    desk.post(f"{PATH}/{dry_run(desk).pk}/run")
    work()
    assert "Nothing to do:" in desk.get(f"{PATH}/{dry_run(desk).pk}").text


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"syncUsers": None, "syncPlans": None}, "syncUsers", "Choose something to do."),
        ({"overrideCredits": 5}, "overrideCredits", "Only with"),
        ({"setCredits": "on"}, "reason", "Say why"),
        ({"setCredits": "on", "reason": "x", "overrideCredits": -1}, "overrideCredits", "greater"),
        ({"setCredits": "on", "reason": "x", "overrideCredits": "1.5"}, "overrideCredits", "whole"),
        ({"pageSize": 501}, "pageSize", "less than or equal to 500"),
        ({"pageSize": 0}, "pageSize", "greater than or equal to 1"),
        ({"maxPages": 0}, "maxPages", "greater than or equal to 1"),
        ({"maxPages": "many"}, "maxPages", "whole number"),
        ({"key": "x"}, "key", "Enter a valid UUID"),
    ],
)
def test_bad_options_are_told_beside_their_fields(
    desk: Client, base: FakeClerk, fields: Any, field: str, told: str
) -> None:
    answer = desk.post(PATH, options(**fields))
    assert answer.status_code == 400
    assert told in str(answer.context["form"].errors[field])
    assert not SyncJob.objects.exists()
    shown = re.search(rf'id="id_{field}_error"', answer.text) or field == "key"
    assert shown, "The error stands beside its field."


def test_pressing_twice_starts_one(desk: Client, base: FakeClerk) -> None:
    form = options()
    first, second = desk.post(PATH, form), desk.post(PATH, form)
    assert first["Location"] == second["Location"]
    work()
    first, second = (desk.post(f"{first['Location']}/run") for _ in range(2))
    assert first["Location"] == second["Location"]
    work()
    third = desk.post(f"{PATH}/{SyncJob.objects.get(options__dry_run=True).pk}/run")
    assert third["Location"] == first["Location"]
    assert SyncJob.objects.count() == 2
    assert AuditEntry.objects.filter(action__startswith="sync.").count() == 2


def test_two_at_once_the_second_is_told_which_is_running(desk: Client, base: FakeClerk) -> None:
    first = desk.post(PATH, options())
    second = desk.post(PATH, options(), follow=True)
    assert second.redirect_chain[-1][0] == first["Location"]
    assert "Another sync is running" in second.text
    assert SyncJob.objects.count() == 1
    assert "waits for a worker" in desk.get(PATH).text


def test_the_hourly_sync_stands_in_nobody_s_way(desk: Client, base: FakeClerk) -> None:
    start_job(options=SyncOptions(), actor="reconcile", background=False)
    assert desk.post(PATH, options())["Location"].startswith(f"{PATH}/")


def test_old_figures_are_not_acted_upon(desk: Client, base: FakeClerk) -> None:
    preview = dry_run(desk)
    late = preview.finished_at - GOOD_FOR - timedelta(seconds=1)
    SyncJob.objects.filter(pk=preview.pk).update(finished_at=late)
    answer = desk.post(f"{PATH}/{preview.pk}/run", follow=True)
    assert "too old" in answer.text
    assert "count again" in answer.text
    assert SyncJob.objects.count() == 1


def test_only_a_dry_run_that_was_finished_is_followed(desk: Client, base: FakeClerk) -> None:
    answer = desk.post(PATH, options())
    assert desk.post(f"{answer['Location']}/run")["Location"] == answer["Location"]
    assert SyncJob.objects.count() == 1
    real = start_job(options=SyncOptions(), actor="x", background=False)
    assert desk.post(f"{PATH}/{real.pk}/run").status_code == 404


def test_progress_is_a_fragment_that_asks_for_itself_until_the_end(
    desk: Client, base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = desk.post(PATH, options(pageSize=2))["Location"]
    seen = []

    def watch(job: SyncJob) -> None:
        seen.append(desk.get(url, headers={"HX-Request": "true"}))

    (queued,) = ProcrastinateJob.objects.filter(task_name="clerk.sync")
    run_sync(queued.args["job_id"], watch=watch)
    assert "2 of 5" in seen[0].text
    assert "people" in seen[0].text
    assert "a second" in seen[0].text
    assert " left" in seen[0].text
    assert 'hx-trigger="every 2s"' in seen[0].text
    assert "<html" not in seen[0].text
    assert "HX-Trigger" not in seen[0]
    last = desk.get(url, headers={"HX-Request": "true"})
    assert "hx-trigger" not in last.text
    assert "The dry run is done." in last["HX-Trigger"]
    assert "<html" in desk.get(url).text


def test_it_is_cancelled_after_a_question_and_recorded(
    desk: Client, base: FakeClerk, admin: User
) -> None:
    preview = dry_run(desk, pageSize=2)
    url = desk.post(f"{PATH}/{preview.pk}/run")["Location"]

    def watch(job: SyncJob) -> None:
        assert "Cancel the sync at 2 of 5?" in desk.get(f"{url}/cancel").text
        answer = desk.post(f"{url}/cancel", follow=True)
        assert "stopping" in answer.text
        assert desk.post(f"{url}/cancel").status_code == 302, "Twice is once."

    run_sync(url.rpartition("/")[2], watch=watch)
    page = desk.get(url)
    assert "It was cancelled after 4 rows." in page.text
    assert User.objects.filter(clerk_id__isnull=False).count() == 4
    preview_row, start, cancel = AuditEntry.objects.filter(action__startswith="sync.").order_by(
        "pk"
    )
    assert (preview_row.action, start.action) == ("sync.preview", "sync.start")
    assert (cancel.action, cancel.actor, cancel.before["processed"]) == ("sync.cancel", admin, 2)
    answer = desk.post(f"{url}/cancel", follow=True)
    assert "It had ended already." in answer.text


def test_a_stalled_one_is_shown_as_such_and_ends_at_once(
    desk: Client, base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = desk.post(PATH, options())["Location"]

    def dies(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(users, "_sync_page", dies)
    with pytest.raises(SystemExit):
        work()
    job = SyncJob.objects.get()
    assert desk.get(url).context["sync"].state == "running"
    SyncJob.objects.update(heartbeat_at=job.heartbeat_at - 2 * SILENCE)
    page = desk.get(url)
    assert page.context["sync"].state == "stalled"
    assert "Nobody works on it." in page.text
    assert "has stalled" in desk.get(PATH).text
    desk.post(f"{url}/cancel")
    job.refresh_from_db()
    assert job.state == "canceled"
    assert desk.post(PATH, options())["Location"] != url, "The way is free."


def test_failures_are_named(desk: Client, base: FakeClerk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = identity.upsert_person

    def upsert(person: Person) -> Any:
        if person.clerk_id == "user_2":
            raise RuntimeError("a bad row")
        return real(person)

    monkeypatch.setattr(users, "upsert_person", upsert)
    preview = dry_run(desk, syncPlans=None, debug="on")
    page = desk.get(f"{PATH}/{preview.pk}")
    assert "user_2" in page.text
    assert "RuntimeError: a bad row" in page.text
    assert 'class="card" open>' in page.text
    for _ in range(2):
        preview = dry_run(desk, syncPlans=None)
        url = desk.post(f"{PATH}/{preview.pk}/run")["Location"]
        run_sync(url.rpartition("/")[2])
    assert "<b>Nothing had to change.</b> But 1 failed" in desk.get(url).text


def test_when_clerk_does_not_answer_the_page_says_so(
    desk: Client, base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.clerk.client.FIRST_PAUSE", 0)
    base.failures.extend([(503, {})] * 10)
    page = desk.get(f"{PATH}/{dry_run(desk).pk}")
    assert "It failed after 0 rows." in page.text
    assert "503" in page.text
    assert page.context["may_follow"] is False


def test_runs_are_listed_with_who_when_what_and_figures(desk: Client, base: FakeClerk) -> None:
    preview = dry_run(desk, pageSize=2)
    desk.post(f"{PATH}/{preview.pk}/run")
    work()
    reconcile()
    page = desk.get(PATH)
    assert [sync.is_preview for sync in page.context["page"].rows] == [False, True]
    assert "people, subscriptions, pages of 2" in page.text
    assert "admin@example.com" in page.text
    assert "5 new, 0 changed" in page.text
    assert "our clock" not in page.text
    assert "our clock" in desk.get(PATH, {"hourly": "1"}).text


def test_older_runs_are_on_the_next_page(desk: Client, base: FakeClerk) -> None:
    for n in range(30):
        start_job(options=SyncOptions(), actor=f"admin {n}", background=False)
    page = desk.get(PATH)
    assert len(page.context["page"].rows) == 25
    older = desk.get(re.search(r'rel="next" href="([^"]*)"', page.text)[1])
    assert [sync.job.actor for sync in older.context["page"].rows] == [
        f"admin {n}" for n in (4, 3, 2, 1, 0)
    ]
    assert desk.get(PATH, {"before": "tomorrow"}).status_code == 200
    assert desk.get(PATH, {"before": "2026-99-99T00:00:00Z"}).status_code == 200


def test_without_clerk_the_page_says_what_to_set_up(desk: Client) -> None:
    page = desk.get(PATH)
    assert "Clerk is not set up" in page.text
    assert "CLERK_SECRET_KEY" in page.text
    assert desk.post(PATH, options()).status_code == 400
    assert not SyncJob.objects.exists()


def test_no_link_and_no_stranger_starts_or_stops_anything(
    desk: Client, admin: User, base: FakeClerk
) -> None:
    preview = dry_run(desk)
    assert desk.get(f"{PATH}/{preview.pk}/run").status_code == 405
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    for path in (PATH, f"{PATH}/{preview.pk}/run", f"{PATH}/{preview.pk}/cancel"):
        assert browser.post(path, options()).status_code == 403
    assert SyncJob.objects.count() == 1


class TestTheApi:
    """The same service, and the same record."""

    PATH = "/api/admin/users/sync"

    def test_it_answers_with_the_contract_s_figures_and_is_recorded(
        self, desk: Client, base: FakeClerk, admin: User
    ) -> None:
        body = {
            "syncUsers": True, "syncPlans": True, "setCredits": True, "overrideCredits": 40,
            "pageSize": 100, "maxPages": 3, "debug": True, "reason": "by call",
        }  # fmt: skip
        answer = desk.post(self.PATH, body, content_type="application/json")
        assert answer.status_code == 200
        contract = {
            "processed": 5, "createdUsers": 5, "updatedUsers": 0, "createdBalances": 5,
            "activeSubscriptions": 3, "creditsRefreshed": 3,
        }  # fmt: skip
        assert contract.items() <= answer.json().items()
        entry = AuditEntry.objects.get(action="sync.start")
        assert (entry.actor, entry.reason, entry.origin) == (admin, "by call", "127.0.0.1")
        assert entry.after["overrideCredits"] == 40
        assert entry.target == f"sync {answer.json()['job']['id']}"
        listed = desk.get("/admin/sync").context["page"].rows
        assert listed[0].options == "people, subscriptions, plan credits set to 40, 3 pages of 100"

    def test_one_at_a_time(self, desk: Client, base: FakeClerk) -> None:
        running = start_job(options=SyncOptions(), actor="somebody", background=False)
        answer = desk.post(self.PATH, {}, content_type="application/json")
        assert (answer.status_code, answer.json()["error"]) == (409, "sync_running")
        assert answer.json()["job"]["id"] == str(running.pk)
        assert desk.delete(f"{self.PATH}/{running.pk}").json()["state"] == "canceled"
        assert AuditEntry.objects.get().action == "sync.cancel"
        assert desk.post(self.PATH, {}, content_type="application/json").status_code == 200
