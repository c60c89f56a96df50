"""Welcome credits: once per mailbox, and with mail configured only for who has read our letter."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from credits.ledger import get_balance
from credits.models import CreditGrant, Identity, User
from credits.users import proofs
from credits.users.services import change_profile, sign_up
from credits.users.welcome import grant_welcome_credits, normalise
from tests.credits.users.conftest import Browser, link_in_letter, work
from tests.factories import PASSWORD, make_user
from tests.parallel import in_parallel

NEW = "new@example.com"


def credits_of(email: str) -> int:
    return get_balance(user_id=User.objects.get(email=email).pk).remaining


def link() -> str:
    """The path of the link in the last letter."""
    return link_in_letter("prove")


def ask(browser: Browser) -> None:
    """Has the letter sent."""
    token = browser.get("/account").wsgi_request.META["CSRF_COOKIE"]
    browser.client.post("/account/prove", {"csrfmiddlewaretoken": token})
    work()


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("a@example.com", "a@example.com"),
        (" A@Example.COM ", "a@example.com"),
        ("a+1@example.com", "a@example.com"),
        ("a+1+2@example.com", "a@example.com"),
        ("a.b@example.com", "a.b@example.com"),
        ("a.b+c@gmail.com", "ab@gmail.com"),
        ("A.B@GoogleMail.com", "ab@gmail.com"),
        ("a@example.com.", "a@example.com"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("ａ@example.com", "a@example.com"),
        ('"a"@example.com', "a@example.com"),
        ('"a+1"@example.com', "a@example.com"),
        (r'"\a"@example.com', "a@example.com"),
        ('"a.b"@gmail.com', "ab@gmail.com"),
        ('""@example.com', '""@example.com'),
        ("+@example.com", "+@example.com"),
        ("...@gmail.com", "...@gmail.com"),
        ("a@" + "x" * 70 + ".example", "a@" + "x" * 70 + ".example"),
    ],
)
def test_the_spellings_of_a_mailbox_are_one(address: str, mailbox: str) -> None:
    assert normalise(address) == mailbox
    assert normalise(normalise(address)) == mailbox


def test_a_tag_brings_no_second_welcome(browser: Browser, other_browser: Browser) -> None:
    browser.send("/sign-up", email="a+1@example.com", password=PASSWORD)
    other_browser.send("/sign-up", email="a+2@example.com", password=PASSWORD)
    assert other_browser.signed_in
    assert (credits_of("a+1@example.com"), credits_of("a+2@example.com")) == (50, 0)


def test_another_address_of_the_account_brings_none(db: None) -> None:
    user = sign_up(email=NEW, password=PASSWORD)
    change_profile(user=user, email="other@example.com", name="")
    assert grant_welcome_credits(user_id=user.pk, address="other@example.com") is None
    assert sign_up(email=NEW, password=PASSWORD).pk != user.pk
    assert (credits_of("other@example.com"), credits_of(NEW)) == (50, 0)


def test_the_key_keeps_no_address_and_hangs_on_the_secret(db: None, settings: Any) -> None:
    first = grant_welcome_credits(user_id=make_user().pk, address=NEW)
    assert grant_welcome_credits(user_id=make_user().pk, address="NEW+2@example.com") is None
    settings.SECRET_KEY = "another" * 10  # IDENTITY_KEY stays.
    assert grant_welcome_credits(user_id=make_user().pk, address=NEW) is None
    settings.IDENTITY_KEY = "another" * 10
    second = grant_welcome_credits(user_id=make_user().pk, address=NEW)
    assert first and second and first.id != second.id


@pytest.mark.django_db(transaction=True)
def test_two_accounts_of_a_mailbox_at_once_get_it_once() -> None:
    users = [make_user(f"a+{number}@example.com") for number in range(6)]

    def grant(number: int) -> bool:
        user = users[number]
        return bool(grant_welcome_credits(user_id=user.pk, address=user.email or ""))

    assert sorted(in_parallel(6, grant)) == [False] * 5 + [True]
    assert CreditGrant.objects.count() == 1


# --- With mail: an account from before it was configured -----------------------------------------


@pytest.fixture
def signed_in(browser: Browser, with_mail: None) -> Browser:
    """A browser with an account whose address is not proved."""
    browser.client.force_login(make_user(NEW))
    return browser


def test_a_letter_comes_before_the_credits(signed_in: Browser, other_browser: Browser) -> None:
    for path in ("/account", "/ai-chat", "/usage"):
        assert "Prove your address to get 50 credits:" in signed_in.get(path).text
    ask(signed_in)
    assert mail.outbox[0].to == [NEW]
    assert "50 credits" in mail.outbox[0].body
    # Looking at the link proves nothing: mail programs do. Whoever reads the mail need not be
    # signed in.
    page = other_browser.get(link())
    assert (page.status_code, NEW in page.text, credits_of(NEW)) == (200, True, 0)
    assert page["Cache-Control"].startswith("max-age=0")
    other_browser.send(link())
    assert credits_of(NEW) == 50
    assert User.objects.get().email_proved_at is not None
    assert "Prove your address" not in signed_in.get("/account").text


def test_the_link_works_once_and_only_for_its_address(signed_in: Browser) -> None:
    ask(signed_in)
    first = link()
    change_profile(user=User.objects.get(), email="victim@example.com", name="")
    assert "This link is spent" in signed_in.get(first).text
    proofs.send_proof(user_id=User.objects.get().pk)
    assert mail.outbox[-1].to == ["victim@example.com"]
    second = link()
    signed_in.send(second)
    assert credits_of("victim@example.com") == 50
    for spent in (first, second):
        assert "This link is spent" in signed_in.get(spent).text


@pytest.mark.parametrize("part", [-1, 7])
def test_a_link_that_was_changed_proves_nothing(signed_in: Browser, part: int) -> None:
    ask(signed_in)
    path = link()
    changed = f"{path[:part]}{'A' if path[part] != 'A' else 'B'}{path[part:][1:]}"
    answer = Client().post(changed)
    assert "This link is spent" in answer.text
    assert credits_of(NEW) == 0


def test_a_link_expires(signed_in: Browser, settings: Any) -> None:
    ask(signed_in)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "This link is spent" in signed_in.get(link()).text


def test_signing_in_does_not_spend_the_link(signed_in: Browser) -> None:
    ask(signed_in)
    Browser().send("/sign-in", username=NEW, password=PASSWORD)
    signed_in.send(link())
    assert credits_of(NEW) == 50


def test_a_second_spelling_is_proved_without_credits(browser: Browser, with_mail: None) -> None:
    grant_welcome_credits(user_id=make_user().pk, address=NEW)
    browser.client.force_login(make_user("new+2@example.com"))
    ask(browser)
    answer = browser.send(link())
    assert "It has had its welcome credits before." in browser.get(answer["Location"]).text
    assert credits_of("new+2@example.com") == 0


@pytest.mark.parametrize(
    ("amount", "message"),
    [(0, "Your address is proved."), (70, "Your address is proved: 70 credits.")],
)
def test_what_counts_is_what_there_is_when_the_link_is_opened(
    signed_in: Browser, settings: Any, amount: int, message: str
) -> None:
    ask(signed_in)
    settings.SIGNUP_CREDITS = amount
    page = signed_in.get(signed_in.send(link())["Location"]).text
    assert message in page and "It has had" not in page
    assert credits_of(NEW) == amount


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_opened_in_two_tabs_at_once_brings_them_once(signed_in: Browser) -> None:
    ask(signed_in)
    path = link()
    answers = in_parallel(4, lambda _: Client().post(path).status_code)
    assert set(answers) <= {200, 302}
    assert (credits_of(NEW), CreditGrant.objects.count()) == (50, 1)


def test_the_letter_can_be_sent_again_a_few_times(signed_in: Browser, settings: Any) -> None:
    settings.RESET_MAILS_PER_HOUR = 2
    token = signed_in.get("/account").wsgi_request.META["CSRF_COOKIE"]
    texts = []
    for _ in range(3):
        signed_in.client.post("/account/prove", {"csrfmiddlewaretoken": token})
        texts.append(signed_in.get("/account").text)
    assert "The letter is on its way to new@example.com." in texts[1]
    assert "Several letters went to this address." in texts[2]
    assert work() == 2


def test_who_had_them_before_mail_was_configured_is_not_asked(
    browser: Browser, settings: Any
) -> None:
    browser.send("/sign-up", email=NEW, password=PASSWORD)
    settings.MAIL_CONFIGURED = True
    assert "Prove your address" not in browser.get("/account").text
    assert work() == 0


def test_nobody_is_asked_where_there_is_nothing_to_get(signed_in: Browser, settings: Any) -> None:
    settings.SIGNUP_CREDITS = 0
    assert "Prove your address" not in signed_in.get("/account").text
    ask(signed_in)
    assert mail.outbox == []


def test_people_of_clerk_are_not_asked(browser: Browser, with_mail: None) -> None:
    user = make_user("c@example.com", clerk_id="user_1")
    Identity.objects.create(clerk_id="user_1", user=user)
    browser.client.force_login(user, backend="credits.users.sessions.AccountBackend")
    assert "Prove your address" not in browser.get("/usage").text
