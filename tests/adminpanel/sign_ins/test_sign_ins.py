"""/admin/sign-ins: who signed in, and what changed of how they do."""

import csv
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from adminpanel.sign_ins import views
from credits.models import AuditEntry, AuthenticationEvent, User
from tests.adminpanel.settings.words import words

PAGE = "/admin/sign-ins"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@pytest.fixture
def desk(desk: Client) -> Client:
    """Without the events of its own sign-in."""
    AuthenticationEvent.objects.all().delete()
    return desk


def event(user: User | None, kind: str = "signed_in", **fields: Any) -> int:
    return AuthenticationEvent.objects.create(user=user, kind=kind, **fields).pk


def shown(answer: Any) -> list[int]:
    return [row.pk for row in answer.context["page"].rows]


def test_an_event_says_who_what_with_and_from_where(desk: Client, alice: User) -> None:
    event(alice, "wrong_code", address="192.0.2.7", device=FIREFOX)
    event(None, "wrong_password", address="192.0.2.8")
    text = words(desk.get(PAGE))
    assert "alice@example.com Wrong code Firefox on Linux 192.0.2.7" in text
    assert "no account Wrong password 192.0.2.8" in text
    assert "kept 90 days" in text


def test_what_a_program_says_of_itself_stays_text(desk: Client, alice: User) -> None:
    event(alice, device="<script>alert(1)</script>", address="<b>")
    page = desk.get(PAGE).text
    assert "<script>alert" not in page
    assert "<b></a>" not in page


def test_filters(desk: Client, alice: User, bob: User) -> None:
    hers = event(alice, address="192.0.2.7")
    wrong = event(alice, "wrong_password", address="192.0.2.8")
    his = event(bob, address="192.0.2.8")
    assert shown(desk.get(PAGE)) == [his, wrong, hers]
    assert shown(desk.get(PAGE, {"user": "alice@example.com"})) == [wrong, hers]
    assert shown(desk.get(PAGE, {"kind": "signed_in"})) == [his, hers]
    assert shown(desk.get(PAGE, {"address": "192.0.2.8", "user": f"{bob.pk}"})) == [his]
    assert "Nothing like this happened" in words(desk.get(PAGE, {"to": "2020-01-01"}))


@pytest.mark.parametrize("query", [{"kind": "x"}, {"user": "nobody@example.com"}, {"from": "x"}])
def test_a_wrong_filter_is_said(desk: Client, query: dict[str, str]) -> None:
    assert desk.get(PAGE, query).status_code == 400
    assert desk.get(f"{PAGE}.csv", query).status_code == 400


def test_pages_go_down_and_up_again(
    desk: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE", 2)
    ids = [event(alice) for _ in range(5)][::-1]
    first = desk.get(PAGE)
    second = desk.get(f"{PAGE}?before={first.context['page'].older}")
    assert [shown(first), shown(second)] == [ids[:2], ids[2:4]]
    assert shown(desk.get(f"{PAGE}?after={second.context['page'].newer}")) == ids[:2]


def test_a_page_needs_no_query_for_each_event(
    desk: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        event(alice)
    with django_assert_max_num_queries(10):
        desk.get(PAGE)


def test_the_file_holds_what_the_filters_let_through(desk: Client, alice: User, bob: User) -> None:
    event(bob)
    hers = event(alice, "signed_out", address="192.0.2.7", device="=cmd()")
    answer = desk.get(f"{PAGE}.csv", {"user": alice.pk})
    rows = list(csv.DictReader(StringIO(answer.getvalue().decode())))
    assert [(row["Event"], row["What"], row["Device"]) for row in rows] == [
        (str(hers), "signed_out", "'=cmd()")
    ]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.user_id) == ("sign_ins.export", alice.pk)


def test_a_persons_page_shows_the_latest(desk: Client, alice: User) -> None:
    event(alice, "password_changed", address="192.0.2.7", device=FIREFOX)
    text = words(desk.get(f"/admin/users/{alice.pk}"))
    assert "Password changed" in text
    assert "Firefox on Linux · 192.0.2.7" in text
    assert "No second factor here" in text
