"""GET /metrics."""

from typing import Any

import pytest

from credits.models import User
from tests.api import Api
from tests.factories import make_charge, make_check

TOKEN = "t" * 16
FAR: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}


def test_the_numbers_are_those_of_the_database(alice: User) -> None:
    make_charge(alice, 3, hold=True)
    text = Api(headers={"Host": "localhost"}).get("/metrics").content.decode()
    assert "tally_credits_outstanding 97.0\n" in text
    assert "tally_holds_open 1.0\n" in text
    assert "tally_holds_overdue 0.0\n" in text


def test_the_newest_check_of_each_kind_is_told(db: None) -> None:
    for whole, ok, seconds in ((True, True, 9), (True, False, 88.5), (False, True, 2)):
        kept = make_check(whole=whole, ok=ok, seconds=seconds)
    text = Api(headers={"Host": "localhost"}).get("/metrics").content.decode()
    assert 'tally_ledger_check_ok{of="whole"} 0.0\n' in text
    assert 'tally_ledger_check_ok{of="changed"} 1.0\n' in text
    assert 'tally_ledger_check_seconds{of="whole"} 88.5\n' in text
    [line] = [line for line in text.splitlines() if 'timestamp_seconds{of="changed"}' in line]
    assert float(line.split()[1]) == pytest.approx(kept.started_at.timestamp())


def test_a_token_opens_them_from_anywhere(db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    for given, status in ((TOKEN, 200), ("t" * 15, 404), ("", 404), ("té", 404)):
        headers = {"Authorization": f"Bearer {given}"}
        assert Api(**FAR).get("/metrics", headers=headers).status_code == status


def test_without_a_token_none_opens_them(db: None) -> None:
    headers = {"Authorization": "Bearer "}
    assert Api(**FAR).get("/metrics", headers=headers).status_code == 404


def test_an_admin_may_from_anywhere_and_others_may_not(admin: User, alice: User) -> None:
    assert Api(admin, **FAR).get("/metrics").status_code == 200
    assert Api(alice, **FAR).get("/metrics").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [{"Host": "testserver"}, {"Host": "localhost", "X-Forwarded-For": "192.0.2.1"}],
)
def test_what_a_proxy_passes_on_is_not_local(headers: dict[str, str], db: None) -> None:
    assert Api().get("/metrics", headers=headers).status_code == 404
