"""What one admin may move alone: every door asks the same question, sums what the admin did in 24
hours, lets nobody gain by their own word, and writes down each account."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from adminpanel.api.serializers import ApprovalOut
from adminpanel.users.adjustments import adjust
from credits import audit
from credits.adjustments import adjust_credits
from credits.approvals import ApprovalPending, approve, moved_alone
from credits.catalogue.plans import PlanRow, create_plan, delete_plan, import_plans, update_plan
from credits.catalogue.undo import undo_change
from credits.clerk.sync.run import run_sync
from credits.exceptions import OwnAccount
from credits.ledger import get_balance
from credits.models import (
    Approval,
    AuditEntry,
    Period,
    Plan,
    SettingsChange,
    SubscriptionItem,
    SyncJob,
    UsageHistory,
    User,
)
from tests.adminpanel.settings.test_import import MAX, compare, take, ticked
from tests.adminpanel.sync.conftest import base, clerk_configured, deliver, fake
from tests.api import Api, assert_problem
from tests.credits.clerk.sync.runs import run
from tests.factories import make_admin, make_charge, make_grant, make_user
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, item_json
from tests.live import Site
from tests.parallel import count_of, in_parallel

__all__ = ["base", "clerk_configured", "deliver", "fake"]

pytestmark = pytest.mark.django_db
LIMIT = 100
PLANS = "/api/admin/plans"


@pytest.fixture(autouse=True)
def limit(settings: Settings) -> None:
    settings.ADJUSTMENT_APPROVAL_CREDITS = LIMIT
    settings.SIGNUP_CREDITS = 0


@pytest.fixture
def second(db: None) -> User:
    return make_admin("second@example.com")


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def give(actor: User, user: User, delta: int) -> Any:
    return adjust(actor=actor, user_id=user.pk, delta=delta, reason="A gift", key=str(uuid4()))


def desk_of(user: User) -> Client:
    desk = Client()
    desk.force_login(user)
    return desk


def say_yes(admin: User, **fields: Any) -> Any:
    """What the page answers a second admin who approves the newest request."""
    asked = Approval.objects.latest("pk")
    return desk_of(admin).post(
        f"/admin/users/approvals/{asked.pk}", {"decision": "approve", **fields}
    )


class TestTheSum:
    def test_what_was_moved_before_counts(self, admin: User, alice: User, bob: User) -> None:
        give(admin, alice, 60)
        give(admin, bob, 40)
        with pytest.raises(ApprovalPending) as waits:
            give(admin, alice, 1)
        asked = waits.value.approval
        assert (asked.credits, asked.moved_before, balance(alice)) == (1, LIMIT, 160)

    def test_giving_and_taking_do_not_cancel(self, admin: User, alice: User) -> None:
        give(admin, alice, 60)
        with pytest.raises(ApprovalPending):
            give(admin, alice, -60)
        assert balance(alice) == 160

    def test_it_is_each_admin_s_own(self, admin: User, second: User, alice: User) -> None:
        give(admin, alice, LIMIT)
        give(second, alice, LIMIT)
        assert balance(alice) == 100 + 2 * LIMIT

    def test_what_was_approved_does_not_count(self, admin: User, second: User, alice: User) -> None:
        with pytest.raises(ApprovalPending):
            give(admin, alice, 101)
        say_yes(second)
        give(admin, alice, LIMIT)
        assert balance(alice) == 301
        assert (moved_alone(admin), moved_alone(second)) == (LIMIT, 0)

    @pytest.mark.parametrize(("hours", "left"), [(23, 10), (25, 100)])
    def test_a_day_slides(self, admin: User, alice: User, hours: int, left: int) -> None:
        AuditEntry.objects.create(
            actor=admin, action="test.note", origin="test", credits=90,
            created_at=timezone.now() - timedelta(hours=hours),
        )  # fmt: skip
        give(admin, alice, left)
        with pytest.raises(ApprovalPending):
            give(admin, alice, 1)

    def test_the_preview_knows_it(self, client: Client, admin: User, alice: User) -> None:
        client.force_login(admin)
        form = {"mode": "add", "amount": "50", "reason": "x", "key": str(uuid4())}
        path = f"/admin/users/{alice.pk}/adjust"
        assert "Confirm +50 credits" in client.post(path, form).text
        give(admin, alice, 51)
        assert "Ask a second admin" in client.post(path, form).text

    @pytest.mark.django_db(transaction=True)
    def test_twelve_at_once_just_below_the_limit_do_not_pass_together(
        self, admin: User, alice: User
    ) -> None:
        def attempt(_: int) -> object:
            return give(admin, alice, LIMIT - 1)

        answers = in_parallel(12, attempt, catch=ApprovalPending)
        assert count_of(answers, ApprovalPending) == 11
        assert balance(alice) == 100 + LIMIT - 1

    def test_twelve_at_once_at_a_running_site(
        self, keep_site: Callable[..., Site], admin: User
    ) -> None:
        """The pages and processes of a site, with its own limit of 100,000."""
        site = keep_site()
        users = [make_user() for _ in range(12)]

        def attempt(number: int) -> int:
            desk = site.client(admin)
            path = f"/api/admin/users/{users[number].pk}/credits"
            body = {"adjustment": 99_999, "reason": "A gift"}
            return int(desk.put(path, json=body).status_code)

        answers = in_parallel(12, attempt)
        assert sorted(answers) == [200] + [202] * 11
        assert sum(map(balance, users)) == 99_999

    def test_a_service_that_does_not_ask_moves_nothing(self, admin: User, alice: User) -> None:
        change = {"user_id": alice.pk, "delta": 1, "reason": "x", "idempotency_key": "k"}
        with pytest.raises(RuntimeError, match="was not asked"), transaction.atomic():
            adjust_credits(**change, actor=admin)  # type: ignore[arg-type]
        assert balance(alice) == 100


class TestOwnAccount:
    @pytest.mark.parametrize("change", [{"delta": 1}, {"delta": -1}, {"target": 7}])
    def test_nobody_changes_their_own(self, change: dict[str, int], settings: Settings) -> None:
        actor = make_admin(credits=50)
        body = {
            {"delta": "adjustment", "target": "credits"}[name]: by for name, by in change.items()
        }
        path = f"/api/admin/users/{actor.pk}/credits"
        for limit in (LIMIT, 0):
            settings.ADJUSTMENT_APPROVAL_CREDITS = limit
            answer = Api(actor).send("put", path, {**body, "reason": "x"})
            assert_problem(answer, 403, "own_account")
        assert balance(actor) == 50
        assert not Approval.objects.exists()

    def test_the_page_says_so(self, client: Client) -> None:
        actor = make_admin(credits=50)
        client.force_login(actor)
        form = {"mode": "add", "amount": "5", "reason": "x", "key": str(uuid4()), "confirm": "1"}
        answer = client.post(f"/admin/users/{actor.pk}/adjust", form)
        assert answer.status_code == 422
        assert "This is your own account. Another admin has to change it." in answer.text
        assert balance(actor) == 50

    def test_a_charge_of_one_s_own_is_not_refunded(self, client: Client) -> None:
        actor = make_admin(credits=50)
        charge = make_charge(actor, 7)
        client.force_login(actor)
        form = {"amount": "", "reason": "x", "key": str(uuid4()), "confirm": "1"}
        answer = client.post(f"/admin/users/charges/{charge.id}/refund", form)
        assert answer.status_code == 422
        assert "your own account" in answer.text
        assert balance(actor) == 43

    def test_who_approves_does_not_gain(self, admin: User, second: User) -> None:
        with pytest.raises(ApprovalPending):
            give(admin, second, 101)
        answer = say_yes(second)
        assert answer.status_code == 422
        assert "This is your own account." in answer.text
        assert (balance(second), Approval.objects.get().state) == (0, "pending")
        assert say_yes(make_admin()).status_code == 302
        assert balance(second) == 101

    @pytest.mark.parametrize("who", ["asked_by", "decided_by"])
    def test_the_database_refuses_such_a_request(self, admin: User, second: User, who: str) -> None:
        people = {"asked_by": admin, "decided_by": second}
        row = adjust_credits(
            user_id=people[who].pk, delta=5, reason="x", actor="test", idempotency_key="k"
        )
        with pytest.raises(IntegrityError, match="approval_not_own_account"), transaction.atomic():
            Approval.objects.create(
                kind="adjustment", user=people[who], delta=5, balance_then=0, credits=5, key="k",
                state="approved", decided_at=timezone.now(), usage_id=row.usage_id, **people,
            )  # fmt: skip

    @pytest.mark.parametrize("who", ["actor", "approved_by"])
    def test_the_database_refuses_such_an_entry(self, admin: User, second: User, who: str) -> None:
        people = {"actor": admin, "approved_by": second}
        with pytest.raises(IntegrityError, match="audit_not_own_account"), transaction.atomic():
            AuditEntry.objects.create(
                action="test.note", origin="test", credits=5, user=people[who], **people
            )


class TestRefunds:
    def refund(self, admin: User, charge_id: int, **fields: str) -> Any:
        form = {"amount": "", "reason": "Wrong", "key": str(uuid4()), "confirm": "1", **fields}
        return desk_of(admin).post(f"/admin/users/charges/{charge_id}/refund", form)

    def test_they_count_and_a_second_admin_makes_them(
        self, admin: User, second: User, alice: User
    ) -> None:
        charge = make_charge(alice, 50)
        give(admin, alice, 60)
        answer = self.refund(admin, charge.id)
        asked = Approval.objects.get()
        assert answer.url == f"/admin/users/{alice.pk}"
        assert (balance(alice), asked.credits, asked.kind) == (110, 50, "refund")
        assert f"#{charge.id}</a>" in desk_of(second).get(f"/admin/users/approvals/{asked.pk}").text
        assert say_yes(second).status_code == 302
        assert balance(alice) == 160
        row = UsageHistory.objects.get(refund_of=charge.id)
        entry = AuditEntry.objects.get(usage=row)
        assert (entry.actor, entry.approved_by, entry.credits) == (admin, second, 50)
        asked.refresh_from_db()
        assert asked.usage == row
        assert say_yes(second).status_code == 422
        assert balance(alice) == 160

    def test_what_came_back_meanwhile_does_not_come_twice(
        self, admin: User, second: User, alice: User
    ) -> None:
        charge = make_charge(alice, 50)
        give(admin, alice, 60)
        self.refund(admin, charge.id)
        self.refund(second, charge.id, amount="20")
        answer = say_yes(make_admin())
        assert answer.status_code == 422
        assert "At most 30 credits" in answer.text
        assert balance(alice) == 130


def subscribe(user: User, plan_id: str, *, is_free: bool = False, status: str = "active") -> None:
    """A subscription, as it is kept."""
    if not user.clerk_id:
        user.clerk_id = f"user_{user.pk}"
        user.save()
    SubscriptionItem.objects.create(
        item_id=f"item_{user.pk}_{plan_id}", payer_kind="user", payer_id=user.clerk_id,
        status=status, plan_id=plan_id, is_free=is_free,
    )  # fmt: skip


class TestPlans:
    def test_a_plan_of_900_000_000_waits_without_subscribers(
        self, admin: User, second: User
    ) -> None:
        body = {"clerkId": "cplan_max", "name": "Max", "credits": 900_000_000}
        answer = Api(admin).send("post", PLANS, body)
        asked = Approval.objects.get()
        assert (answer.status_code, answer.json()) == (202, {
            "requestId": asked.pk, "kind": "plan.add", "state": "pending", "moves": 900_000_000,
            "userId": None, "credits": None, "adjustment": None, "reason": "", "usageId": None,
        })  # fmt: skip
        assert answer.json().keys() == ApprovalOut().fields.keys()
        assert not Plan.objects.exists()
        again = Api(admin).send("post", PLANS, body)
        assert again.json()["requestId"] == asked.pk, "It is asked once."
        shown = desk_of(second).get(f"/admin/users/approvals/{asked.pk}").text
        assert "900,000,000" in shown and "cplan_max" in shown
        assert "New plan cplan_max" in desk_of(second).get("/admin/users/approvals").text
        assert say_yes(second).status_code == 302
        assert Plan.objects.get().credits == 900_000_000
        entry = AuditEntry.objects.get(action="plan.add")
        assert (entry.actor, entry.approved_by, entry.credits) == (admin, second, 900_000_000)

    def test_what_each_subscriber_gets_more_counts(self, admin: User) -> None:
        create_plan(actor=admin, clerk_id="cplan_pro", name="Pro", credits=10)
        for _ in range(3):
            subscribe(make_user(), "cplan_pro")
        update_plan(actor=admin, clerk_id="cplan_pro", changes={"credits": 40})
        assert moved_alone(admin) == 10 + 3 * 30
        with pytest.raises(ApprovalPending) as waits:
            update_plan(actor=admin, clerk_id="cplan_pro", changes={"credits": 41})
        assert waits.value.approval.credits == 3
        assert Plan.objects.get().credits == 40

    @pytest.mark.parametrize("changes", [{"credits": 5}, {"name": "Other"}, {"active": False}])
    def test_what_brings_nobody_more_is_one_admin_s(
        self, admin: User, changes: dict[str, Any]
    ) -> None:
        create_plan(actor=admin, clerk_id="cplan_pro", name="Pro", credits=LIMIT)
        update_plan(actor=admin, clerk_id="cplan_pro", changes=changes)
        assert moved_alone(admin) == LIMIT
        delete_plan(actor=admin, clerk_id="cplan_pro")

    def test_switching_a_plan_on_or_renaming_it_counts_whole(self, admin: User) -> None:
        Plan.objects.create(clerk_id="cplan_pro", name="Pro", credits=60, active=False)
        subscribe(make_user(), "cplan_pro")
        subscribe(make_user(), "cplan_pro")
        with pytest.raises(ApprovalPending):
            update_plan(actor=admin, clerk_id="cplan_pro", changes={"active": True})
        Plan.objects.create(clerk_id="cplan_old", name="Old", credits=60)
        Plan.objects.filter(clerk_id="cplan_pro").delete()
        with pytest.raises(ApprovalPending):
            update_plan(actor=admin, clerk_id="cplan_old", changes={"clerk_id": "cplan_pro"})

    def test_the_page_leads_to_the_request(self, client: Client, admin: User) -> None:
        client.force_login(admin)
        form = {"clerk_id": "cplan_max", "name": "Max", "credits": "900000", "active": "on"}
        answer = client.post("/admin/settings/plans/new", form, follow=True)
        asked = Approval.objects.get()
        assert answer.redirect_chain[0][0] == f"/admin/users/approvals/{asked.pk}"
        assert "Nothing has moved yet" in answer.text
        assert not Plan.objects.exists()

    def test_an_import_is_summed(self, admin: User, second: User) -> None:
        rows = [PlanRow(f"cplan_{n}", f"Plan {n}", 30, True, None) for n in range(4)]
        with pytest.raises(ApprovalPending) as waits:
            import_plans(actor=admin, rows=rows, reason="Imported")
        assert (waits.value.approval.credits, Plan.objects.count()) == (120, 0)
        shown = desk_of(second).get(f"/admin/users/approvals/{waits.value.approval.pk}").text
        assert all(row.clerk_id in shown for row in rows)
        assert say_yes(second).status_code == 302
        assert Plan.objects.count() == 4
        assert AuditEntry.objects.filter(action="plan.add", approved_by=second).count() == 4

    def test_an_import_by_its_page_waits_too(self, client: Client, admin: User) -> None:
        client.force_login(admin)
        answer = take(client, ticked(compare(client, [MAX])))
        assert "Nothing has moved yet" in answer.text
        assert not Plan.objects.exists()

    def test_an_undo_waits_too(self, client: Client, admin: User, second: User) -> None:
        Plan.objects.create(clerk_id="cplan_pro", name="Pro", credits=900_000_000)
        update_plan(actor=admin, clerk_id="cplan_pro", changes={"credits": 1})
        change = SettingsChange.objects.get()
        with pytest.raises(ApprovalPending):
            undo_change(actor=admin, change_id=change.pk)
        client.force_login(admin)
        answer = client.post(f"/admin/settings/history/{change.pk}/undo", follow=True)
        assert "Nothing has moved yet" in answer.text
        assert Plan.objects.get().credits == 1
        assert Approval.objects.count() == 1
        say_yes(second)
        assert Plan.objects.get().credits == 900_000_000

    @pytest.mark.parametrize("by", ["asker", "approver"])
    def test_nobody_raises_the_plan_they_pay_for(self, admin: User, second: User, by: str) -> None:
        Plan.objects.create(clerk_id="cplan_pro", name="Pro", credits=1)
        subscribe(admin if by == "asker" else second, "cplan_pro")
        answer = Api(admin).send("put", f"{PLANS}/cplan_pro", {"credits": 200})
        if by == "asker":
            assert_problem(answer, 403, "own_account")
            update_plan(actor=second, clerk_id="cplan_pro", changes={"credits": 2})
        else:
            assert say_yes(second).status_code == 422
            assert Plan.objects.get().credits == 1
            assert say_yes(make_admin()).status_code == 302
            assert Plan.objects.get().credits == 200

    @pytest.mark.parametrize("status", ["canceled", "past_due", "upcoming", "ended"])
    def test_a_plan_of_one_s_own_is_one_that_will_bring_credits(
        self, admin: User, second: User, status: str
    ) -> None:
        """Next month, with a payment, or for a period that waits for the plan to be known."""
        subscribe(admin, "cplan_pro", status=status)
        item = SubscriptionItem.objects.get()
        if status == "ended":
            Period.objects.create(item=item, plan_id="cplan_pro", start=1, earned=True)
        plan: dict[str, Any] = {"clerk_id": "cplan_pro", "name": "Pro", "credits": 9}
        with pytest.raises(OwnAccount):
            create_plan(actor=admin, **plan)
        create_plan(actor=second, **plan)

    def test_subscribers_whose_plan_begins_later_count(self, admin: User) -> None:
        Plan.objects.create(clerk_id="cplan_pro", name="Pro", credits=1)
        for status in ("active", "past_due", "upcoming", "ended"):
            subscribe(make_user(), "cplan_pro", status=status)
        update_plan(actor=admin, clerk_id="cplan_pro", changes={"credits": 11})
        assert moved_alone(admin) == 3 * 10

    def test_the_free_plan_is_everybody_s(self, admin: User) -> None:
        Plan.objects.create(clerk_id="cplan_free", name="Free", credits=1)
        subscribe(admin, "cplan_free", is_free=True)
        update_plan(actor=admin, clerk_id="cplan_free", changes={"credits": 2})
        assert Plan.objects.get().credits == 2

    def test_a_plan_that_changed_since_is_not_changed(self, admin: User, second: User) -> None:
        Plan.objects.create(clerk_id="cplan_pro", name="Pro", credits=1)
        with pytest.raises(ApprovalPending):
            update_plan(actor=admin, clerk_id="cplan_pro", changes={"credits": 900})
        update_plan(actor=second, clerk_id="cplan_pro", changes={"credits": 7})
        assert say_yes(second).status_code == 422
        assert (Plan.objects.get().credits, Approval.objects.get().state) == (7, "pending")

    def test_more_subscribers_than_were_asked_for_are_not_approved(
        self, admin: User, second: User
    ) -> None:
        Plan.objects.create(clerk_id="cplan_pro", name="Pro", credits=1)
        with pytest.raises(ApprovalPending):
            update_plan(actor=admin, clerk_id="cplan_pro", changes={"credits": 201})
        for _ in range(2):
            subscribe(make_user(), "cplan_pro")
        answer = say_yes(second)
        assert answer.status_code == 422
        assert "It would move 400 credits now, and 200 were asked for." in answer.text
        assert Plan.objects.get().credits == 1

    def test_a_command_that_names_no_admin_is_refused(self) -> None:
        with pytest.raises(Exception, match="Say which admin"):
            create_plan(actor=None, clerk_id="cplan_pro", name="Pro", credits=LIMIT + 1)
        assert not Approval.objects.exists()
        assert not Plan.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_plans_at_once_are_summed(self, admin: User) -> None:
        def attempt(number: int) -> Any:
            return create_plan(actor=admin, clerk_id=f"cplan_{number}", name="x", credits=60)

        answers = in_parallel(6, attempt, catch=ApprovalPending)
        assert count_of(answers, Plan) == 1


class TestSyncs:
    """Eleven subscribers, whose plan brings 5 credits."""

    @pytest.fixture
    def people(self, base: FakeClerk) -> list[User]:
        start = int(time.time() * 1000) - DAY
        names = [f"user_{n}" for n in range(1, 12)]
        Plan.objects.filter(clerk_id="cplan_pro").update(credits=5)
        base.users = [user_json(n, email=f"{n}@example.com", at=1) for n in names]
        base.items = [as_api(item_json(n, period_start=start)) for n in names]
        run()
        return [User.objects.get(clerk_id=name) for name in names]

    def sync(self, admin: User, **options: Any) -> Any:
        body = {"syncUsers": True, "setCredits": True, "reason": "r", **options}
        return Api(admin).send("post", "/api/admin/users/sync", body)

    def test_one_admin_alone_moves_nothing(self, people: list[User], admin: User) -> None:
        answer = self.sync(admin, overrideCredits=1_000_000_000)
        assert (answer.status_code, answer.json()["kind"]) == (202, "sync")
        assert answer.json()["moves"] == 11_000_000_000
        assert [balance(user) for user in people] == [5] * 11
        assert not SyncJob.objects.exclude(actor="test").exists()

    def test_a_second_admin_has_it_done_once_and_each_account_is_in_the_audit(
        self, people: list[User], admin: User, second: User
    ) -> None:
        make_charge(people[0], 2)
        self.sync(admin, overrideCredits=1000)
        assert say_yes(second).status_code == 302
        assert say_yes(second).status_code == 422
        job = SyncJob.objects.get(approval__isnull=False)
        run_sync(job.pk)
        job.refresh_from_db()
        assert (job.state, job.failed, job.started_by) == ("done", 0, admin)
        assert [balance(user) for user in people] == [1000] * 11
        entries = AuditEntry.objects.filter(action="plan_credits.set")
        assert {entry.user for entry in entries} == set(people)
        assert {(e.actor, e.approved_by) for e in entries} == {(admin, second)}
        of_first = entries.get(user=people[0])
        assert (of_first.before, of_first.after, of_first.credits) == (3, 1000, 997)
        assert all(str(job.pk) in entry.target for entry in entries)
        assert moved_alone(admin) == 0

    def test_small_ones_are_one_admin_s_and_count(self, people: list[User], admin: User) -> None:
        answer = self.sync(admin, overrideCredits=9)
        assert (answer.status_code, answer.json()["failed"]) == (200, 0)
        assert [balance(user) for user in people] == [9] * 11
        assert moved_alone(admin) == 11 * 4
        assert AuditEntry.objects.filter(action="plan_credits.set", actor=admin).count() == 11
        with pytest.raises(ApprovalPending):
            give(admin, make_user(), 57)

    def test_what_is_taken_away_counts(self, people: list[User], admin: User) -> None:
        for user in people:
            make_grant(user, 50, source="plan")  # type: ignore[arg-type]
        assert self.sync(admin, overrideCredits=0).json()["moves"] == 11 * 55

    def test_whom_it_finds_at_clerk_beyond_what_it_may_move_is_left_and_reported(
        self, base: FakeClerk, admin: User
    ) -> None:
        """Nobody is known here yet: what it moves cannot be known before."""
        answer = self.sync(admin, overrideCredits=1_000_000_000).json()
        assert (answer["creditsRefreshed"], answer["failed"]) == (0, 3)
        assert "more than the 100 credits" in answer["job"]["failures"][0]["error"]
        assert {balance(user) for user in User.objects.exclude(clerk_id=None)} == {0, 100}

    def test_while_it_runs_its_allowance_is_taken(
        self, people: list[User], admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("adminpanel.api.sync.AT_ONCE", 2)
        job_id = self.sync(admin, overrideCredits=9).json()["job"]["id"]
        with pytest.raises(ApprovalPending):
            give(admin, make_user(), 1)
        run_sync(job_id)
        give(admin, make_user(), LIMIT - 44)

    def test_an_admin_s_own_account_is_left_and_reported(
        self, people: list[User], admin: User
    ) -> None:
        people[3].is_staff = True
        people[3].save()
        answer = self.sync(people[3], overrideCredits=9).json()
        assert (answer["creditsRefreshed"], answer["failed"]) == (10, 1)
        assert answer["job"]["failures"][0]["who"] == "user_4"
        assert "your own account" in answer["job"]["failures"][0]["error"]
        assert balance(people[3]) == 5

    def test_the_page_s_run_waits_too(self, people: list[User], admin: User) -> None:
        desk = desk_of(admin)
        form = {
            "key": str(uuid4()), "syncUsers": "on", "setCredits": "on", "reason": "r",
            "overrideCredits": "1000000000", "pageSize": "500",
        }  # fmt: skip
        started = desk.post("/admin/sync", form)["Location"]
        preview = SyncJob.objects.get(pk=started.rpartition("/")[2])
        run_sync(preview.pk)
        for _ in range(2):
            answer = desk.post(f"/admin/sync/{preview.pk}/run", follow=True)
            assert "Nothing has moved yet" in answer.text
        assert Approval.objects.count() == 1
        assert {balance(user) for user in people} == {5}

    def test_a_request_for_more_people_than_were_asked_for_is_not_approved(
        self, people: list[User], admin: User, second: User
    ) -> None:
        self.sync(admin, overrideCredits=1000)
        subscribe(make_user(), "cplan_pro")
        answer = say_yes(second)
        assert answer.status_code == 422
        assert "12,000 credits now, and 11,000 were asked for" in answer.text

    def test_a_sync_at_work_is_waited_for(
        self, people: list[User], admin: User, second: User
    ) -> None:
        self.sync(admin, overrideCredits=1000)
        SyncJob.objects.create(actor="somebody")
        answer = say_yes(second)
        assert answer.status_code == 422
        assert "A sync is running." in answer.text
        assert Approval.objects.get().is_pending

    def test_a_command_asks_in_an_admin_s_name_or_is_refused(
        self, people: list[User], admin: User
    ) -> None:
        wanted = ["sync_clerk", "--set-credits", "--override-credits", "1000"]
        with pytest.raises(CommandError, match="--actor"):
            call_command(*wanted)
        with pytest.raises(CommandError, match="no admin"):
            call_command(*wanted, "--actor", "nobody@example.com")
        assert not Approval.objects.exists()
        with pytest.raises(CommandError, match="/admin/users/approvals/"):
            call_command(*wanted, "--actor", admin.email)
        assert Approval.objects.get().asked_by == admin
        assert {balance(user) for user in people} == {5}
        call_command("sync_clerk", "--set-credits", "--override-credits", "9")
        assert {balance(user) for user in people} == {9}
        assert moved_alone(None) == 11 * 4


def test_approving_at_once_does_it_once(admin: User, second: User) -> None:
    with pytest.raises(ApprovalPending) as waits:
        create_plan(actor=admin, clerk_id="cplan_pro", name="Pro", credits=900)
    approve(actor=second, request_id=waits.value.approval.pk)
    assert audit.movement.get() is None, "What comes after is another change."
    assert waits.value.approval.as_json["state"] == "pending"
    assert Plan.objects.count() == 1
