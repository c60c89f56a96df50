"""/sign-in and /sign-out: the way in, slow for those who guess."""

import threading
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.test import Client

from config import hashing
from credits.models import AuthenticationEvent, RateLimit, User
from credits.users import limits
from tests.clock import Clock
from tests.credits.users.conftest import Browser
from tests.factories import PASSWORD
from tests.parallel import in_parallel

URL = "/sign-in"


def sign_in(browser: Browser, email: str = "alice@example.com", password: str = PASSWORD) -> Any:
    return browser.send(URL, username=email, password=password)


def guess(browser: Browser, times: int, email: str = "alice@example.com") -> Any:
    for _ in range(times):
        answer = sign_in(browser, email, "a wrong guess")
    return answer


def test_the_right_password_opens(browser: Browser, alice: User) -> None:
    assert sign_in(browser)["Location"] == "/ai-chat"
    assert browser.signed_in


def test_the_address_may_be_typed_in_capitals(browser: Browser, alice: User) -> None:
    sign_in(browser, " Alice@EXAMPLE.com ")
    assert browser.signed_in


def test_the_session_gets_a_new_key(browser: Browser, alice: User) -> None:
    browser.client.cookies["sessionid"] = "planted"
    sign_in(browser)
    assert browser.client.cookies["sessionid"].value != "planted"


@pytest.mark.parametrize("next_", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_it_does_not_lead_off_the_site(browser: Browser, alice: User, next_: str) -> None:
    answer = browser.send(URL, username=alice.email, password=PASSWORD, next=next_)
    assert answer["Location"] == "/ai-chat"


def test_it_leads_back_to_where_one_came_from(browser: Browser, alice: User) -> None:
    wanted = browser.get("/usage?row=5")["Location"]
    assert 'name="next" value="/usage?row=5"' in browser.get(wanted).text
    answer = browser.send(wanted, username=alice.email, password=PASSWORD, next="/usage?row=5")
    assert answer["Location"] == "/usage?row=5"


def test_a_wrong_password_and_an_unknown_address_look_the_same(
    browser: Browser, other_browser: Browser, alice: User
) -> None:
    wrong = sign_in(browser, password="wrong").text
    unknown = sign_in(other_browser, "nobody@example.com", "wrong").text
    message = "This address and this password do not belong together."
    assert message in wrong
    assert message in unknown
    assert not browser.signed_in


def test_an_unknown_address_costs_a_hash_as_a_known_one_does(
    browser: Browser, alice: User, monkeypatch: Any
) -> None:
    hasher = type(hashers.get_hasher())
    hashed: list[str] = []
    encode = hasher.encode

    def noted(self: Any, word: str, salt: str) -> str:
        hashed.append(word)
        return str(encode(self, word, salt))

    monkeypatch.setattr(hasher, "encode", noted)
    sign_in(browser, password="guess 1")
    sign_in(browser, "nobody@example.com", "guess 2")
    assert hashed.count("guess 1") == hashed.count("guess 2") == 1


def test_a_closed_account_looks_like_a_wrong_password(browser: Browser, alice: User) -> None:
    User.objects.update(is_active=False)
    assert "do not belong together" in sign_in(browser).text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"username": "x", "password": "y"},
        {"username": "a\x00@example.com", "password": "y"},
        {"username": "alice@example.com", "password": "\x00"},
        {"username": "a" * 5000 + "@example.com", "password": "y"},
        {"username": "alice@example.com", "password": "y" * 5000},
    ],
)
def test_bad_input_is_said_and_never_an_error(
    browser: Browser, alice: User, fields: dict[str, str]
) -> None:
    answer = browser.send(f"{URL}?x=%00", **fields)
    assert answer.status_code == 200
    assert "errorlist" in answer.text or "do not belong together" in answer.text


def test_the_fifth_wrong_password_closes_the_door_for_a_while(
    browser: Browser, alice: User, clock: Clock
) -> None:
    clock.freeze()
    assert guess(browser, 4).status_code == 200
    answer = guess(browser, 1)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "Too many wrong passwords" in answer.text
    assert "15 minutes" in answer.text
    assert sign_in(browser).status_code == 429, "Not even the right one, for a while."
    assert not browser.signed_in


def test_capitals_are_no_second_set_of_guesses(browser: Browser, alice: User) -> None:
    guess(browser, 4, "alice@example.com")
    assert guess(browser, 1, "ALICE@example.com").status_code == 429


@pytest.mark.django_db(transaction=True)
def test_of_twenty_guesses_at_once_no_more_than_the_limit_are_judged(
    alice: User, monkeypatch: Any
) -> None:
    judged: list[str] = []
    check = User.check_password

    def noted(self: User, password: str) -> bool:
        judged.append(password)
        return bool(check(self, password))

    monkeypatch.setattr(User, "check_password", noted)

    def attempt(number: int) -> int:
        form = {"username": alice.email, "password": f"guess {number}"}
        return Client().post(URL, form).status_code

    statuses = in_parallel(20, attempt)
    assert len(judged) == 5
    assert set(statuses) <= {200, 429} and statuses.count(429) >= 15
    form = {"username": alice.email, "password": PASSWORD}
    assert Client().post(URL, form).status_code == 429


def test_one_place_tries_only_so_many_passwords_whatever_the_names(
    browser: Browser, alice: User, settings: Any
) -> None:
    settings.PASSWORDS_PER_HOUR = 6
    for number in range(6):
        assert sign_in(browser, f"user{number}@example.com", "Summer 2026!").status_code == 200
    answer = sign_in(browser)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "Too much came from where you are." in answer.text
    browser.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    assert sign_in(browser).status_code == 302


def test_a_name_is_not_guessed_from_everywhere_and_its_owner_still_comes_in(
    browser: Browser, other_browser: Browser, alice: User, monkeypatch: Any
) -> None:
    monkeypatch.setattr(limits, "WRONG_FROM_ALL", 8)
    other_browser.client.defaults["REMOTE_ADDR"] = "198.51.100.1"
    assert sign_in(other_browser).status_code == 302
    other_browser.client.logout()
    for place in range(4):
        browser.client.defaults["REMOTE_ADDR"] = f"203.0.113.{place}"
        guess(browser, 2)
    browser.client.defaults["REMOTE_ADDR"] = "203.0.113.99"
    assert sign_in(browser).status_code == 429, "Enough wrong ones came from everywhere."
    assert sign_in(other_browser).status_code == 302, "She has signed in from there before."


def test_nobody_is_locked_out_by_somebody_elsewhere(
    browser: Browser, other_browser: Browser, alice: User
) -> None:
    other_browser.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    assert guess(other_browser, 6).status_code == 429
    assert sign_in(browser).status_code == 302


def test_other_accounts_stay_open_from_the_same_place(
    browser: Browser, alice: User, bob: User
) -> None:
    guess(browser, 5)
    assert sign_in(browser, "bob@example.com").status_code == 302


def test_an_address_without_an_account_closes_in_the_same_way(browser: Browser) -> None:
    assert guess(browser, 5, "nobody@example.com").status_code == 429


def test_the_door_opens_again_after_its_time(browser: Browser, alice: User, clock: Clock) -> None:
    guess(browser, 5)
    clock.move(minutes=16)
    assert sign_in(browser).status_code == 302


def test_a_success_forgets_the_wrong_ones(browser: Browser, alice: User) -> None:
    guess(browser, 4)
    sign_in(browser)
    browser.send("/account")
    browser.client.logout()
    assert guess(browser, 4).status_code == 200


def test_no_password_is_kept_of_a_wrong_guess(browser: Browser, alice: User) -> None:
    guess(browser, 2)
    guess(browser, 2, "nobody@example.com")
    kept = [*RateLimit.objects.values_list(), *AuthenticationEvent.objects.values_list()]
    assert len(kept) == 5 + 4
    assert "a wrong guess" not in str(kept)
    assert "nobody" not in str(kept) and "alice" not in str(kept)


def test_who_is_signed_in_goes_on(browser: Browser, alice: User) -> None:
    sign_in(browser)
    assert browser.get(URL)["Location"] == "/ai-chat"


def test_a_form_without_its_token_is_refused(browser: Browser, alice: User) -> None:
    answer = browser.client.post(URL, {"username": alice.email, "password": PASSWORD})
    assert answer.status_code == 403
    assert f'href="{URL}"' in answer.text, "It offers to load the page again."


def test_signing_out_ends_the_session(browser: Browser, alice: User) -> None:
    sign_in(browser)
    key = browser.client.cookies["sessionid"].value
    answer = browser.send("/account")
    token = browser.client.cookies["csrftoken"].value
    answer = browser.client.post("/sign-out", {"csrfmiddlewaretoken": token})
    assert answer["Location"] == "/"
    browser.client.cookies["sessionid"] = key
    assert not browser.signed_in


def test_a_link_cannot_sign_anyone_out(browser: Browser, alice: User) -> None:
    sign_in(browser)
    assert browser.get("/sign-out").status_code == 405
    assert browser.client.post("/sign-out").status_code == 403
    assert browser.signed_in


def test_a_fragment_without_a_session_takes_the_window_to_sign_in_and_back(
    browser: Browser,
) -> None:
    answer = browser.client.get(
        "/ai-chat/conversations",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/ai-chat?a=1"},
    )
    assert answer["HX-Redirect"] == "/sign-in?next=/ai-chat%3Fa%3D1"
    assert answer.content == b""


@pytest.mark.parametrize("url", ["https://evil.example/x", "nonsense", ""])
def test_a_fragment_does_not_lead_off_the_site(browser: Browser, url: str) -> None:
    answer = browser.client.get(
        "/ai-chat/conversations", headers={"HX-Request": "true", "HX-Current-URL": url}
    )
    assert answer["HX-Redirect"] == "/sign-in?next=/"


def test_behind_a_proxy_each_client_has_guesses_of_its_own(
    browser: Browser, alice: User, settings: Any
) -> None:
    settings.TRUSTED_PROXY = True
    browser.client.defaults["HTTP_X_FORWARDED_FOR"] = "198.51.100.1"
    assert guess(browser, 5).status_code == 429
    browser.client.defaults["HTTP_X_FORWARDED_FOR"] = "198.51.100.1, 203.0.113.9"
    assert sign_in(browser).status_code == 302


def test_the_trail_has_who_when_and_from_where(browser: Browser, alice: User) -> None:
    browser.client.defaults["HTTP_USER_AGENT"] = "Tester/1.0"
    guess(browser, 1)
    guess(browser, 1, "nobody@example.com")
    guess(browser, 4)
    browser.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    sign_in(browser)
    token = browser.get("/account").wsgi_request.META["CSRF_COOKIE"]
    browser.client.post("/sign-out", {"csrfmiddlewaretoken": token})
    rows = AuthenticationEvent.objects.order_by("pk").values_list("user", "kind", "address")
    wrong, here = "wrong_password", "127.0.0.1"
    assert list(rows) == [
        (alice.pk, wrong, here),
        (None, wrong, here),
        *[(alice.pk, wrong, here)] * 4,
        (alice.pk, "locked_out", here),
        (alice.pk, "signed_in", "203.0.113.7"),
        (alice.pk, "signed_out", "203.0.113.7"),
    ]
    assert set(AuthenticationEvent.objects.values_list("device", flat=True)) == {"Tester/1.0"}


def test_a_try_that_was_not_judged_is_not_counted(
    browser: Browser, alice: User, monkeypatch: Any
) -> None:
    """While too many passwords are hashed."""
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(hashing, "_in_line", threading.Semaphore(0))
        for _ in range(6):
            answer = sign_in(browser)
            assert answer.status_code == 503
            assert int(answer["Retry-After"]) > 0
    assert sign_in(browser).status_code == 302
