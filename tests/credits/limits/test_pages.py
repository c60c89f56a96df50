"""/account/limits: setting, changing, removing; what admins set is shown."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from credits.limits.setting import limit_version, set_limit
from credits.models import Limit, User
from tests.api import BACKEND
from tests.clock import Clock
from tests.factories import make_charge, make_limit

pytestmark = pytest.mark.django_db
FORM = {"period": "day", "credits": "10", "hard": "1", "alert_at": ["80", "100"]}


@pytest.fixture
def hers(alice: User) -> Client:
    client = Client()
    client.force_login(alice, backend=BACKEND)
    return client


def send(client: Client, url: str = "/account/limits", **fields: Any) -> Any:
    values = {name: value for name, value in {**FORM, **fields}.items() if value is not None}
    return client.post(url, values)


def test_without_limits_the_page_says_what_they_are_for(hers: Client) -> None:
    page = hers.get("/account/limits").text
    assert "No limits yet" in page
    assert "a program that runs away" in page
    assert 'href="/account/limits"' in hers.get("/account").text


def test_a_limit_is_set_and_shown(hers: Client, alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 6, 12, 9, tzinfo=UTC))
    answer = send(hers, period="week", credits="40", alert_at=["50"], other="33", hard="0")
    assert answer.status_code == 302
    limit = Limit.objects.get()
    assert (limit.period, limit.credits, limit.hard, limit.alert_at, limit.set_by) == (
        "week", 40, False, [33, 50], alice,
    )  # fmt: skip
    make_charge(alice, 10)
    make_charge(alice, 3, hold=True)
    page = " ".join(hers.get("/account/limits").text.split())
    assert "40 credits a week" in page
    assert "10 spent (25&nbsp;%) · 3 held by what is going on · 27 left" in page
    assert "Monday 17 Jun 00:00 UTC" in page
    assert "only tells" in page
    assert "tells at 33&nbsp;%, 50&nbsp;%" in page


def test_the_reset_is_in_the_readers_zone(hers: Client, alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 6, 12, 9, tzinfo=UTC))
    make_limit(alice, 5, "week")
    hers.cookies["tz"] = "America/New_York"
    assert "Sunday 16 Jun 20:00" in hers.get("/account/limits").text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"credits": ""}, "Write a whole number from 0 to 1,000,000,000,000."),
        ({"credits": "1.5"}, "Must be a whole number from 0 to 1,000,000,000,000."),
        ({"credits": "-1"}, "Must be a whole number from 0 to 1,000,000,000,000."),
        ({"credits": str(10**12 + 1)}, "Must be a whole number from 0 to 1,000,000,000,000."),
        ({"period": "year"}, "Select a valid choice"),
        ({"period": None}, "This field is required."),
        ({"hard": None}, "Choose one of the two."),
        ({"alert_at": ["7"]}, "Select a valid choice"),
        ({"other": "0"}, "Must be a whole number from 1 to 100."),
        ({"other": "101"}, "Must be a whole number from 1 to 100."),
        ({"alert_at": ["50", "80", "90", "100"], "other": "1"}, ""),
    ],
)
def test_what_is_wrong_is_said_beside_it(
    hers: Client, fields: dict[str, Any], sentence: str
) -> None:
    answer = send(hers, **fields)
    assert answer.status_code == (422 if sentence else 302)
    assert sentence in answer.text
    assert Limit.objects.exists() is not bool(sentence)


def test_one_for_each_period(hers: Client) -> None:
    send(hers)
    answer = send(hers, credits="20")
    assert answer.status_code == 422
    assert "There is a limit for what is spent a day already." in answer.text
    assert Limit.objects.get().credits == 10


def test_changing(hers: Client, alice: User) -> None:
    limit = make_limit(alice, 10, alert_at=[33, 80])
    url = f"/account/limits/{limit.pk}"
    page = hers.get(url).text
    assert 'value="33" checked' in " ".join(page.split()) or "33 %" in page
    was = limit_version(limit)
    assert send(hers, url, credits="30", alert_at=["33"], was=was).status_code == 302
    limit.refresh_from_db()
    assert (limit.credits, limit.alert_at, limit.period) == (30, [33], "day")


def test_of_two_tabs_the_second_looks_again(hers: Client, alice: User) -> None:
    limit = make_limit(alice, 10)
    url, was = f"/account/limits/{limit.pk}", limit_version(limit)
    send(hers, url, credits="20", was=was)
    answer = send(hers, url, credits="30", was=was)
    assert answer.status_code == 422
    assert "Somebody else has changed this meanwhile." in answer.text
    assert "20 credits a day" in answer.text, "What is now stands beside the form."
    limit.refresh_from_db()
    assert limit.credits == 20
    now = limit_version(limit)
    assert f'value="{now}"' in answer.text, "Sent once more, it is what is to be."


def test_a_limit_in_all_can_begin_anew(hers: Client, alice: User, clock: Clock) -> None:
    limit = set_limit(actor=alice, account_id=alice.pk, period="ever", credits=10)
    make_charge(alice, 6)
    clock.move(days=1)
    url, was = f"/account/limits/{limit.pk}", limit_version(limit)
    assert "Count from today anew" in hers.get(url).text
    send(hers, url, was=was, restart="on")
    assert "0 spent" in hers.get("/account/limits").text


def test_removing_asks_first(hers: Client, alice: User) -> None:
    limit = make_limit(alice, 10)
    url = f"/account/limits/{limit.pk}/remove"
    assert "Remove the limit of 10 credits a day?" in hers.get(url).text
    assert hers.post(url, {"was": "another"}).status_code == 409
    assert hers.post(url, {"was": limit_version(limit)}).status_code == 302
    assert not Limit.objects.exists()


def test_an_admins_limit_is_shown_and_not_changed(hers: Client, alice: User) -> None:
    limit = make_limit(alice, 5, by_admin=True)
    page = hers.get("/account/limits").text
    assert "set by an admin" in page
    assert f"/account/limits/{limit.pk}" not in page
    for url in (f"/account/limits/{limit.pk}", f"/account/limits/{limit.pk}/remove"):
        assert hers.get(url).status_code == 404
        assert send(hers, url).status_code == 404


def test_how_far_each_is(hers: Client, alice: User) -> None:
    make_limit(alice, 4)
    make_charge(alice, 3)
    make_charge(alice, 1, hold=True)
    page = " ".join(hers.get("/account/limits").text.split())
    assert '<rect class="spent" width="75.0"' in page
    assert '<rect class="held" x="75.0" width="25.0"' in page
    assert ">reached<" not in page
    Limit.objects.update(credits=2)
    page = hers.get("/account/limits").text
    assert ">reached<" in page
    assert "150&nbsp;%" in page


def test_the_meter_says_what_limits_leave(hers: Client, alice: User) -> None:
    assert "limits leave" not in hers.get("/credits/balance").text
    make_limit(alice, 5)
    make_charge(alice, 2)
    meter = hers.get("/credits/balance")
    assert "limits leave 3" in meter.text
    version = meter.text.split('name="v" value="')[1].split('"')[0]
    assert hers.get("/credits/balance", {"v": version}).status_code == 204
    Limit.objects.update(credits=9)
    changed = hers.get("/credits/balance", {"v": version})
    assert (changed.status_code, "limits leave 7" in changed.text) == (200, True)
