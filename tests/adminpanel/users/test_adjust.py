"""/admin/users/{id}/adjust: a form, a preview, a confirmation that does it once."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import QuerySet
from django.test import Client

from adminpanel.users.adjustments import adjust
from credits.adjustments import Adjustment
from credits.exceptions import InsufficientCredits
from credits.ledger import get_balance
from credits.models import Approval, AuditEntry, UsageHistory, User
from tests.factories import make_charge
from tests.parallel import count_of, in_parallel

KEY = "6d1f9b0e-8f0c-4b7c-9c52-0d5b7f1f1a11"
HTMX = {"HX-Request": "true"}


def post(
    desk: Client,
    user: User,
    *,
    confirm: bool = True,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Any:
    form = {"mode": "add", "amount": "5", "reason": "A gift", "key": KEY, **fields}
    if confirm:
        form["confirm"] = "1"
    return desk.post(f"/admin/users/{user.pk}/adjust", form, headers=headers)


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def adjustments() -> QuerySet[UsageHistory]:
    return UsageHistory.objects.filter(operation_type="ADJUSTMENT")


@pytest.mark.parametrize(
    ("mode", "amount", "after", "signed"),
    [("add", "25", 125, "+25"), ("take", "25", 75, "−25"), ("take", "100", 0, "−100"),
     ("set", "40", 40, "−60"), ("set", "140", 140, "+40"), ("set", "0", 0, "−100")],
)  # fmt: skip
def test_a_preview_says_exactly_what_the_confirmation_does(
    desk: Client, admin: User, alice: User, mode: str, amount: str, after: int, signed: str
) -> None:
    shown = post(desk, alice, mode=mode, amount=amount, confirm=False)
    preview = shown.context["preview"]
    assert (preview.before, preview.after, preview.signed) == (100, after, signed)
    assert balance(alice) == 100, "Looking moves nothing."
    done = post(desk, alice, mode=mode, amount=amount, seen=preview.before)
    assert done.status_code == 302
    assert done.url == f"/admin/users/{alice.pk}"
    row = adjustments().get()
    assert (row.credits_used, row.balance_after) == (100 - after, after)
    assert row.details == {"reason": "A gift", "actor": str(admin)}


def test_it_is_written_down_with_it(desk: Client, admin: User, alice: User) -> None:
    post(desk, alice)
    entry = AuditEntry.objects.get(action="adjustment.make")
    assert (entry.actor, entry.user, entry.before, entry.after) == (admin, alice, 100, 105)
    assert (entry.reason, entry.target) == ("A gift", f"row {adjustments().get().pk}")


def test_who_had_no_balance_gets_one(desk: Client, carol: User) -> None:
    post(desk, carol)
    assert balance(carol) == 5


@pytest.mark.parametrize(
    "amount", ["", "0", "-5", "1.5", "1e3", "x", "1 000", "1,000", "１２", "٣", "9" * 30,
               "1000000001", "0x10", "+5", "NaN"],
)  # fmt: skip
def test_what_is_no_amount_is_said_beside_the_field(desk: Client, alice: User, amount: str) -> None:
    answer = post(desk, alice, amount=amount)
    assert answer.status_code == 422
    assert answer.context["form"].errors["amount"]
    assert 'aria-invalid="true"' in answer.text
    assert balance(alice) == 100


@pytest.mark.parametrize(
    "hidden", [{"key": "zz"}, {"key": ""}, {"seen": "x"}, {"seen": "9" * 5000}]
)
def test_a_page_without_its_hidden_parts_says_so_and_can_be_sent_again(
    desk: Client, alice: User, hidden: dict[str, Any]
) -> None:
    answer = post(desk, alice, **hidden)
    assert answer.status_code == 422
    assert "send it once more" in answer.text
    [key] = re.findall(r'name="key" value="([^"]+)"', answer.text)
    assert balance(alice) == 100
    assert post(desk, alice, key=key).status_code == 302
    assert balance(alice) == 105


@pytest.mark.parametrize(
    "reason", ["", "   ", "x" * 501, "two\nlines", "nul\0", "\t", "a\u2028b", "\u202egnorw"]
)
def test_a_reason_is_mandatory(desk: Client, alice: User, reason: str) -> None:
    answer = post(desk, alice, reason=reason)
    assert answer.status_code == 422
    assert answer.context["form"].errors["reason"]
    assert not adjustments().exists()


@pytest.mark.parametrize("fields", [{"mode": "steal"}, {"mode": ""}, {"key": "k"}, {"key": ""}])
def test_a_form_that_is_none_of_ours_moves_nothing(
    desk: Client, alice: User, fields: dict[str, Any]
) -> None:
    assert post(desk, alice, **fields).status_code == 422
    assert balance(alice) == 100


@pytest.mark.parametrize("confirm", [True, False])
def test_no_more_is_taken_than_there_is_and_what_is_possible_is_said(
    desk: Client, alice: User, confirm: bool
) -> None:
    make_charge(alice, 30, hold=True)
    answer = post(desk, alice, mode="take", amount="71", confirm=confirm)
    assert answer.status_code == 422
    assert "At most 70 credits can be taken away. 30 credits more are held" in answer.text
    assert balance(alice) == 70


@pytest.mark.parametrize("mode", ["add", "take"])
def test_nothing_is_no_change(desk: Client, alice: User, mode: str) -> None:
    assert "nothing to change" in post(desk, alice, mode=mode, amount="0", confirm=False).text


def test_a_balance_that_is_there_already_is_no_change(desk: Client, alice: User) -> None:
    answer = post(desk, alice, mode="set", amount="100", confirm=False)
    assert "The balance is 100 already." in answer.text


def test_a_second_click_does_it_once(desk: Client, alice: User) -> None:
    assert post(desk, alice).url == post(desk, alice).url
    assert balance(alice) == 105
    assert AuditEntry.objects.filter(action="adjustment.make").count() == 1


def test_a_second_click_on_setting_is_no_surprise(desk: Client, alice: User) -> None:
    first = post(desk, alice, mode="set", amount="40", seen="100")
    second = post(desk, alice, mode="set", amount="40", seen="100")
    assert (first.status_code, second.status_code) == (302, 302)
    assert adjustments().count() == 1


def test_setting_a_balance_that_moved_meanwhile_is_shown_anew(desk: Client, alice: User) -> None:
    make_charge(alice, 10)
    answer = post(desk, alice, mode="set", amount="40", seen="100")
    assert answer.status_code == 422
    assert "it is 90 now" in answer.text
    assert answer.context["preview"].signed == "−50"
    assert not adjustments().exists()


def test_adding_to_a_balance_that_moved_meanwhile_adds(desk: Client, alice: User) -> None:
    make_charge(alice, 10)
    assert post(desk, alice, amount="5", seen="100").status_code == 302
    assert balance(alice) == 95


def test_a_form_used_for_something_else_does_nothing_and_gets_a_new_key(
    desk: Client, alice: User
) -> None:
    post(desk, alice, amount="5")
    answer = post(desk, alice, amount="6")
    assert answer.status_code == 422
    assert "This form was used before" in answer.text
    assert balance(alice) == 105
    fresh = answer.context["form"].cleaned_data["key"]
    assert fresh != KEY
    assert post(desk, alice, amount="6", key=fresh).status_code == 302
    assert balance(alice) == 111


def test_each_form_has_a_key_of_its_own(desk: Client, alice: User) -> None:
    path = f"/admin/users/{alice.pk}/adjust"
    keys = {desk.get(path).context["form"]["key"].value() for _ in range(3)}
    assert len(keys) == 3


def test_one_admins_key_is_not_anothers(desk: Client, other_desk: Client, alice: User) -> None:
    post(desk, alice)
    post(other_desk, alice)
    assert balance(alice) == 110


def test_htmx_gets_the_form_alone(desk: Client, alice: User) -> None:
    answer = post(desk, alice, confirm=False, headers=HTMX)
    assert "<html" not in answer.text
    assert 'id="preview"' in answer.text


def test_a_reason_is_shown_as_text(desk: Client, alice: User) -> None:
    answer = post(desk, alice, reason="<script>alert(1)</script>", confirm=False)
    assert "<script>alert" not in answer.text
    post(desk, alice, reason="<script>alert(1)</script>")
    assert "<script>alert" not in desk.get(f"/admin/users/{alice.pk}").text


def test_without_the_csrf_token_nothing_moves(admin: User, alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    assert post(browser, alice).status_code == 403
    assert balance(alice) == 100


def test_a_user_finds_nothing_there(client: Client, alice: User, bob: User) -> None:
    client.force_login(bob)
    assert post(client, alice).status_code == 404
    assert balance(alice) == 100


@pytest.mark.django_db(transaction=True)
def test_twenty_confirmations_at_once_are_one(admin: User, alice: User) -> None:
    def confirm(_: int) -> object:
        browser = Client()
        browser.force_login(admin)
        return post(browser, alice).status_code

    assert in_parallel(20, confirm) == [302] * 20
    assert balance(alice) == 105
    assert AuditEntry.objects.filter(action="adjustment.make").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_once_take_no_more_than_there_is(
    admin: User, second: User, alice: User
) -> None:
    admins = [admin, second] * 4

    def take(number: int) -> Any:
        return adjust(
            actor=admins[number], user_id=alice.pk, delta=-40, reason="x",
            key=str(uuid4()),
        )  # fmt: skip

    answers = in_parallel(8, take, catch=InsufficientCredits)
    assert count_of(answers, Adjustment) == 2
    assert balance(alice) == 20
    assert AuditEntry.objects.filter(action="adjustment.make").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_large_one_confirmed_twenty_times_at_once_is_asked_once(admin: User, alice: User) -> None:
    def confirm(_: int) -> object:
        browser = Client()
        browser.force_login(admin)
        return post(browser, alice, amount="100001").status_code

    assert in_parallel(20, confirm) == [302] * 20
    assert Approval.objects.count() == 1
    assert AuditEntry.objects.filter(action="adjustment.ask").count() == 1
    assert balance(alice) == 100
