"""Comparing the answers that the spenders got with what the journal says."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg

from credits.amounts import PICO
from tests.chaos.experiment import CREDITS

type Answer = dict[str, Any]

#: Each use by the key of its charge: tokens, pico-credits and credits, and the price of its charge.
USES = """
SELECT c.idempotency_key, u.input, u.output, u.collected, u.kept, c.bound, p.input, p.output
FROM credits_use u JOIN credits_usagehistory c ON c.id = u.charge_id
JOIN credits_tokenprice p ON p.id = c.price_id
"""


def assert_nothing_lost_nothing_doubled(url: str, answers: list[Answer]) -> None:
    """Every answer has its row, every row its answer, and each balance is what they add up to."""
    with psycopg.connect(url) as database:
        charges = _keys(
            database,
            "SELECT idempotency_key, id FROM credits_usagehistory WHERE unit_cost IS NOT NULL",
        )
        grants = _keys(
            database, "SELECT key, id FROM credits_creditgrant WHERE key NOT LIKE 'experiment %'"
        )
        balances: dict[int, int] = dict(
            database.execute(
                "SELECT account_id, credits_remaining FROM credits_creditbalance"
            ).fetchall()
        )
        held = database.execute("SELECT count(*) FROM credits_hold").fetchone()
        uses = {key: figures for key, *figures in database.execute(USES).fetchall()}
        ahead: dict[int, Decimal] = dict(
            database.execute("SELECT account_id, pico FROM credits_paidahead").fetchall()
        )
    results = {a["key"]: a.get("charge") for a in answers if "grant" not in a}
    # People at the chat do not get the number of their charge, but that there is one.
    assert charges == {key: charge or charges.get(key) for key, charge in results.items()}
    assert grants == {a["key"]: a["grant"] for a in answers if "grant" in a}
    kept: Counter[int] = Counter()
    for answer in answers:
        kept[answer["user"]] += answer["kept"]
    assert balances == {user: CREDITS - kept[user] for user in balances}
    assert held == (0,)
    _assert_uses_are_exact(answers, uses, ahead)


def _assert_uses_are_exact(
    answers: list[Answer], uses: dict[str, list[Any]], ahead: dict[int, Decimal]
) -> None:
    """Each use has its answer's figures, and costs its tokens at the price that its charge names;
    what is paid ahead is what was kept of all, less what was collected."""
    paid: Counter[int] = Counter()
    told = {answer["key"]: answer for answer in answers if "tokens" in answer}
    assert uses.keys() == told.keys()
    for key, (read, written, collected, kept, bound, per_input, per_output) in uses.items():
        answer = told[key]
        assert [read, written] == answer["tokens"]
        cost = Fraction(read * per_input + written * per_output)
        assert Fraction(collected) == min(cost, Fraction(bound)) == answer["collected"], key
        assert kept == answer["kept"], key
        paid[answer["user"]] += kept * PICO - answer["collected"]
    assert {user: pico for user, pico in ahead.items() if pico} == {
        user: pico for user, pico in paid.items() if pico
    }


def _keys(database: psycopg.Connection[Any], query: str) -> dict[str, int]:
    rows = database.execute(query.encode()).fetchall()
    keys = dict(rows)
    assert len(keys) == len(rows), "A key stands on two rows."
    return keys
