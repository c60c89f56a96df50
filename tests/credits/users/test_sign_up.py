"""/sign-up: an account with its welcome credits."""

from typing import Any

import pytest

from credits.ledger import get_balance
from credits.models import CreditGrant, User
from credits.users import services
from credits.users.services import EmailTaken, sign_up
from tests.credits.users.conftest import Browser
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
        ({"email": "leonardo@example.com", "password": "leonardo1"}, "too similar to the email"),
        ({"email": "new@example.com", "password": "x" * 1025}, "at most 1024 characters"),
        ({"email": "ne\x00w@example.com", "password": PASSWORD}, "Null characters are not allowed"),
        ({"email": "new@example.com", "password": PASSWORD, "name": "n" * 151}, "at most 150"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    browser: Browser, fields: dict[str, str], message: str
) -> None:
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
        sign_up(email=f"{name}@example.com", password=PASSWORD, place="127.0.0.1")
    sign_up(email="other@example.com", password=PASSWORD, place="192.0.2.7")
    answer = browser.send(URL, email="three@example.com", password=PASSWORD)
    assert answer.status_code == 429
    assert "Many accounts were made from where you are. Try again in 60 minutes." in answer.text
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert 'value="three@example.com"' in answer.text
    assert not User.objects.filter(email="three@example.com").exists()
