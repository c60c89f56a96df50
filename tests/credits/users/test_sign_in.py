"""/sign-in and /sign-out: the way in, slow for those who guess."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import hashers
from django.utils import timezone

from credits.models import User
from tests.credits.users.conftest import Browser
from tests.factories import PASSWORD

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
    browser: Browser, alice: User
) -> None:
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


def test_the_door_opens_again_after_its_time(browser: Browser, alice: User) -> None:
    guess(browser, 5)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert sign_in(browser).status_code == 302


def test_a_success_forgets_the_wrong_ones(browser: Browser, alice: User) -> None:
    guess(browser, 4)
    sign_in(browser)
    browser.send("/account")
    browser.client.logout()
    assert guess(browser, 4).status_code == 200


def test_no_password_is_kept_of_a_wrong_guess(browser: Browser, alice: User) -> None:
    guess(browser, 2)
    attempt = AccessAttempt.objects.get()
    assert "a wrong guess" not in f"{attempt.post_data}{attempt.get_data}{attempt.path_info}"


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
