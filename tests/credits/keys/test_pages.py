"""The pages of one's own keys: the secret once, the list, and what can be done."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from credits.keys.lookup import InvalidApiKey, find_caller
from credits.keys.services import make_key as make_whole
from credits.models import ApiKey, Limit, User
from tests.api import BACKEND
from tests.clock import Clock
from tests.credits.users.conftest import Browser
from tests.factories import make_charge, make_key, make_limit, make_model, make_secret, sql_now

pytestmark = pytest.mark.django_db
LIST = "/account/keys"
SECRET = re.compile("sk-tally_[0-9A-Za-z]{36}")


@pytest.fixture
def page(alice: User) -> Browser:
    browser = Browser()
    browser.client.force_login(alice, backend=BACKEND)
    return browser


def address(key: ApiKey) -> str:
    return f"{LIST}/{key.public_id}"


def test_without_keys_the_page_says_what_they_are_for(page: Browser) -> None:
    assert "No keys yet" in page.get(LIST).text
    assert f'href="{LIST}"' in page.get("/account").text


def test_the_secret_is_shown_once_and_no_cache_keeps_it(page: Browser, alice: User) -> None:
    answer = page.send(LIST, name="My <b>own</b>", which="all")
    [secret] = set(SECRET.findall(answer.text))
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get()
    assert find_caller(secret).key_id == key.pk
    for path in (LIST, address(key), f"{address(key)}/roll", f"{address(key)}/revoke"):
        shown = page.get(path).text
        assert "My &lt;b&gt;own&lt;/b&gt;" in shown
        assert f"…{secret[-4:]}" in shown
        assert not SECRET.search(shown)


def test_a_key_is_made_as_the_form_says(page: Browser, alice: User) -> None:
    make_model("small")
    make_model("other")
    make_model("gone", active=False)
    shown = page.get(LIST).text
    assert 'value="small"' in shown
    assert 'value="gone"' not in shown
    page.send(LIST, name="CI", which="only", models="small", day="5", ever="100",
              last_day="2099-01-01", calls_per_minute="30")  # fmt: skip
    key = ApiKey.objects.get()
    assert key.calls_per_minute == 30
    assert (key.only_models, key.expires_at) == (["small"], datetime(2099, 1, 2, tzinfo=UTC))
    own = Limit.objects.filter(api_key=key)
    assert set(own.values_list("period", "credits")) == {("day", 5), ("ever", 100)}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Must be 1 to 100 characters on one line."),
        ({"name": "x" * 101}, "Must be 1 to 100 characters on one line."),
        ({"which": ""}, "Choose one of the two."),
        ({"which": "only"}, "Choose at least one model."),
        ({"which": "only", "models": "<unknown>"}, "&lt;unknown&gt; is no model that is offered."),
        ({"day": "1.5"}, "Must be a whole number from 0"),
        ({"calls_per_minute": "0"}, "Must be a whole number from 1 to 100,000."),
        ({"last_day": "2020-01-01"}, "Must be in the future."),
        ({"last_day": "tomorrow"}, "Write a day as 2026-11-30."),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    page: Browser, fields: dict[str, str], sentence: str
) -> None:
    answer = page.send(LIST, **{"name": "CI", "which": "all", **fields})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert not ApiKey.objects.exists()
    assert not SECRET.search(answer.text)


def test_the_list_says_what_became_of_each(page: Browser, alice: User, bob: User) -> None:
    used = make_key(alice, name="used")
    make_limit(alice, 20, api_key=used)
    secret = make_secret(used)
    find_caller(secret)
    make_charge(alice, 3, key_id=used.pk)
    make_key(alice, name="over", expires_at=sql_now())
    revoked = make_key(alice, name="ended")
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=sql_now())
    make_key(bob, name="stranger")
    shown = page.get(LIST).text
    assert "stranger" not in shown
    rows = {
        name: " ".join(re.sub("<[^>]+>", " ", row).split())
        for row in shown.split("<tr>")
        for name in ("used", "over", "ended")
        if f">{name}</a>" in row
    }
    assert f"…{secret[-4:]} active" in rows["used"]
    assert "3 of 20 credits a day" in rows["used"]
    assert "never" not in rows["used"]
    assert "expired" in rows["over"]
    assert "never 0 none" in rows["over"]
    assert "revoked" in rows["ended"]
    assert shown.index("used") < shown.index(">Revoked<") < shown.index("ended")


def test_a_key_has_a_chart_of_what_it_spent(page: Browser, alice: User, clock: Clock) -> None:
    key = make_key(alice, name="CI")
    assert "<figure" not in page.get(address(key)).text
    make_charge(alice, 3, key_id=key.pk)
    clock.move(days=2)
    make_charge(alice, 2, key_id=key.pk)
    make_charge(alice, 9)
    shown = page.get(address(key)).text
    assert [int(each) for each in re.findall(r": (\d+) spent</title>", shown)] == [0] * 27 + [
        3,
        0,
        2,
    ]
    assert shown.count('<td class="n">') == 2


def test_changing_a_key(page: Browser, alice: User) -> None:
    make_model("small")
    made = make_whole(actor=alice, account_id=alice.pk, name="CI", limits={"day": 5, "week": 9})
    key = made.key
    shown = page.get(address(key)).text
    assert re.search('name="day"[^>]* value="5"|value="5"[^>]* name="day"', shown)
    answer = page.send(address(key), name="New", which="only", models="small", day="6")
    assert answer["Location"] == address(key)
    key.refresh_from_db()
    assert (key.name, key.only_models) == ("New", ["small"])
    assert list(Limit.objects.values_list("period", "credits")) == [("day", 6)]
    assert find_caller(made.secret).only_models == ["small"]


def test_saving_a_key_again_moves_nothing(page: Browser, alice: User) -> None:
    """A moment in the middle of a day stays, as does a model that is not offered any more."""
    end = sql_now() + timedelta(days=40, hours=3)
    make_model("gone", active=False)
    key = make_key(
        alice, name="CI", expires_at=end, only_models=["gone"], calls_per_minute=30
    )  # fmt: skip
    shown = page.get(address(key)).text
    assert "gone (not offered now)" in shown
    assert "<dt>Calls a minute</dt><dd>30</dd>" in shown
    assert re.search('name="calls_per_minute"[^>]* value="30"|value="30"[^>]* name="calls', shown)
    page.send(address(key), name="CI", which="only", models="gone", last_day=f"{end:%Y-%m-%d}")
    key.refresh_from_db()
    assert (key.expires_at, key.only_models) == (end, ["gone"])
    page.send(address(key), name="CI", which="all", last_day="")
    key.refresh_from_db()
    assert (key.expires_at, key.only_models) == (None, None)


def test_rolling_asks_first(page: Browser, alice: User) -> None:
    key = make_key(alice)
    first = make_secret(key)
    assert page.get(f"{address(key)}/roll").status_code == 200
    assert find_caller(first)
    answer = page.send(f"{address(key)}/roll", overlap_days="1")
    [second] = set(SECRET.findall(answer.text))
    assert "no-store" in answer["Cache-Control"]
    assert find_caller(first) == find_caller(second)
    assert f"…{first[-4:]}" in page.get(address(key)).text
    refused = page.send(f"{address(key)}/roll", overlap_days="2")
    assert refused.status_code == 422
    assert "its former secret still works" in refused.text
    answer = page.send(f"{address(key)}/roll", overlap_days="0")
    for former in (first, second):
        with pytest.raises(InvalidApiKey):
            find_caller(former)
    assert page.send(f"{address(key)}/roll", overlap_days="8").status_code == 422


def latest(answer: Any) -> str:
    """The secret made last, as the form on a page names it."""
    return str(answer.context["form"]["was"].value())


def test_loading_a_shown_secret_again_makes_no_other(page: Browser, alice: User) -> None:
    """A reload sends the form once more, with what it said of the secret that was the latest."""
    make_key(alice, name="first")
    form = {"name": "CI", "which": "all", "was": latest(page.get(LIST))}
    assert page.send(LIST, **form).status_code == 200
    again = page.send(LIST, **form)
    assert again.status_code == 422
    assert "A key was made since this form was opened" in again.text
    key = ApiKey.objects.get(name="CI")
    assert page.send(LIST, **form | {"was": latest(again)}).status_code == 200
    roll = f"{address(key)}/roll"
    form = {"overlap_days": "0", "was": latest(page.get(roll))}
    [secret] = set(SECRET.findall(page.send(roll, **form).text))
    again = page.send(roll, **form)
    assert again.status_code == 422
    assert "A new secret was made since" in again.text
    assert find_caller(secret).key_id == key.pk


def test_keys_calls_and_the_reference_lead_to_each_other(page: Browser, alice: User) -> None:
    key = make_key(alice)
    calls, reference = "/account/calls", "/api/docs/v1"
    for start, ends in {
        "/ai-chat": [LIST],
        LIST: [calls, reference],
        address(key): [LIST, f"{address(key)}/calls", f"/usage?key={key.public_id}", reference],
        f"{address(key)}/calls": [address(key), calls],
        calls: [LIST],
        "/usage": [calls],
        reference: [LIST],
    }.items():
        shown = page.get(start).text
        for end in ends:
            assert f'href="{end}"' in shown, (start, end)


def test_revoking_asks_first(page: Browser, alice: User) -> None:
    key = make_key(alice)
    secret = make_secret(key)
    assert page.get(f"{address(key)}/revoke").status_code == 200
    assert find_caller(secret)
    assert page.send(f"{address(key)}/revoke")["Location"] == LIST
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    shown = page.get(address(key)).text
    assert "Nothing more is charged in its name" in shown
    assert "Change it" not in shown


def test_a_revoked_key_is_not_rolled(page: Browser, alice: User) -> None:
    key = make_key(alice)
    ApiKey.objects.update(revoked_at=sql_now())
    answer = page.send(f"{address(key)}/roll", overlap_days="0")
    assert answer.status_code == 422
    assert "This key was revoked." in answer.text


@pytest.mark.parametrize("part", ["", "/roll", "/revoke"])
def test_another_s_key_is_not_there(page: Browser, bob: User, part: str) -> None:
    key = make_key(bob)
    secret = make_secret(key)
    assert page.get(address(key) + part).status_code == 404
    assert page.client.post(address(key) + part).status_code == 403  # No token of ours.
    assert Client().get(address(key) + part).status_code == 302
    assert find_caller(secret)


def test_many_keys_take_as_many_statements(
    page: Browser, alice: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        make_limit(alice, 5, api_key=make_key(alice))
    page.get(LIST)  # The first look fills the catalogue.
    with django_assert_max_num_queries(16):
        page.get(LIST)
