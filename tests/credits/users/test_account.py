"""/account: one's name and address."""

import re
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits.models import AuthenticationEvent, Session, User
from tests.credits.users.conftest import Browser, link_in_letter, work
from tests.factories import PASSWORD, make_user

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


def test_a_new_address_ends_all_other_sessions(
    browser: Browser, other_browser: Browser, alice: User
) -> None:
    other_browser.client.force_login(alice)
    browser.send(URL, name="Alice", email="new@example.com", password=PASSWORD)
    assert browser.signed_in and not other_browser.signed_in
    assert AuthenticationEvent.objects.latest("pk").kind == "address_changed"


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


# --- With mail -----------------------------------------------------------------------------------

NEW = "new@example.com"


def ask(browser: Browser, email: str = NEW) -> Any:
    """Asks for a new address, and lets the worker write."""
    answer = browser.send(URL, name="Alice", email=email, password=PASSWORD)
    work()
    return answer


def test_a_new_address_takes_effect_when_its_letter_is_answered(
    browser: Browser, other_browser: Browser, alice: User, with_mail: None
) -> None:
    other_browser.client.force_login(alice)
    assert ask(browser, "New@Example.com")["Location"] == URL
    assert f"A letter is on its way to {NEW}." in browser.get(URL).text
    assert User.objects.get().email == alice.email
    assert mail.outbox[0].to == [NEW]
    assert "wants to use this address" in mail.outbox[0].body
    link = link_in_letter("prove")
    # Looking at the link proves nothing: mail programs do.
    assert NEW in browser.get(link).text and User.objects.get().email == alice.email
    browser.send(link)
    user = User.objects.get()
    assert (user.email, user.new_email, user.email_proved_at is None) == (NEW, None, False)
    assert browser.signed_in and not other_browser.signed_in
    work()
    assert (mail.outbox[1].to, len(mail.outbox)) == ([alice.email], 2)
    assert mail.outbox[1].subject == "Your account at Tally"
    assert NEW not in mail.outbox[1].body
    assert "This link is spent" in browser.get(link).text
    kinds = AuthenticationEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds)[2:] == ["address_asked", "address_changed", "address_proved"]


def test_the_link_ends_every_session_where_nobody_is_signed_in(
    browser: Browser, alice: User, with_mail: None
) -> None:
    ask(browser)
    Browser().send(link_in_letter("prove"))
    assert User.objects.get().email == NEW
    assert not Session.objects.filter(user=alice).exists()


def test_it_does_not_say_whether_an_address_is_taken(
    browser: Browser, alice: User, bob: User, with_mail: None
) -> None:
    token = browser.get(URL).wsgi_request.META["CSRF_COOKIE"]
    form = {"name": "", "password": PASSWORD, "csrfmiddlewaretoken": token}
    pages, statements = [], []
    for email in (NEW, bob.email):
        with CaptureQueriesContext(connection) as asked:
            answer = browser.client.post(URL, {**form, "email": email})
        statements.append(len(asked))
        page = the_form_of(browser.get(URL).text)
        pages.append((answer.status_code, page.replace(str(email), "")))
    assert statements[0] == statements[1]
    assert pages[0] == pages[1]
    work()
    letter = mail.outbox[-1]
    assert letter.to == [bob.email]
    assert "It belongs to an account of yours already." in letter.body
    assert "/prove/" not in letter.body and "alice" not in letter.body


def the_form_of(page: str) -> str:
    """The card with the form, without tokens: further down stands what was done when."""
    card = page.partition('id="you"')[2].partition("</section>")[0]
    assert "<form" in card
    return re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", card)


def test_an_address_that_was_taken_meanwhile_is_not_taken_away(
    browser: Browser, alice: User, with_mail: None
) -> None:
    ask(browser)
    link = link_in_letter("prove")
    other = make_user(NEW)
    assert "This link is spent" in browser.send(link).text
    assert User.objects.get(pk=alice.pk).email == alice.email
    assert User.objects.get(email=NEW) == other


@pytest.mark.parametrize("what", ["another address", "a new password"])
def test_what_spends_the_link(browser: Browser, alice: User, with_mail: None, what: str) -> None:
    ask(browser)
    link = link_in_letter("prove")
    if what == "another address":
        ask(browser, "other@example.com")
    else:
        browser.send("/account/password", old_password=PASSWORD, new_password="another staple")
        assert User.objects.get().new_email is None
    assert "This link is spent" in Client().post(link).text
    assert User.objects.get().email == alice.email


def test_the_letter_can_be_sent_again(browser: Browser, alice: User, with_mail: None) -> None:
    ask(browser)
    token = browser.get(URL).wsgi_request.META["CSRF_COOKIE"]
    browser.client.post("/account/prove", {"csrfmiddlewaretoken": token})
    assert f"The letter is on its way to {NEW}." in browser.get(URL).text
    work()
    assert [letter.to for letter in mail.outbox] == [[NEW], [NEW]]


def test_a_mailbox_is_not_filled_and_a_place_has_its_limit(
    browser: Browser, alice: User, with_mail: None, settings: Any
) -> None:
    settings.RESET_MAILS_PER_HOUR, settings.LETTERS_PER_HOUR = 2, 4
    answers = [ask(browser) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [302, 302, 200, 200, 429]
    assert "Several letters went to this address." in answers[2].text
    assert len(mail.outbox) == 2
