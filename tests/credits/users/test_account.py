"""/account: one's name and address."""

from typing import Any

import pytest

from credits.models import User
from tests.credits.users.conftest import Browser
from tests.factories import PASSWORD

URL = "/account"


@pytest.fixture
def browser(browser: Browser, alice: User) -> Browser:
    browser.client.force_login(alice)
    return browser


def test_the_name_changes_without_a_password(browser: Browser, alice: User) -> None:
    answer = browser.send(URL, name="Alice Liddell", email=alice.email)
    assert answer["Location"] == URL
    assert User.objects.get().name == "Alice Liddell"
    assert "Your account is saved." in browser.get(URL).text


def test_a_new_address_needs_the_password(browser: Browser) -> None:
    answer = browser.send(URL, name="", email="new@example.com")
    assert "Your current password is needed for this." in answer.text
    answer = browser.send(URL, name="", email="new@example.com", password="wrong")
    assert "This is not your current password." in answer.text
    assert User.objects.get().email == "alice@example.com"
    browser.send(URL, name="", email="New@example.com", password=PASSWORD)
    assert User.objects.get().email == "new@example.com"
    assert browser.signed_in


def test_an_open_session_is_no_way_to_guess_the_password(browser: Browser) -> None:
    for _ in range(5):
        answer = browser.send(URL, name="", email="new@example.com", password="guess")
    assert answer.status_code == 429


def test_another_accounts_address_is_refused(browser: Browser, bob: User) -> None:
    answer = browser.send(URL, name="", email="BOB@example.com", password=PASSWORD)
    assert "Another account has this address." in answer.text
    assert User.objects.filter(email="alice@example.com").exists()


def test_only_ones_own_account_changes(browser: Browser, bob: User) -> None:
    browser.send(URL, name="Changed", email="alice@example.com", id=str(bob.pk))
    bob.refresh_from_db()
    assert bob.name == "Bob"


def test_an_account_from_elsewhere_is_only_looked_at(browser: Browser, alice: User) -> None:
    alice.set_unusable_password()
    alice.save()
    browser.client.force_login(alice)
    assert "are changed there" in browser.get(URL).text
    assert browser.send(URL, name="Changed", email=alice.email).status_code == 403
    assert browser.send("/account/password", new_password="x").status_code == 403


def test_a_visitor_is_sent_to_sign_in(other_browser: Browser) -> None:
    for url in (URL, "/account/password"):
        assert other_browser.get(url)["Location"] == f"/sign-in?next={url}"


def test_a_form_without_its_token_is_refused(browser: Browser, alice: Any) -> None:
    assert browser.client.post(URL, {"name": "x", "email": alice.email}).status_code == 403
