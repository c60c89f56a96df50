"""/sign-up: an account with its welcome credits."""

import re
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits.ledger import get_balance
from credits.models import AuthenticationEvent, CreditGrant, SignUp, User
from credits.users import letters, services, tasks
from credits.users.services import EmailTaken, sign_up
from tests.credits.users.conftest import Browser, link_in_letter, work
from tests.factories import PASSWORD
from tests.parallel import in_parallel

URL = "/sign-up"


def test_it_makes_an_account_with_credits_and_signs_it_in(browser: Browser) -> None:
    answer = browser.send(URL, email="New@Example.com", name="New", password=PASSWORD)
    assert answer["Location"] == "/ai-chat"
    user = User.objects.get()
    assert (user.email, user.name, user.is_staff) == ("new@example.com", "New", False)
    assert user.check_password(PASSWORD)
    grant = CreditGrant.objects.get()
    assert (grant.source, grant.key[:7], grant.expires_at) == ("signup", "signup:", None)
    assert "new@example.com" not in grant.key
    assert get_balance(user_id=user.pk).remaining == 50
    assert browser.signed_in


def test_without_welcome_credits_there_is_no_grant(browser: Browser, settings: Any) -> None:
    settings.SIGNUP_CREDITS = 0
    browser.send(URL, email="new@example.com", password=PASSWORD)
    assert not CreditGrant.objects.exists()
    assert browser.signed_in


def test_the_name_may_be_left_out(browser: Browser) -> None:
    browser.send(URL, email="new@example.com", password=PASSWORD)
    assert User.objects.get().name == ""


@pytest.mark.parametrize(
    ("next_", "goes_to"),
    [
        ("/usage?row=5", "/usage?row=5"),
        ("https://evil.example/x", "/ai-chat"),
        ("//evil.example/x", "/ai-chat"),
        ("javascript:alert(1)", "/ai-chat"),
        ("/\\evil.example", "/ai-chat"),
        ("", "/ai-chat"),
    ],
)
def test_it_goes_on_to_where_one_wanted_to_be_on_this_site(
    browser: Browser, next_: str, goes_to: str
) -> None:
    answer = browser.send(URL, email="new@example.com", password=PASSWORD, next=next_)
    assert answer["Location"] == goes_to


def test_the_way_on_is_kept_in_the_form_and_on_the_way_to_sign_in(browser: Browser) -> None:
    page = browser.get(URL, next="/usage?row=5").text
    assert '<input type="hidden" name="next" value="/usage?row=5">' in page
    assert '<a href="/sign-in?next=%2Fusage%3Frow%3D5">' in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"email": "", "password": PASSWORD}, "This field is required."),
        ({"email": "no address", "password": PASSWORD}, "Enter a valid email address."),
        ({"email": "a" * 250 + "@example.com", "password": PASSWORD}, "at most 254 characters"),
        ({"email": "new@example.com", "password": ""}, "This field is required."),
        ({"email": "new@example.com", "password": "short"}, "This password is too short."),
        ({"email": "new@example.com", "password": "password"}, "This password is too common."),
        ({"email": "new@example.com", "password": "20261122"}, "entirely numeric"),
        ({"email": "new@example.com", "password": " " * 8}, "characters that can be seen"),
        ({"email": "new@example.com", "password": "\u200b" * 8}, "characters that can be seen"),
        ({"email": "new@example.com", "password": "Sunshine2026!"}, "too common"),
        ({"email": "new@example.com", "password": "aB" * 8}, "too common"),
        ({"email": "new@example.com", "password": "TallyTally"}, "the name of this site"),
        ({"email": "new@example.com", "password": "tally 2026!"}, "the name of this site"),
        ({"email": "new@example.com", "password": "chat.example.org1"}, "the name of this site"),
        ({"email": "leonardo@example.com", "password": "leonardo1"}, "too similar to the email"),
        ({"email": "new@example.com", "password": "x" * 1025}, "at most 1024 characters"),
        ({"email": "ne\x00w@example.com", "password": PASSWORD}, "Null characters are not allowed"),
        ({"email": "new@example.com", "password": PASSWORD, "name": "n" * 151}, "at most 150"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    browser: Browser, fields: dict[str, str], message: str, settings: Any
) -> None:
    settings.SITE_URL = "https://chat.example.org"
    answer = browser.send(URL, **fields)
    assert answer.status_code == 200
    assert message in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert fields["password"] == "" or f'value="{fields["password"]}"' not in answer.text
    assert not User.objects.exists()


def test_a_taken_address_is_said_in_a_sentence(browser: Browser, alice: User) -> None:
    answer = browser.send(URL, email="ALICE@example.com", password=PASSWORD)
    assert "There is an account with this address already." in answer.text
    assert 'href="/password-reset"' in answer.text
    assert User.objects.count() == 1
    assert not browser.signed_in


def test_who_is_signed_in_goes_on(browser: Browser) -> None:
    browser.send(URL, email="new@example.com", password=PASSWORD)
    assert browser.get(URL, next="/usage")["Location"] == "/usage"


def test_a_form_without_its_token_is_refused(browser: Browser) -> None:
    answer = browser.client.post(URL, {"email": "new@example.com", "password": PASSWORD})
    assert answer.status_code == 403
    assert "That form has gone stale" in answer.text
    assert not User.objects.exists()


def test_an_account_without_its_credits_is_not_made(db: None, monkeypatch: Any) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError("the ledger is away")

    monkeypatch.setattr(services, "grant_welcome_credits", fails)
    with pytest.raises(RuntimeError):
        sign_up(email="new@example.com", password=PASSWORD)
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_parallel_sign_ups_with_one_address_one_wins() -> None:
    answers = in_parallel(
        6, lambda _: sign_up(email="new@example.com", password=PASSWORD), catch=EmailTaken
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["EmailTaken"] * 5 + ["User"]
    assert get_balance(user_id=User.objects.get().pk).remaining == 50
    assert CreditGrant.objects.count() == 1


def test_one_place_makes_only_so_many_accounts_an_hour(browser: Browser, settings: Any) -> None:
    settings.SIGNUPS_PER_HOUR = 2
    for name in ("one", "two"):
        sign_up(email=f"{name}@example.com", password=PASSWORD, address="127.0.0.1")
    sign_up(email="other@example.com", password=PASSWORD, address="192.0.2.7")
    answer = browser.send(URL, email="three@example.com", password=PASSWORD)
    assert answer.status_code == 429
    assert "Many accounts were made from where you are. Try again in 60 minutes." in answer.text
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert 'value="three@example.com"' in answer.text
    assert not User.objects.filter(email="three@example.com").exists()


def test_refused_sign_ups_count_too(browser: Browser, alice: User, settings: Any) -> None:
    settings.SIGNUPS_PER_HOUR = 2
    for _ in range(2):
        answer = browser.send(URL, email=alice.email, password=PASSWORD)
        assert "There is an account with this address already." in answer.text
    assert browser.send(URL, email=alice.email, password=PASSWORD).status_code == 429


@pytest.mark.parametrize("password", [PASSWORD, "tally keeps my credits", "12 monkeys and a cat"])
def test_passwords_that_will_do(browser: Browser, password: str) -> None:
    browser.send(URL, email="new@example.com", password=password)
    assert browser.signed_in


# --- With mail -----------------------------------------------------------------------------------

NEW = "new@example.com"


def ask(browser: Browser, email: str = NEW, **fields: str) -> Any:
    """Signs up, and lets the worker write."""
    answer = browser.send(URL, email=email, password=PASSWORD, **fields)
    work()
    return answer


def link() -> str:
    return link_in_letter("sign-up")


def test_the_letter_makes_the_account_and_signs_this_browser_in(
    browser: Browser, other_browser: Browser, with_mail: None
) -> None:
    assert "once you have opened the link" in browser.get(URL).text
    answer = ask(browser, "New@Example.com", name="New", next="/usage?row=5")
    assert answer["Location"] == "/sign-up/sent"
    assert "Look into your mail" in browser.get("/sign-up/sent").text
    assert not User.objects.exists()
    assert (mail.outbox[0].to, "50 credits" in mail.outbox[0].body) == ([NEW], True)
    # Looking at the link makes nothing: mail programs do.
    page = other_browser.get(link())
    assert NEW in page.text and page["Cache-Control"].startswith("max-age=0")
    assert not User.objects.exists()
    assert browser.send(link())["Location"] == "/usage?row=5"
    user = User.objects.get()
    assert (user.email, user.name, user.email_proved_at is None) == (NEW, "New", False)
    assert user.check_password(PASSWORD)
    assert get_balance(user_id=user.pk).remaining == 50
    assert browser.signed_in
    assert not SignUp.objects.exists()
    assert "This link is spent" in browser.get(link()).text
    kinds = AuthenticationEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["signed_up", "address_proved", "signed_in"]


def test_another_browser_has_to_know_the_password(
    browser: Browser, other_browser: Browser, with_mail: None
) -> None:
    """Somebody may have given another's address: whose owner must not make an account of it that
    opens with a stranger's password."""
    ask(browser, next="/usage")
    assert "You signed up in another browser" in other_browser.get(link()).text
    for guess, problem in (("", "required"), ("a staple of the owner's", "This is not")):
        answer = other_browser.send(link(), password=guess)
        assert answer.status_code == 200
        assert problem in answer.text
    assert not User.objects.exists()
    assert other_browser.send(link(), password=PASSWORD)["Location"] == "/ai-chat"
    assert User.objects.get().email == NEW
    assert other_browser.signed_in and not browser.signed_in


def test_the_password_of_a_sign_up_is_not_guessed_by_its_link(
    browser: Browser, other_browser: Browser, with_mail: None
) -> None:
    ask(browser)
    answers = [other_browser.send(link(), password=f"guess {n}").status_code for n in range(5)]
    assert answers == [200, 200, 200, 200, 429]
    assert other_browser.send(link(), password=PASSWORD).status_code == 429
    assert not User.objects.exists()


def test_it_does_not_say_whether_an_address_is_taken(alice: User, with_mail: None) -> None:
    pages, statements = [], []
    for email in (NEW, alice.email):
        browser = Browser()
        token = browser.get(URL).wsgi_request.META["CSRF_COOKIE"]
        form = {"email": email, "password": "quite another staple", "csrfmiddlewaretoken": token}
        with CaptureQueriesContext(connection) as asked:
            answer = browser.client.post(URL, form)
        statements.append([re.sub(r"_x\d+|'.*'", "", query["sql"])[:60] for query in asked])
        pages.append((answer["Location"], answer.cookies.keys()))
        # Nor does signing in, before the letter is answered.
        form = {"username": email, "password": "quite another staple"}
        assert browser.send("/sign-in", **form).status_code == 200
    assert pages[0] == pages[1]
    assert statements[0] == statements[1]
    work()
    assert [letter.to for letter in mail.outbox] == [[NEW], [alice.email]]
    letter = mail.outbox[1].body
    assert "You have one already." in letter and f"{site_settings.SITE_URL}/sign-in" in letter
    assert "/sign-up/" not in letter
    assert User.objects.count() == 1
    assert alice.check_password(PASSWORD)


def test_a_link_that_was_changed_or_is_old_makes_nothing(
    browser: Browser, with_mail: None, settings: Any
) -> None:
    ask(browser)
    path = link()
    for changed in (f"{path[:-1]}{'A' if path[-1] != 'A' else 'B'}", "/sign-up/MQ/abc-def",
                    "/sign-up/%00/%00", "/sign-up/OTk5OTk5OTk5OTk5OTk5OTk5OTk5/a-b"):  # fmt: skip
        assert "This link is spent" in Client().post(changed).text
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "This link is spent" in Client().post(path).text
    assert not User.objects.exists()
    tasks.forget(0)
    assert not SignUp.objects.exists()


def test_of_several_letters_the_first_answer_makes_the_account(
    browser: Browser, other_browser: Browser, with_mail: None
) -> None:
    ask(browser)
    first = link()
    ask(other_browser)
    assert other_browser.send(link())["Location"] == "/ai-chat"
    assert "This link is spent" in Client().post(first).text
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_opened_in_two_tabs_at_once_makes_one_account(
    browser: Browser, with_mail: None
) -> None:
    ask(browser)
    path = link()
    form = {"password": PASSWORD}
    answers = in_parallel(4, lambda _: Client().post(path, form).status_code)
    assert sorted(answers) == [200, 200, 200, 302]
    assert (User.objects.count(), CreditGrant.objects.count()) == (1, 1)


def test_a_mailbox_is_not_filled_and_nothing_tells(
    browser: Browser, with_mail: None, settings: Any
) -> None:
    settings.RESET_MAILS_PER_HOUR = 2
    assert {ask(browser)["Location"] for _ in range(4)} == {"/sign-up/sent"}
    assert len(mail.outbox) == 2


def test_a_mail_server_that_is_away_breaks_no_sign_up(
    browser: Browser, with_mail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as away:
        away.setattr(letters, "send_mail", fails)
        assert browser.send(URL, email=NEW, password=PASSWORD)["Location"] == "/sign-up/sent"
        with pytest.raises(ConnectionRefusedError):
            work()  # The worker tries it again.
    assert work() == 1
    browser.send(link())
    assert browser.signed_in
