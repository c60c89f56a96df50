"""What is counted of requests to /v1, for the metrics and the desk, and for how long."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from adminpanel.overview.health import get_health
from ai_chat.calls import counts, keeping
from ai_chat.calls.by_key import Order, by_key, without_key
from ai_chat.models import ApiCall, ApiCount
from credits.amounts import PICO
from credits.models import ApiKey, UsageHistory, User
from credits.reasons import Reason
from tests.ai_chat.calls.making import State, make_call, start_call
from tests.api import Api
from tests.factories import make_key, make_secret
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def nothing_counted(db: None) -> Iterator[None]:
    counts._sums.clear()
    # Sites that tests share write theirs seconds after the test that called them.
    ApiCount.objects.all().delete()
    yield
    counts._sums.clear()


def counted() -> dict[tuple[str, int, str], int]:
    """All that was counted by now, of all keys."""
    counts.write()
    return {(each.endpoint, each.status, each.code): each.count for each in ApiCount.objects.all()}


def ask(path: str, secret: str = "", **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    if body:
        return Client().post(path, body, content_type="application/json", headers=headers)
    return Client().get(path, headers=headers)


def test_refusals_are_counted_by_their_code(alice: User, key: ApiKey) -> None:
    secret = make_secret(key)
    for _ in range(3):
        ask("/v1/models")
    ask("/v1/models", secret)
    ask("/v1/chat/completions", secret, model="none")
    ask("/v1/nothing/here", secret)
    ask("/v1/models/some-name", secret)
    assert counted() == {
        ("models", 401, "invalid_api_key"): 3,
        ("models", 200, ""): 1,
        ("chat/completions", 404, "model_not_found"): 1,
        ("", 404, "not_found"): 1,
        ("models/<path:name>", 404, "model_not_found"): 1,
    }
    assert without_key(first=TODAY, last=TODAY) == 3
    of_key = ApiCount.objects.filter(api_key=key)
    assert sum(each.count for each in of_key) == 3
    ask("/v1/models")
    assert counted()["models", 401, "invalid_api_key"] == 4


def test_a_call_is_counted_when_it_has_ended(alice: User, key: ApiKey) -> None:
    endings: list[dict[str, Any]] = [
        {},
        {},
        {"state": State.STOPPED, "streamed": True},
        {"state": State.FAILED, "failure": Reason.CUT_OFF, "streamed": True},
        {"state": State.FAILED, "failure": Reason.BUSY, "first": None},
        {"state": State.FAILED, "failure": Reason.REFUSED},
    ]
    for ending in endings:
        counts.count_call(make_call(alice, key, **ending))
    assert counted() == {
        ("chat/completions", 200, ""): 2,
        ("chat/completions", 499, "stopped"): 1,
        ("chat/completions", 200, "broke_off"): 1,
        ("chat/completions", 503, "overloaded"): 1,
        ("chat/completions", 200, Reason.REFUSED): 1,
    }
    whole = ApiCount.objects.get(code="")
    assert whole.begun == 2
    assert whole.first_seconds == pytest.approx(0.8)


@pytest.mark.django_db(transaction=True)
def test_processes_add_to_the_same_counts() -> None:
    def count(number: int) -> None:
        counts.count(key_id=None, endpoint=f"e{number % 3}", status=401)
        counts.write()

    in_parallel(9, count)
    assert [each.count for each in ApiCount.objects.order_by("endpoint")] == [3, 3, 3]


def test_old_calls_go_and_their_lines_stay(
    alice: User, key: ApiKey, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, old, running = make_call(alice, key), make_call(alice, key), start_call(alice, key)
    long_ago = timezone.now() - timedelta(days=settings.CALLS_KEPT_DAYS, minutes=1)
    ApiCall.objects.filter(pk__in=[old.pk, running.pk]).update(created_at=long_ago)
    rows = UsageHistory.objects.count()
    monkeypatch.setattr("config.pagination.BATCH", 1)
    assert keeping.forget() == 1
    assert {call.pk for call in ApiCall.objects.all()} == {kept.pk, running.pk}
    assert UsageHistory.objects.count() == rows


def test_old_counts_are_added_up_so_that_no_sum_falls(key: ApiKey, settings: Any) -> None:
    for days in (500, 450, 1):
        row = {"day": TODAY - timedelta(days=days), "api_key": key, "endpoint": "models"}
        ApiCount.objects.create(**row, status=200, count=days, begun=1, first_seconds=0.5)
    for _ in range(2):
        keeping.forget()
        added = ApiCount.objects.get(day=None)
        assert (added.count, added.begun, added.first_seconds) == (950, 2, 1.0)
        assert added.api_key_id is None
        assert ApiCount.objects.count() == 2


def test_operators_see_who_spends_what_through_which_key(
    alice: User, bob: User, key: ApiKey, admin: User
) -> None:
    quiet, theirs = make_key(alice, name="quiet"), make_key(bob, name="<b>theirs</b>")
    make_call(alice, key)
    make_call(bob, theirs, tokens=(100, 0, 0, 10, 0))
    counts.count(key_id=theirs.pk, endpoint="models", status=429, code="busy")
    counts.count(key_id=theirs.pk, endpoint="models", status=200, code="broke_off")
    counts.count(key_id=None, endpoint="models", status=401)
    counts.write()
    rows = by_key(first=TODAY, last=TODAY)
    assert [row.key for row in rows] == [key, theirs]
    assert [int(row.spent) for row in rows] == [9 * PICO // 10, 12 * PICO // 100]
    assert (rows[1].requests, rows[1].limited, rows[1].broke_off) == (2, 1, 1)
    for order in Order:
        assert len(by_key(first=TODAY, last=TODAY, order=order)) == 2
    assert by_key(first=TODAY, last=TODAY, order=Order.LIMITED)[0].key == theirs
    assert by_key(first=TODAY - timedelta(9), last=TODAY - timedelta(8)) == []
    page = Api(admin).get("/admin/usage/keys").text
    assert "1 request without a valid key" in page
    assert "&lt;b&gt;theirs&lt;/b&gt;" in page
    assert quiet.public_id not in page
    assert f"/admin/users/{bob.pk}/calls?key={theirs.public_id}&amp;outcome=broke_off" in page
    assert theirs.public_id not in Api(admin).get(f"/admin/usage/keys?user={alice.pk}").text
    file = Api(admin).get("/admin/usage/keys.csv?order=limited").getvalue().decode()
    assert file.splitlines()[1].startswith(theirs.public_id)
    assert Api(admin).get("/admin/usage/keys?order=x").status_code == 400


def test_operators_see_the_calls_of_a_person(
    alice: User, bob: User, key: ApiKey, admin: User
) -> None:
    call = make_call(alice, key)
    other = make_call(bob, make_key(bob))
    page = Api(admin).get(f"/admin/users/{alice.pk}/calls").text
    assert call.request_id in page
    assert other.request_id not in page
    assert f"/admin/usage?row={call.charge_id}#row-{call.charge_id}" in page
    assert Api(admin).get(f"/admin/users/{alice.pk}/calls?outcome=x").status_code == 400
    assert f"/admin/users/{alice.pk}/calls" in Api(admin).get(f"/admin/users/{alice.pk}").text


def test_the_metrics_have_requests_and_the_time_to_the_first_piece(
    alice: User, key: ApiKey
) -> None:
    counts.count_call(make_call(alice, key, first=0.25))
    ask("/v1/nothing")
    counts.write()
    text = Api(headers={"Host": "localhost"}).get("/metrics").content.decode()
    requests = 'tally_api_requests_total{code="",endpoint="chat/completions",status="200"} 1.0\n'
    assert requests in text
    assert 'tally_api_requests_total{code="not_found",endpoint="none",status="404"} 1.0\n' in text
    assert 'tally_api_first_piece_seconds_sum{endpoint="chat/completions"} 0.25\n' in text
    assert 'tally_api_first_piece_seconds_count{endpoint="chat/completions"} 1.0\n' in text


def test_the_desk_says_when_somebody_tries_keys(db: None) -> None:
    def sign() -> Any:
        return next(each for each in get_health().signs if each.label == "API calls")

    assert (sign().state, sign().text) == (
        "ok", "0 without a key, 0 too many, 0 broke off since yesterday",
    )  # fmt: skip
    ApiCount.objects.create(day=TODAY, endpoint="models", status=401, count=1000)
    assert sign().state == "warn"
    assert sign().text.startswith("1,000 without a key")
    ApiCount.objects.update(day=TODAY - timedelta(days=3))
    assert sign().state == "ok"
