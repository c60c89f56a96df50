"""The log of calls: `/account/calls`, the page of one key's, and the file."""

import csv
from typing import Any

import pytest
from django.test import Client

from ai_chat.calls import forms as calls_forms
from ai_chat.calls.log import Outcome
from ai_chat.calls.statuses import FAILURES, status_of
from ai_chat.models import ApiCall
from credits.ledger import release_charge
from credits.models import ApiKey, Hold, User
from credits.reasons import Reason
from tests.ai_chat.calls.making import State, make_call, start_call
from tests.factories import make_key, sql_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


def shown(browser: Client, path: str = "/account/calls") -> list[ApiCall]:
    return [line.call for line in browser.get(path).context["page"].rows]


def test_a_call_is_told_of_with_its_tokens_cost_and_request(
    browser: Client, alice: User, key: ApiKey
) -> None:
    call = make_call(alice, key, streamed=True)
    page = browser.get("/account/calls").text
    assert call.request_id in page
    for text in ("CI", "chat/completions", "streamed", "1,200 in", "1,000 cached", "300 out",
                 "20 reasoning", ">0.9<", "first at 0.40", ">200<"):  # fmt: skip
        assert text in page, text
    assert f"/usage?row={call.charge_id}#row-{call.charge_id}" in page


def test_one_key_has_a_page_of_its_own(browser: Client, alice: User, key: ApiKey) -> None:
    call = make_call(alice, key)
    other = make_key(alice, name="other")
    make_call(alice, other)
    ApiKey.objects.filter(pk=other.pk).update(revoked_at=sql_now())
    assert shown(browser, f"/account/keys/{key.public_id}/calls") == [call]
    assert len(shown(browser)) == 2
    assert ">other (revoked)</option>" in browser.get("/account/calls").text


def test_nobody_sees_the_calls_of_another_account(
    browser: Client, alice: User, bob: User, key: ApiKey
) -> None:
    theirs = make_key(bob)
    call = make_call(bob, theirs)
    assert browser.get(f"/account/keys/{theirs.public_id}/calls").status_code == 404
    assert browser.get(f"/account/calls?key={theirs.public_id}").status_code == 400
    assert shown(browser, f"/account/calls?request={call.request_id}") == []


@pytest.mark.parametrize(
    ("columns", "status", "outcome"),
    [
        ({}, 200, Outcome.DONE),
        ({"state": State.STOPPED}, 499, Outcome.STOPPED),
        ({"failure": Reason.PROVIDER_ERROR, "first": None}, 502, Outcome.FAILED),
        ({"failure": Reason.TIMEOUT, "first": None, "streamed": True}, 504, Outcome.FAILED),
        ({"failure": Reason.CUT_OFF, "first": 1.5, "streamed": True}, 200, Outcome.BROKE_OFF),
        ({"failure": Reason.CUT_OFF, "first": 1.5}, 502, Outcome.FAILED),
        ({"failure": Reason.REFUSED, "first": 1.5, "streamed": True}, 200, Outcome.FAILED),
        ({"failure": Reason.REFUSED, "first": None}, 400, Outcome.FAILED),
    ],
)
def test_the_status_is_what_was_answered(
    browser: Client, alice: User, key: ApiKey, columns: dict[str, Any], status: int, outcome: str
) -> None:
    if "failure" in columns:
        columns = {"state": State.FAILED, **columns}
    make_call(alice, key, **columns)
    [line] = browser.get("/account/calls").context["page"].rows
    assert (line.status, line.outcome) == (status, outcome)
    for each in Outcome:
        found = shown(browser, f"/account/calls?outcome={each.value}")
        assert bool(found) == (each == outcome), each


def test_every_failure_has_a_status(alice: User) -> None:
    for reason in Reason:
        call = ApiCall(state=State.FAILED, failure=reason, streamed=False)
        assert status_of(call) == FAILURES.get(reason, (502, ""))[0]


def test_a_call_of_a_process_that_died_has_failed(
    browser: Client, alice: User, key: ApiKey
) -> None:
    call = start_call(alice, key)
    [line] = browser.get("/account/calls").context["page"].rows
    assert line.status is None
    assert line.cost is None
    release_charge(charge_id=call.charge.pk, reason=Reason.LEASE_EXPIRED)
    assert not Hold.objects.filter(charge_id=call.charge.pk).exists()
    [line] = browser.get("/account/calls").context["page"].rows
    assert (line.status, line.cost_words) == (502, "0")


def test_filters_and_pages_follow_one_another(
    browser: Client, alice: User, key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_forms, "SHOWN", 2)
    made = [make_call(alice, key) for _ in range(5)][::-1]
    make_call(alice, make_key(alice, name="other"))
    path = f"/account/calls?key={key.public_id}&model={made[0].model}&from=2020-01-01"
    seen: list[ApiCall] = []
    place = ""
    while True:
        page = browser.get(path + place).context["page"]
        seen += [line.call for line in page.rows]
        if not page.older:
            break
        place = f"&before={page.older}"
    assert seen == made
    newer = browser.get(f"{path}&after={page.newer}").context["page"]
    assert [line.call for line in newer.rows] == made[2:4]
    assert shown(browser, "/account/calls?model=other") == []
    assert shown(browser, "/account/calls?to=2020-01-01") == []


@pytest.mark.parametrize(
    "wrong",
    ["outcome=x", "key=x", "from=x", "request=x", "before=x", "before=1.2", "model=" + "m" * 999],
)
def test_what_cannot_be_asked_for_is_said(browser: Client, key: ApiKey, wrong: str) -> None:
    assert browser.get(f"/account/calls?{wrong}").status_code == 400
    assert browser.get(f"/account/calls.csv?{wrong}").status_code == 400


def test_a_request_is_found_by_its_id(browser: Client, alice: User, key: ApiKey) -> None:
    wanted, _ = make_call(alice, key), make_call(alice, key)
    assert shown(browser, f"/account/calls?request={wanted.request_id}") == [wanted]
    assert shown(browser, f"/account/calls?request=%20{wanted.pk.hex}") == [wanted]


def test_the_file_has_every_call(browser: Client, alice: User, key: ApiKey) -> None:
    done = make_call(alice, key, streamed=True)
    make_call(alice, key, state=State.FAILED, failure=Reason.BUSY, first=None)
    answer = browser.get("/account/calls.csv?outcome=done")
    [row] = csv.DictReader(answer.getvalue().decode().splitlines())
    assert row["Request"] == done.request_id
    assert row["Cost"] == "0.900000000000"
    assert (row["Tokens in"], row["Tokens out"], row["Status"]) == ("1200", "300", "200")
    rows = list(csv.DictReader(browser.get("/account/calls.csv").getvalue().decode().splitlines()))
    assert [row["Status"] for row in rows] == ["503", "200"]
    assert (rows[0]["Cost"], rows[0]["Tokens in"]) == ("0.000000000000", "")


def test_without_calls_the_page_says_what_would_stand_there(browser: Client, key: ApiKey) -> None:
    assert "No calls yet" in browser.get("/account/calls").text
    assert "No calls yet" in browser.get(f"/account/keys/{key.public_id}/calls").text
    assert "No such calls" in browser.get("/account/calls?outcome=done").text


def test_a_line_of_the_statement_names_the_key_and_leads_to_the_call(
    browser: Client, alice: User, key: ApiKey
) -> None:
    call = make_call(alice, key)
    page = browser.get("/usage").text
    assert "by key CI" in page
    answer = browser.get(f"/ai-chat/charges/{call.charge_id}")
    assert answer["Location"] == f"/account/calls?request={call.request_id}"
    assert shown(browser, answer["Location"]) == [call]
    call.delete()
    assert browser.get(f"/ai-chat/charges/{call.charge_id}")["Location"].startswith("/usage")
