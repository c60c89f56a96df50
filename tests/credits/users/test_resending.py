"""Forms that come signed out, or with the token of an earlier session: nothing typed is lost."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from credits.models import User
from tests.credits.users.conftest import Browser
from tests.factories import PASSWORD

ORIGIN = {"Origin": "http://testserver"}
MESSAGE = {"message": "Two\r\nlines", "key": "abc", "as": "1"}


def fields_of(page: str) -> dict[str, str]:
    """What the kept form sends, as it stands."""
    inputs = re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page)
    areas = re.findall(r'<textarea[^>]*name="([\w-]+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    return {name: html.unescape(value) for name, value in [*inputs, *areas]}


def test_a_form_of_somebody_signed_out_is_kept_with_a_way_to_sign_in(client: Client) -> None:
    answer = client.post("/ai-chat", MESSAGE)
    assert answer.status_code == 401
    assert fields_of(answer.text) == {"csrfmiddlewaretoken": "", **MESSAGE} | {
        "csrfmiddlewaretoken": fields_of(answer.text)["csrfmiddlewaretoken"]
    }
    assert '<a href="/sign-in" target="_blank">' in answer.text
    assert 'action="/ai-chat"' in answer.text


@pytest.mark.parametrize("headers", [{"Accept": "text/event-stream"}, {"HX-Request": "true"}])
def test_a_script_gets_the_status_and_where_to_sign_in(
    client: Client, headers: dict[str, str]
) -> None:
    answer = client.post("/ai-chat", MESSAGE, headers=headers)
    assert (answer.status_code, answer["Tally-Ask"], answer.content) == (401, "/sign-in", b"")


def test_a_form_of_its_button_alone_leads_to_sign_in(client: Client) -> None:
    assert client.post("/ai-chat")["Location"] == "/sign-in?next=/ai-chat"


def test_what_a_page_asks_for_by_itself_takes_nobody_away(client: Client) -> None:
    for path in ("/ai-chat/offer", "/images/offer"):
        answer = client.get(path, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.content) == (401, b"")
        assert "HX-Redirect" not in answer


def test_a_stale_token_keeps_the_form_of_this_site_only(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    name = {"name": "Anna & <b>", "email": "a@example.com", "password": "hunter2 hunter2"}
    kept = browser.post("/account", name, headers=ORIGIN)
    assert kept.status_code == 403
    assert fields_of(kept.text)["name"] == "Anna & <b>"
    assert "You are signed in as alice@example.com now." in kept.text
    assert "hunter2" not in kept.text
    assert '<input type="password" name="password"' in kept.text
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        refused = browser.post("/account", name, headers=headers)
        assert refused.status_code == 403
        assert "Anna" not in refused.text and "Send it again" not in refused.text


def test_the_kept_form_goes_through_with_its_own_token(browser: Browser, alice: User) -> None:
    browser.send("/sign-in", username=alice.email, password=PASSWORD)
    kept = browser.client.post("/account", {"name": "Anna Bell"}, headers=ORIGIN)
    fields = fields_of(kept.text) | {"email": alice.email}
    assert browser.client.post("/account", fields, headers=ORIGIN)["Location"] == "/account"
    alice.refresh_from_db()
    assert alice.name == "Anna Bell"


def test_an_admin_who_has_to_confirm_keeps_the_form(admin: User, alice: User) -> None:
    desk = Client()
    desk.force_login(admin)
    session: Any = desk.session
    session["confirmed_at"] = 0
    session.save()
    form = {"mode": "add", "amount": "5", "reason": "A good one"}
    kept = desk.post(f"/admin/users/{alice.pk}/adjust", form)
    assert kept.status_code == 403
    assert fields_of(kept.text)["reason"] == "A good one"
    assert '<a href="/admin/confirm" target="_blank">' in kept.text
    asked = desk.post(f"/admin/users/{alice.pk}/adjust", form, headers={"HX-Request": "true"})
    assert (asked.status_code, asked["Tally-Ask"]) == (403, "/admin/confirm")


def test_who_is_signed_in_is_told_with_a_token(client: Client, alice: User) -> None:
    assert client.get("/session").json()["user"] == ""
    client.force_login(alice)
    told = client.get("/session")
    assert told.json()["user"] == str(alice.pk)
    assert told.json()["name"] == "alice@example.com"
    assert len(told.json()["csrf"]) == 64
    assert "no-store" in told["Cache-Control"]


@pytest.mark.parametrize("path", ["/ai-chat", "/images"])
def test_a_paid_form_of_another_user_is_refused_with_its_text(
    client: Client, alice: User, path: str
) -> None:
    client.force_login(alice)
    answer = client.post(path, {"message": "From Bob", "as": "999"})
    assert answer.status_code == 409
    assert "You are signed in as alice@example.com now" in answer.text
    assert "From Bob</textarea>" in answer.text
