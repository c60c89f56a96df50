"""/account/password: this session goes on, all others end."""

import pytest
from django.core import mail

from credits.models import AuthenticationEvent, Session, User
from tests.credits.users.conftest import Browser, work
from tests.factories import PASSWORD

URL = "/account/password"
NEW = "a quite different staple"


@pytest.fixture
def browser(browser: Browser, alice: User) -> Browser:
    browser.client.force_login(alice)
    return browser


def test_it_ends_every_other_session(browser: Browser, other_browser: Browser, alice: User) -> None:
    other_browser.client.force_login(alice)
    answer = browser.send(URL, old_password=PASSWORD, new_password=NEW)
    assert answer["Location"] == "/account"
    assert "Other devices are signed out." in browser.get("/account").text
    assert browser.signed_in
    assert not other_browser.signed_in
    assert User.objects.get().check_password(NEW)


def test_the_owner_is_told_and_the_trail_has_it(
    browser: Browser, other_browser: Browser, alice: User, with_mail: None
) -> None:
    other_browser.client.force_login(alice)
    browser.send(URL, old_password=PASSWORD, new_password=NEW)
    work()
    letter = mail.outbox[0]
    assert (letter.to, letter.subject) == ([alice.email], "Your account at Tally")
    assert NEW not in letter.body
    assert Session.objects.filter(user=alice).count() == 1, "That of this browser."
    assert AuthenticationEvent.objects.latest("pk").kind == "password_changed"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wrong", NEW, "This is not your current password."),
        ("", NEW, "Your current password is needed for this."),
        (PASSWORD, "password", "This password is too common."),
        (PASSWORD, "alice@example", "too similar to the email"),
        (PASSWORD, "", "This field is required."),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    browser: Browser, old: str, new: str, message: str
) -> None:
    answer = browser.send(URL, old_password=old, new_password=new)
    assert answer.status_code == 200
    assert message in answer.text
    assert User.objects.get().check_password(PASSWORD)


def test_an_open_session_is_no_way_to_guess_the_password(browser: Browser) -> None:
    for _ in range(5):
        answer = browser.send(URL, old_password="guess", new_password=NEW)
    assert answer.status_code == 429
    assert browser.send(URL, old_password=PASSWORD, new_password=NEW).status_code == 429
