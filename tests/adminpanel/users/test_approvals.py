"""Large adjustments take two admins: on the pages, in the API, and in the database itself."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from credits.adjustments import Adjustment
from credits.approvals import AlreadyDecided, approve
from credits.ledger import get_balance
from credits.models import Approval, AuditEntry, UsageHistory, User
from credits.users.closing import close
from tests.api import Api
from tests.factories import make_adjustment_request, make_admin, make_charge
from tests.ledger import sql
from tests.parallel import count_of, in_parallel

KEY = "6d1f9b0e-8f0c-4b7c-9c52-0d5b7f1f1a11"


@pytest.fixture(autouse=True)
def limit(settings: Settings) -> None:
    settings.ADJUSTMENT_APPROVAL_CREDITS = 50


def ask(desk: Client, user: User, **fields: Any) -> Any:
    form = {"mode": "add", "amount": "51", "reason": "A prize", "key": KEY, "confirm": "1"}
    return desk.post(f"/admin/users/{user.pk}/adjust", {**form, **fields})


def decide(desk: Client, asked: Approval, decision: str = "approve", **fields: Any) -> Any:
    return desk.post(f"/admin/users/approvals/{asked.pk}", {"decision": decision, **fields})


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


@pytest.mark.parametrize(
    ("mode", "amount", "waits"),
    [("add", "50", False), ("add", "51", True), ("take", "50", False), ("take", "51", True),
     ("set", "150", False), ("set", "151", True), ("set", "50", False), ("set", "49", True)],
)  # fmt: skip
def test_above_the_limit_nothing_moves_until_a_second_admin_says_so(
    desk: Client, alice: User, mode: str, amount: str, waits: bool
) -> None:
    assert ask(desk, alice, mode=mode, amount=amount).status_code == 302
    assert Approval.objects.exists() == waits
    assert (balance(alice) == 100) == waits


def test_the_preview_says_that_it_takes_two(desk: Client, alice: User) -> None:
    form = {"mode": "add", "amount": "51", "reason": "A prize", "key": KEY}
    shown = desk.post(f"/admin/users/{alice.pk}/adjust", form)
    assert "Ask a second admin" in shown.text


def test_a_second_admin_approves_and_it_happens(
    desk: Client, other_desk: Client, admin: User, second: User, alice: User
) -> None:
    ask(desk, alice)
    asked = Approval.objects.get()
    page = other_desk.get(f"/admin/users/approvals/{asked.pk}")
    assert page.context["preview"].after == 151
    assert decide(other_desk, asked).status_code == 302
    row = UsageHistory.objects.get(operation_type="ADJUSTMENT")
    assert (row.credits_used, row.balance_after) == (-51, 151)
    assert row.details == {
        "reason": "A prize", "actor": str(admin), "approvedBy": str(second), "request": asked.pk,
    }  # fmt: skip
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by, asked.usage) == ("approved", second, row)
    entries = AuditEntry.objects.filter(action__startswith="adjustment.").order_by("id")
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("adjustment.ask", admin), ("adjustment.make", admin), ("adjustment.approve", second),
    ]  # fmt: skip


def test_who_asked_cannot_approve(desk: Client, alice: User) -> None:
    ask(desk, alice)
    asked = Approval.objects.get()
    assert 'value="approve"' not in desk.get(f"/admin/users/approvals/{asked.pk}").text
    answer = decide(desk, asked)
    assert answer.status_code == 422
    assert "You asked for this yourself." in answer.text
    assert balance(alice) == 100


def test_who_asked_may_take_it_back(desk: Client, admin: User, alice: User) -> None:
    ask(desk, alice)
    asked = Approval.objects.get()
    assert decide(desk, asked, "decline").status_code == 302
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == ("declined", admin)
    assert AuditEntry.objects.filter(action="adjustment.decline").count() == 1


@pytest.mark.parametrize("again", ["approve", "decline"])
@pytest.mark.parametrize("first", ["approve", "decline"])
def test_a_decision_is_final(
    desk: Client, other_desk: Client, alice: User, first: str, again: str
) -> None:
    ask(desk, alice)
    asked = Approval.objects.get()
    decide(other_desk, asked, first)
    after = balance(alice)
    answer = decide(other_desk, asked, again)
    assert answer.status_code == 422
    assert "already" in answer.text
    assert balance(alice) == after == (151 if first == "approve" else 100)


@pytest.mark.parametrize("change", ["demoted", "banned", "closed"])
def test_what_somebody_asked_for_who_is_no_admin_any_more(
    desk: Client, other_desk: Client, admin: User, alice: User, change: str
) -> None:
    ask(desk, alice)
    if change == "closed":
        close(admin)
    elif change == "banned":
        User.objects.filter(pk=admin.pk).update(is_active=False)
    else:
        User.objects.filter(pk=admin.pk).update(is_staff=False)
    asked = Approval.objects.get()
    answer = decide(other_desk, asked)
    assert (answer.status_code, balance(alice)) == (422, 100)
    assert "is no admin any more" in answer.text
    assert decide(other_desk, asked, "decline").status_code == 302


def test_a_balance_is_not_set_from_one_that_nobody_saw(
    desk: Client, other_desk: Client, alice: User
) -> None:
    """Even when the second admin does not say what they were shown."""
    ask(desk, alice, mode="set", amount="900")
    make_charge(alice, 10)
    assert "it is 90 now" in decide(other_desk, Approval.objects.get()).text
    assert balance(alice) == 90


def test_what_cannot_be_taken_any_more_stays_pending(
    desk: Client, other_desk: Client, alice: User
) -> None:
    ask(desk, alice, mode="take", amount="100")
    make_charge(alice, 10)
    asked = Approval.objects.get()
    answer = decide(other_desk, asked)
    assert answer.status_code == 422
    assert "At most 90 credits can be taken away." in answer.text
    asked.refresh_from_db()
    assert asked.is_pending


def test_setting_a_balance_that_moved_is_shown_anew(
    desk: Client, other_desk: Client, alice: User
) -> None:
    ask(desk, alice, mode="set", amount="200")
    asked = Approval.objects.get()
    make_charge(alice, 10)
    assert "it is 90 now" in decide(other_desk, asked, seen="100").text
    assert decide(other_desk, asked, seen="90").status_code == 302
    assert balance(alice) == 200


@pytest.mark.parametrize(
    "fields", [{}, {"decision": "maybe"}, {"decision": "approve", "seen": "x"}]
)
def test_no_decision_is_said_so(other_desk: Client, alice: User, fields: dict[str, Any]) -> None:
    asked = make_adjustment_request(alice, delta=60)
    answer = other_desk.post(f"/admin/users/approvals/{asked.pk}", fields)
    assert answer.status_code == 422
    assert balance(alice) == 100


@pytest.mark.parametrize("number", ["0", "999999", "9" * 30])
def test_a_request_that_is_none_is_not_there(desk: Client, number: str) -> None:
    assert desk.get(f"/admin/users/approvals/{number}").status_code == 404
    assert desk.post(f"/admin/users/approvals/{number}").status_code == 404


def test_the_list_has_what_waits_and_what_was_decided(
    desk: Client, other_desk: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adminpanel.users.approval_views.PAGE", 2)
    for _ in range(3):
        decide(other_desk, make_adjustment_request(alice, delta=60), "decline")
    waiting = make_adjustment_request(alice, delta=70)
    page = desk.get("/admin/users/approvals")
    assert [one.pk for one in page.context["pending"]] == [waiting.pk]
    assert len(page.context["decided"]) == 2
    older = desk.get("/admin/users/approvals", {"before": page.context["older"]})
    assert len(older.context["decided"]) == 1
    assert desk.get("/admin/users/approvals", {"before": "x"}).status_code == 400


def test_an_empty_list_says_what_comes_here(desk: Client) -> None:
    assert "Nothing waits" in desk.get("/admin/users/approvals").text


@pytest.mark.django_db(transaction=True)
def test_approvals_at_once_apply_once(alice: User) -> None:
    asked = make_adjustment_request(alice, delta=60)
    admins = [make_admin() for _ in range(8)]

    def say_yes(number: int) -> Any:
        return approve(actor=admins[number], request_id=asked.pk)

    answers = in_parallel(8, say_yes, catch=AlreadyDecided)
    assert count_of(answers, Adjustment) == 1
    assert count_of(answers, AlreadyDecided) == 7
    assert balance(alice) == 160
    assert AuditEntry.objects.filter(action="adjustment.approve").count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_of_one_admin_apply_once(second: User, alice: User) -> None:
    asked = make_adjustment_request(alice, delta=60)

    def click(_: int) -> object:
        browser = Client()
        browser.force_login(second)
        return decide(browser, asked).status_code

    answers = in_parallel(20, click)
    assert answers.count(302) == 1
    assert answers.count(422) == 19
    assert balance(alice) == 160


class TestTheDatabaseItself:
    @pytest.fixture
    def asked(self, alice: User, admin: User) -> Approval:
        return make_adjustment_request(alice, delta=60, asked_by=admin)

    def change(self, asked: Approval, **fields: Any) -> None:
        with transaction.atomic():
            Approval.objects.filter(pk=asked.pk).update(**fields)

    def test_refuses_an_approval_by_who_asked(
        self, asked: Approval, admin: User, alice: User
    ) -> None:
        row = UsageHistory.objects.filter(user=alice).first()
        with pytest.raises(IntegrityError, match="approval_needs_two_admins"):
            self.change(
                asked, state="approved", decided_by=admin, decided_at=timezone.now(), usage=row
            )

    def test_refuses_an_approval_without_its_row(self, asked: Approval, second: User) -> None:
        with pytest.raises(IntegrityError, match="approval_decision_whole"):
            self.change(asked, state="approved", decided_by=second, decided_at=timezone.now())

    def test_refuses_a_state_there_is_not(self, asked: Approval, second: User) -> None:
        with pytest.raises(IntegrityError, match="approval_decision_whole"):
            self.change(asked, state="maybe")

    @pytest.mark.parametrize("fields", [{"delta": 9000}, {"reason": "x"}, {"balance_then": 7}])
    def test_refuses_to_change_what_was_asked(
        self, asked: Approval, fields: dict[str, Any]
    ) -> None:
        with pytest.raises(IntegrityError, match="stays as asked"):
            self.change(asked, **fields)

    def test_refuses_another_asker(self, asked: Approval, second: User) -> None:
        with pytest.raises(IntegrityError, match="stays as asked"):
            self.change(asked, asked_by=second)

    def test_refuses_to_undo_a_decision(self, asked: Approval, second: User) -> None:
        self.change(asked, state="declined", decided_by=second, decided_at=timezone.now())
        with pytest.raises(IntegrityError, match="a decision is final"):
            self.change(asked, state="pending", decided_by=None, decided_at=None)

    def test_refuses_to_forget(self, asked: Approval) -> None:
        with pytest.raises(IntegrityError, match="decided, not deleted"), transaction.atomic():
            sql("DELETE FROM credits_approval")
        # PostgreSQL truncates nothing while a foreign key is still to be checked.
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="decided, not deleted"), transaction.atomic():
            sql("TRUNCATE credits_approval CASCADE")

    @pytest.mark.parametrize("what", [{}, {"delta": 0}, {"delta": 1, "target": 1}, {"target": -1}])
    def test_refuses_a_request_for_nothing(
        self, alice: User, admin: User, what: dict[str, Any]
    ) -> None:
        with pytest.raises(IntegrityError, match="adjustment_delta"), transaction.atomic():
            make_adjustment_request(alice, asked_by=admin, **what)


class TestTheApi:
    @pytest.fixture(params=["/api/admin/users/{}/credits", "/api/admin/credits/{}"])
    def path(self, request: pytest.FixtureRequest, alice: User) -> Any:
        return request.param.format(alice.pk)

    def put(self, user: User, path: Any, body: Any, key: str = "k") -> Any:
        return Api(user).send("put", path, body, headers={"Idempotency-Key": key})

    def test_a_large_one_is_202_and_moves_nothing(
        self, path: str, admin: User, alice: User
    ) -> None:
        answer = self.put(admin, path, {"adjustment": 51, "reason": "A prize"})
        asked = Approval.objects.get()
        assert answer.status_code == 202
        assert answer.json() == {
            "requestId": asked.pk, "kind": "adjustment", "state": "pending", "moves": 51,
            "userId": alice.pk, "credits": None,
            "adjustment": 51, "reason": "A prize", "usageId": None,
        }  # fmt: skip
        assert balance(alice) == 100

    def test_asking_again_says_how_it_went(
        self, path: str, admin: User, other_desk: Client, alice: User
    ) -> None:
        body = {"credits": 200, "reason": "A prize"}
        self.put(admin, path, body)
        decide(other_desk, Approval.objects.get())
        answer = self.put(admin, path, body)
        assert (answer.status_code, answer.json()["state"]) == (202, "approved")
        assert balance(alice) == 200
        other = self.put(admin, path, {"credits": 201, "reason": "A prize"})
        assert (other.status_code, other.json()["error"]) == (422, "idempotency_conflict")

    def test_a_small_one_with_a_key_that_was_used_stays_what_it_was(
        self, path: str, admin: User, alice: User
    ) -> None:
        body = {"credits": 120, "reason": "A prize"}
        first = self.put(admin, path, body)
        make_charge(alice, 110)
        # Made anew it would be 110 credits, and take two admins; it is the first one's answer.
        again = self.put(admin, path, body)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json()["usageId"] == first.json()["usageId"]
        assert not Approval.objects.exists()

    def test_more_than_there_is_is_402_at_any_size(self, path: str, admin: User) -> None:
        answer = self.put(admin, path, {"adjustment": -101, "reason": "x"})
        assert answer.status_code == 402
        assert not Approval.objects.exists()
