"""GET /usage.csv."""

import csv
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise

import pytest
from django.db import connection

from config.pagination import in_batches
from credits.adjustments import adjust_credits
from credits.api.usage_csv import COLUMNS
from credits.ledger import refund_charge
from credits.models import User
from credits.statement.csv_file import csv_lines, text_cell
from credits.statement.history import statement
from credits.statement.use_columns import USE_COLUMNS
from tests.api import Api
from tests.clock import Clock
from tests.factories import make_charge, make_key

CSV = "/usage.csv"


def table(user: User, query: str = "") -> list[dict[str, str]]:
    response = Api(user).get(CSV + query)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(response.getvalue().decode())))


def test_a_row_has_everything_the_statement_has(alice: User) -> None:
    charge = make_charge(alice, 2, details={"model": "gone"})
    row = table(alice)[0]
    assert datetime.fromisoformat(row.pop("Time (UTC)"))
    assert row == {
        "Row": str(charge.id),
        "What": "2 messages",
        "Note": "gone · 1 each",
        "Credits used": "2",
        "Balance after": "98",
        "Unit cost": "1",
        "Quantity": "2",
        "Key": "",
        "Refund of": "",
        **dict.fromkeys(USE_COLUMNS, ""),
    }


def test_it_is_a_file_to_keep(alice: User) -> None:
    response = Api(alice).get(CSV)
    assert response["Content-Disposition"].startswith('attachment; filename="tally-usage-')
    assert "no-store" in response["Cache-Control"]


def test_every_row_is_there_once_over_many_batches(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pagination.BATCH", 3)
    expected = [make_charge(alice).id for _ in range(10)]
    rows = [int(row["Row"]) for row in table(alice, "?kind=charge")]
    assert rows == expected[::-1]


def test_the_balance_chains_down_the_file(alice: User) -> None:
    for _ in range(4):
        make_charge(alice)
    rows = table(alice)
    for later, earlier in pairwise(rows):
        before = int(earlier["Balance after"]) - int(later["Credits used"])
        assert before == int(later["Balance after"])


def test_the_filters_of_the_page_hold(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2031, 5, 1, 12, tzinfo=UTC))
    charge = make_charge(alice)
    refund_charge(charge_id=charge.id, reason="provider_error", idempotency_key="r")
    assert [row["What"] for row in table(alice, "?from=2031-05-01&kind=refund")] == ["Refund"]
    assert [row["Row"] for row in table(alice, "?kind=ai_text_chat")] == [str(charge.id)]
    assert table(alice, "?to=2031-04-30&kind=charge") == []
    assert len(table(alice, "?kind=&from=&before=9&row=1")) == 3


def test_of_a_key_there_are_its_charges_and_what_came_back(alice: User) -> None:
    key = make_key(alice, name="CI")
    charge = make_charge(alice, key_id=key.pk)
    refund = refund_charge(charge_id=charge.id, reason="provider_error", idempotency_key="r")
    make_charge(alice)
    rows = table(alice, f"?key={key.public_id}")
    assert [row["Row"] for row in rows] == [str(refund.id), str(charge.id)]
    assert [row["Key"] for row in rows] == ["", "CI"]
    assert table(alice, "?key=key_0000000000000000") == []


@pytest.mark.parametrize("query", ["kind=spend", "key=1", "from=x", "to=2026-02-30", "feature=%00"])
def test_a_filter_that_means_nothing_is_400(query: str, alice: User) -> None:
    assert Api(alice).get(f"{CSV}?{query}").status_code == 400


def test_who_adjusted_is_an_admin_whoever_it_was(alice: User) -> None:
    adjust_credits(
        user_id=alice.pk, delta=5, reason="gift", actor="dora@example.com", idempotency_key="k"
    )
    assert table(alice)[0]["Note"] == "gift, by an admin"


def test_nobody_is_sent_to_sign_in(db: None) -> None:
    assert Api().get(CSV).status_code == 302


def test_other_peoples_rows_are_not_there(alice: User, bob: User) -> None:
    make_charge(bob)
    assert len(table(alice)) == 1


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "－1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_what_looks_like_a_formula_is_text(formula: str, alice: User) -> None:
    reason = f'{formula},"cmd|calc"'
    adjust_credits(user_id=alice.pk, delta=1, reason=reason, actor="a", idempotency_key="k")
    assert not table(alice)[0]["Note"].lstrip().startswith(("=", "+", "-", "@", "＝", "－"))
    assert text_cell(formula) == f"'{formula}"


def test_a_formula_behind_another_countrys_separator_is_text() -> None:
    """Where a comma is in numbers, spreadsheets part a file's cells at semicolons."""
    assert text_cell("a;=cmd|'/C calc'!A0;") == "a;'=cmd|'/C calc'!A0;"
    assert text_cell("one; two\t three-four") == "one; two\t three-four"


def test_numbers_stay_numbers(alice: User) -> None:
    adjust_credits(user_id=alice.pk, delta=5, reason="gift", actor="a", idempotency_key="k")
    assert table(alice)[0]["Credits used"] == "-5"


@pytest.mark.django_db(transaction=True)
def test_a_slow_reader_keeps_no_connection(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.pagination.BATCH", 1)
    make_charge(alice)
    pieces = csv_lines(in_batches(statement(user_id=alice.pk)), COLUMNS)
    next(pieces)
    for _ in pieces:
        assert connection.connection is None
