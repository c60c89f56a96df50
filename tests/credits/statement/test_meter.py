"""GET /credits/balance: the meter, and how cheaply it says that nothing has changed."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from credits.ledger import get_balance, release_charge, settle_charge
from credits.models import Session, User
from credits.statement.meter import draw, get_meter
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user, set_price

URL = reverse("balance")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def ask(browser: Client, version: str) -> Any:
    return browser.get(URL, {"v": version}, headers={"HX-Request": "true"})


def version_of(user: User) -> str:
    return get_meter(user_id=user.pk).version


def test_the_meter_shows_what_is_left_held_and_leaving(
    browser: Client, alice: User, clock: Clock
) -> None:
    make_grant(alice, 40, expires_at=clock.now() + timedelta(days=9), priority=500)
    make_charge(alice, hold=True)
    page = browser.get(URL).text
    assert 'data-remaining="139"' in page
    assert "1 held" in page
    leaving = clock.now() + timedelta(days=9)
    assert f"40 expire {leaving:%-d %b}" in page


def test_the_fragment_is_what_the_page_holds(browser: Client) -> None:
    fragment = browser.get(URL).text.strip()
    assert fragment.startswith('<div class="meter"')
    assert "".join(fragment.split()) in "".join(browser.get(reverse("usage")).text.split())


def test_an_unchanged_meter_is_no_content_in_one_query(
    browser: Client, alice: User, django_assert_num_queries: Any
) -> None:
    version = version_of(alice)
    with django_assert_num_queries(1):
        answer = ask(browser, version)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "no-store" in answer["Cache-Control"]


def test_asking_writes_no_session(browser: Client, alice: User) -> None:
    before = Session.objects.values().get()
    assert not ask(browser, version_of(alice)).cookies
    assert not ask(browser, "").cookies
    assert Session.objects.values().get() == before


def test_each_movement_is_seen(browser: Client, alice: User) -> None:
    seen = [version_of(alice)]
    charge = make_charge(alice, hold=True)
    assert ask(browser, seen[-1]).status_code == 200
    seen.append(version_of(alice))
    settle_charge(charge_id=charge.id)
    assert ask(browser, seen[-1]).status_code == 200, "A hold that ends moves no credits."
    seen.append(version_of(alice))
    make_grant(alice, 5)
    assert ask(browser, seen[-1]).status_code == 200
    assert len({*seen, version_of(alice)}) == 4


def test_a_refund_brings_the_higher_number(browser: Client, alice: User) -> None:
    charge = make_charge(alice, 3, hold=True)
    version = version_of(alice)
    release_charge(charge_id=charge.id, reason="provider_error")
    assert 'data-remaining="100"' in ask(browser, version).text


def test_credits_that_expire_between_two_polls_are_gone_in_the_second(
    browser: Client, alice: User, clock: Clock
) -> None:
    make_grant(alice, 40, expires_at=clock.now() + timedelta(hours=1))
    version = version_of(alice)
    assert ask(browser, version).status_code == 204
    clock.move(hours=2)
    answer = ask(browser, version)
    assert answer.status_code == 200
    assert 'data-remaining="100"' in answer.text


def test_a_new_price_is_seen(browser: Client, alice: User) -> None:
    version = version_of(alice)
    set_price("ai_text_chat", 101)
    answer = ask(browser, version)
    assert answer.status_code == 200
    assert 'class="meter low"' in answer.text, "100 credits do not buy one message any more."


def test_a_price_of_its_own_that_did_not_change_is_no_news(browser: Client, alice: User) -> None:
    set_price("ai_text_chat", 7)
    assert ask(browser, version_of(alice)).status_code == 204


def test_a_user_without_a_balance_row_is_polled_like_any_other(client: Client, carol: User) -> None:
    client.force_login(carol)
    assert 'data-remaining="0"' in client.get(URL).text
    assert ask(client, version_of(carol)).status_code == 204


def test_another_users_version_shows_ones_own_meter(
    browser: Client, alice: User, bob: User
) -> None:
    answer = ask(browser, version_of(bob))
    assert answer.status_code == 200
    assert 'data-remaining="100"' in answer.text


def test_a_visitor_is_told_to_sign_in_and_not_sent_there(client: Client) -> None:
    answer = ask(client, "")
    assert answer.status_code == 401
    assert "Location" not in answer
    assert "Signed out" in answer.text
    assert "hx-get" not in answer.text, "A signed-out meter stops asking."


def test_a_known_version_does_not_make_up_for_a_session(client: Client, alice: User) -> None:
    assert ask(client, version_of(alice)).status_code == 401
    client.cookies[settings.SESSION_COOKIE_NAME] = "made-up"
    assert ask(client, version_of(alice)).status_code == 401


def test_a_session_ends_with_the_password_it_was_made_with(browser: Client, alice: User) -> None:
    version = version_of(alice)
    alice.set_password("another one altogether")
    alice.save()
    assert ask(browser, version).status_code == 401


def test_a_closed_account_has_no_meter(browser: Client, alice: User) -> None:
    version = version_of(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert ask(browser, version).status_code == 401


def test_a_session_ends_when_its_time_is_over(browser: Client, alice: User, clock: Clock) -> None:
    Session.objects.update(expire_date=clock.now() - timedelta(hours=1))
    assert ask(browser, version_of(alice)).status_code == 401


def test_a_forged_session_is_none(browser: Client, alice: User) -> None:
    data = Session.objects.get().session_data
    Session.objects.update(session_data=data[:-1] + ("A" if data[-1] != "A" else "B"))
    assert ask(browser, version_of(alice)).status_code == 401


def test_a_session_of_a_backend_that_was_taken_away_is_none(
    browser: Client, alice: User, settings: Any
) -> None:
    version = version_of(alice)
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert ask(browser, version).status_code == 401


@pytest.mark.parametrize(
    "version",
    ["x", ".", "1", "-1.0.0.1", "9" * 30, "٣.1.0.1", "1.0.0.1\x00", "1e9.0", "%00", " 1.2"],
)
def test_nonsense_for_a_version_shows_the_meter(browser: Client, version: str) -> None:
    assert ask(browser, version).status_code == 200


def test_only_reading_is_allowed(browser: Client) -> None:
    assert browser.post(URL).status_code == 405


def test_the_session_and_the_ledger_write_the_same_version(browser: Client, alice: User) -> None:
    make_charge(alice, hold=True)
    session: Any = browser.session
    session.load()
    assert f"{alice.pk}.{session.meter_version}" == version_of(alice)
    assert get_balance(user_id=alice.pk).version in version_of(alice)


def test_running_low_is_a_tenth_of_what_was_granted(alice: User) -> None:
    balance = get_balance(user_id=alice.pk)
    assert not draw(alice.pk, balance._replace(remaining=10), text_cost=1).low
    assert draw(alice.pk, balance._replace(remaining=9), text_cost=1).low


def test_running_low_is_also_having_less_than_three_messages_left(alice: User) -> None:
    balance = get_balance(user_id=alice.pk)
    assert not draw(alice.pk, balance._replace(remaining=6, granted=6), text_cost=2).low
    assert draw(alice.pk, balance._replace(remaining=5, granted=5), text_cost=2).low


def test_the_bar_is_never_longer_than_its_frame(alice: User) -> None:
    balance = get_balance(user_id=alice.pk)
    held = draw(alice.pk, balance._replace(remaining=90, held=30, granted=90), text_cost=1)
    assert held.left + held.open <= 100
    assert draw(alice.pk, balance._replace(remaining=0, granted=0), text_cost=1).left == 0


def test_every_signed_in_page_holds_the_meter(browser: Client) -> None:
    for name in ("usage", "pricing", "account", "password-change"):
        assert 'id="meter"' in browser.get(reverse(name)).text, name


def test_asking_for_the_whole_meter_takes_four_queries(
    browser: Client, django_assert_max_num_queries: Any
) -> None:
    make_user("someone@example.com")
    with django_assert_max_num_queries(4):  # session, user, balance, price
        assert browser.get(URL).status_code == 200
