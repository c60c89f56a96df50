"""/admin/users/charges/{id}/refund: what a charge took comes back, whole or in part, once."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from adminpanel.users import refunds
from credits.exceptions import RefundTooLarge
from credits.ledger import Charge, Refund, get_balance, settle_charge
from credits.models import AuditEntry, UsageHistory, User
from tests.factories import make_charge, set_price
from tests.parallel import count_of, in_parallel

KEY = "6d1f9b0e-8f0c-4b7c-9c52-0d5b7f1f1a11"


def post(desk: Client, charge: Charge, *, confirm: bool = True, **fields: Any) -> Any:
    form = {"amount": "", "reason": "It was wrong", "key": KEY, **fields}
    if confirm:
        form["confirm"] = "1"
    return desk.post(f"/admin/users/charges/{charge.id}/refund", form)


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def returned() -> list[int]:
    return [-row.credits_used for row in UsageHistory.objects.filter(refund_of__isnull=False)]


@pytest.mark.parametrize(("amount", "back"), [("", 7), ("7", 7), ("3", 3), ("1", 1)])
def test_a_preview_says_exactly_what_the_confirmation_does(
    desk: Client, admin: User, alice: User, amount: str, back: int
) -> None:
    charge = make_charge(alice, 7)
    shown = post(desk, charge, amount=amount, confirm=False)
    preview = shown.context["preview"]
    assert (preview.before, preview.after) == (93, 93 + back)
    assert shown.context["left_after"] == 7 - back
    assert returned() == []
    done = post(desk, charge, amount=amount)
    row = UsageHistory.objects.get(refund_of=charge.id)
    assert done.url == f"/admin/users/{alice.pk}?row={row.pk}#row-{row.pk}"
    assert (returned(), balance(alice)) == ([back], 93 + back)
    assert row.details == {"refund": True, "reason": "It was wrong", "actor": str(admin)}
    entry = AuditEntry.objects.get(action="charge.refund")
    assert (entry.actor, entry.user, entry.target) == (admin, alice, f"row {charge.id}")
    assert entry.after == {"refund": row.pk, "credits": back}


def test_the_page_shows_the_charge_and_what_came_back(desk: Client, alice: User) -> None:
    charge = make_charge(alice, 7)
    post(desk, charge, amount="2")
    shown = desk.get(f"/admin/users/charges/{charge.id}/refund")
    charge_shown = shown.context["charge"]
    assert (charge_shown.refunded, charge_shown.left) == (2, 5)
    assert shown.context["form"]["amount"].value() == 5
    assert "7 messages" in shown.text


def test_todays_price_plays_no_part(desk: Client, alice: User) -> None:
    charge = make_charge(alice, 2)
    set_price("ai_text_chat", 9)
    post(desk, charge)
    assert returned() == [2]


def test_parts_come_back_until_nothing_is_left(desk: Client, alice: User) -> None:
    charge = make_charge(alice, 7)
    for amount in ("4", "3"):
        assert post(desk, charge, amount=amount, key=str(uuid4())).status_code == 302
    answer = post(desk, charge, amount="1", key=str(uuid4()))
    assert answer.status_code == 422
    assert "All of this charge has been returned" in answer.text
    assert sum(returned()) == 7


@pytest.mark.parametrize("confirm", [True, False])
def test_no_more_comes_back_than_it_took(desk: Client, alice: User, confirm: bool) -> None:
    charge = make_charge(alice, 7)
    answer = post(desk, charge, amount="8", confirm=confirm)
    assert answer.status_code == 422
    assert "At most 7 credits of this charge can still be returned." in answer.text
    assert returned() == []


@pytest.mark.parametrize("confirm", [True, False])
def test_a_charge_in_flight_cannot_come_back_past_its_hold(
    desk: Client, alice: User, confirm: bool
) -> None:
    charge = make_charge(alice, 7, hold=True)
    answer = post(desk, charge, confirm=confirm)
    assert answer.status_code == 422
    assert "still going on" in answer.text
    assert returned() == []
    settle_charge(charge_id=charge.id)
    assert post(desk, charge).status_code == 302


@pytest.mark.parametrize("amount", ["0", "-1", "1.5", "x", "1e1", "٣", "9" * 30])
def test_what_is_no_amount_is_said_beside_the_field(desk: Client, alice: User, amount: str) -> None:
    answer = post(desk, make_charge(alice, 7), amount=amount)
    assert answer.status_code == 422
    assert answer.context["form"].errors["amount"]
    assert returned() == []


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\nb"])
def test_a_reason_is_mandatory(desk: Client, alice: User, reason: str) -> None:
    answer = post(desk, make_charge(alice, 7), reason=reason)
    assert answer.status_code == 422
    assert answer.context["form"].errors["reason"]


def test_what_is_no_charge_is_not_there(desk: Client, alice: User) -> None:
    grant = UsageHistory.objects.get(user=alice)
    charge = make_charge(alice, 7)
    post(desk, charge)
    refund = UsageHistory.objects.get(refund_of=charge.id)
    for number in (grant.pk, refund.pk, 0, 10**9, "9" * 30):
        assert desk.get(f"/admin/users/charges/{number}/refund").status_code == 404


def test_a_charge_that_took_nothing_returns_nothing(desk: Client, alice: User) -> None:
    set_price("ai_text_chat", 0)
    charge = make_charge(alice)
    assert "took nothing" in desk.get(f"/admin/users/charges/{charge.id}/refund").text
    assert post(desk, charge).status_code == 422


def test_a_second_click_returns_it_once(desk: Client, alice: User) -> None:
    charge = make_charge(alice, 7)
    assert post(desk, charge, amount="2").url == post(desk, charge, amount="2").url
    assert returned() == [2]
    assert AuditEntry.objects.filter(action="charge.refund").count() == 1


def test_a_form_used_for_something_else_does_nothing(desk: Client, alice: User) -> None:
    charge = make_charge(alice, 7)
    post(desk, charge, amount="2")
    answer = post(desk, charge, amount="3")
    assert answer.status_code == 422
    assert "This form was used before" in answer.text
    assert returned() == [2]


def test_a_user_finds_nothing_there(client: Client, alice: User) -> None:
    charge = make_charge(alice, 7)
    client.force_login(alice)
    assert post(client, charge).status_code == 404
    assert returned() == []


@pytest.mark.django_db(transaction=True)
def test_twenty_confirmations_at_once_are_one(admin: User, alice: User) -> None:
    charge = make_charge(alice, 7)

    def confirm(_: int) -> object:
        browser = Client()
        browser.force_login(admin)
        return post(browser, charge, amount="2").status_code

    assert in_parallel(20, confirm) == [302] * 20
    assert returned() == [2]
    assert AuditEntry.objects.filter(action="charge.refund").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_once_return_it_once(admin: User, second: User, alice: User) -> None:
    charge = make_charge(alice, 7)

    def give_back(number: int) -> Any:
        return refunds.refund(
            actor=(admin, second)[number % 2], user_id=alice.pk, charge_id=charge.id, amount=7,
            reason="x", key=str(uuid4()),
        )  # fmt: skip

    answers = in_parallel(8, give_back, catch=RefundTooLarge)
    assert count_of(answers, Refund) == 1
    assert balance(alice) == 100
    assert AuditEntry.objects.filter(action="charge.refund").count() == 1
