"""/password-reset: by a link that works once."""

from typing import Any

import pytest
from django.core import mail
from procrastinate.contrib.django.models import ProcrastinateJob

from credits.models import AuthenticationEvent, RateLimit, Session, User
from tests.clock import Clock
from tests.credits.users.conftest import Browser, link_in_letter, work
from tests.factories import PASSWORD

URL = "/password-reset"
NEW = "a quite different staple"


pytestmark = pytest.mark.usefixtures("with_mail")


def ask(browser: Browser, email: str = "alice@example.com") -> Any:
    """Asks for a letter, and lets the worker send it."""
    answer = browser.send(URL, email=email)
    work()
    return answer


def link_in_mail() -> str:
    return link_in_letter("reset")


def test_the_mail_says_what_it_is_and_where_to_go(browser: Browser, alice: User) -> None:
    assert ask(browser, "Alice@Example.com")["Location"] == "/password-reset/sent"
    letter = mail.outbox[0]
    assert letter.to == ["alice@example.com"]
    assert letter.subject == "Your new password for Tally"
    assert letter.body.startswith("Hello,")
    assert "The link works once, within 2 hours." in letter.body


def test_the_link_sets_a_new_password_and_ends_all_sessions(
    browser: Browser, other_browser: Browser, alice: User
) -> None:
    other_browser.client.force_login(alice)
    ask(browser)
    answer = browser.send(link_in_mail(), new_password=NEW)
    assert answer["Location"] == "/password-reset/done"
    assert User.objects.get().check_password(NEW)
    assert not other_browser.signed_in
    assert not browser.signed_in, "Who has the link signs in with the new password."


def test_the_link_works_once(browser: Browser, other_browser: Browser, alice: User) -> None:
    ask(browser)
    link = link_in_mail()
    browser.send(link, new_password=NEW)
    for visitor in (browser, other_browser):
        page = visitor.client.get(link, follow=True)
        assert "This link is spent" in page.text
        assert "<form class" not in page.text


def test_the_token_leaves_the_address_bar(browser: Browser, alice: User) -> None:
    ask(browser)
    link = link_in_mail()
    token = link.rpartition("/")[2]
    assert token not in browser.get(link)["Location"]


def test_a_newer_sign_in_spends_older_links(browser: Browser, alice: User) -> None:
    ask(browser)
    link = link_in_mail()
    browser.send("/sign-in", username="alice@example.com", password=PASSWORD)
    assert "This link is spent" in browser.client.get(link, follow=True).text


@pytest.mark.parametrize(
    "link", ["x/y", "MQ/abc-def", "////", "%00/%00", "OTk5OTk5OTk5OTk5OTk5OTk5OTk/a-b"]
)
def test_a_made_up_link_opens_nothing(browser: Browser, alice: User, link: str) -> None:
    page = browser.client.get(f"/reset/{link}")
    assert page.status_code in {200, 404}
    assert "Choose a new password" not in page.text


def test_it_says_the_same_for_an_unknown_address(browser: Browser, alice: User) -> None:
    assert ask(browser, "nobody@example.com")["Location"] == "/password-reset/sent"
    assert mail.outbox == []


def test_an_account_from_elsewhere_or_closed_gets_no_mail(browser: Browser, alice: User) -> None:
    User.objects.update(is_active=False)
    ask(browser)
    User.objects.update(is_active=True, password="!")
    ask(browser)
    assert mail.outbox == []


def test_a_weak_password_is_refused_and_the_link_still_works(browser: Browser, alice: User) -> None:
    ask(browser)
    link = link_in_mail()
    assert "This password is too common." in browser.send(link, new_password="password").text
    browser.send(link, new_password=NEW)
    assert User.objects.get().check_password(NEW)


def test_a_new_password_opens_a_door_that_guessing_closed(browser: Browser, alice: User) -> None:
    for _ in range(5):
        answer = browser.send("/sign-in", username=alice.email, password="guess")
    assert answer.status_code == 429
    ask(browser)
    browser.send(link_in_mail(), new_password=NEW)
    answer = browser.send("/sign-in", username="alice@example.com", password=NEW)
    assert answer.status_code == 302


def test_what_strangers_chose_is_not_in_the_mail(browser: Browser, alice: User) -> None:
    """Anybody makes an account with another's address, and gives it a name."""
    User.objects.update(name="You won: https://evil.example", email="o'neil&co@example.com")
    ask(browser, "o'neil&co@example.com")
    assert "evil" not in mail.outbox[0].body
    assert "\no'neil&co@example.com.\n" in mail.outbox[0].body


def test_a_printed_letter_does_not_cut_the_link(browser: Browser, alice: User) -> None:
    ask(browser)
    printed = mail.outbox[0].message().as_string()
    assert "Content-Transfer-Encoding: 7bit" in printed
    assert max(map(len, printed.splitlines())) <= 78


def test_a_mailbox_is_not_filled_and_nothing_tells(browser: Browser, alice: User) -> None:
    answers = {ask(browser)["Location"] for _ in range(8)}
    assert answers == {"/password-reset/sent"}
    assert len(mail.outbox) == 5


def test_what_is_counted_names_no_mailbox(browser: Browser, alice: User) -> None:
    ask(browser)
    assert RateLimit.objects.filter(pk__startswith="mail:").count() == 1
    assert not RateLimit.objects.filter(pk__contains="alice").exists()


def test_the_request_does_the_same_with_an_account_and_without(
    browser: Browser, alice: User, django_assert_num_queries: Any
) -> None:
    """The letter, its token and the look for the account are the worker's."""
    token = {"csrfmiddlewaretoken": browser.send(URL, email="x").wsgi_request.META["CSRF_COOKIE"]}
    for email in ("first@example.com", alice.email, "nobody@example.com"):
        with django_assert_num_queries(3):
            assert browser.client.post(URL, {**token, "email": email}).status_code == 302
    assert mail.outbox == []
    assert len(ProcrastinateJob.objects.filter(task_name="users.send_reset")) == 3
    work()
    assert [letter.to for letter in mail.outbox] == [[alice.email]]


def test_no_token_stands_in_the_queue(browser: Browser, alice: User) -> None:
    ask(browser)
    token = link_in_mail().rpartition("/")[2]
    assert token not in str([job.args for job in ProcrastinateJob.objects.all()])


def test_a_host_that_the_sender_made_up_is_in_no_letter(
    browser: Browser, alice: User, settings: Any
) -> None:
    settings.SITE_URL = "https://chat.example"
    browser.client.defaults["HTTP_HOST"] = "testserver:31337"
    ask(browser)
    assert "31337" not in mail.outbox[0].body and "testserver" not in mail.outbox[0].body
    assert link_in_mail().startswith("/reset/")


def test_one_place_asks_for_only_so_many_letters(
    browser: Browser, settings: Any, clock: Clock
) -> None:
    clock.freeze()
    settings.LETTERS_PER_HOUR = 2
    for name in ("a", "b"):
        assert ask(browser, f"{name}@example.com").status_code == 302
    answer = ask(browser, "c@example.com")
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert "Try again in 60 minutes." in answer.text


def test_the_owner_is_told_of_a_new_password_and_the_trail_has_it(
    browser: Browser, other_browser: Browser, alice: User
) -> None:
    other_browser.client.force_login(alice)
    ask(browser)
    browser.send(link_in_mail(), new_password=NEW)
    work()
    assert mail.outbox[-1].subject == "Your account at Tally"
    assert mail.outbox[-1].to == [alice.email]
    assert not Session.objects.filter(user=alice).exists()
    kinds = AuthenticationEvent.objects.filter(user=alice).order_by("pk").values_list("kind")
    assert [kind for (kind,) in kinds] == ["signed_in", "reset_asked", "password_reset"]


def test_without_mail_the_page_says_whom_to_ask(
    browser: Browser, alice: User, settings: Any
) -> None:
    page = browser.get(URL)
    settings.MAIL_CONFIGURED = False
    token = page.wsgi_request.META["CSRF_COOKIE"]
    posted = browser.client.post(URL, {"email": alice.email, "csrfmiddlewaretoken": token})
    for answer in (browser.get(URL), posted):
        assert answer.status_code == 200
        assert "This site sends no mail." in answer.text
        assert "manage.py changepassword" in answer.text
        assert 'name="email"' not in answer.text
    assert not ProcrastinateJob.objects.exists()
    assert mail.outbox == []
