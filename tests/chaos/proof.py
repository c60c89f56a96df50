"""Comparing the answers that the spenders got with what the journal says."""

from collections import Counter
from typing import Any

import psycopg

from tests.chaos.experiment import CREDITS

type Answer = dict[str, Any]


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
    results = {a["key"]: a.get("charge") for a in answers if "grant" not in a}
    # People at the chat do not get the number of their charge, but that there is one.
    assert charges == {key: charge or charges.get(key) for key, charge in results.items()}
    assert grants == {a["key"]: a["grant"] for a in answers if "grant" in a}
    kept: Counter[int] = Counter()
    for answer in answers:
        kept[answer["user"]] += answer["kept"]
    assert balances == {user: CREDITS - kept[user] for user in balances}
    assert held == (0,)


def _keys(database: psycopg.Connection[Any], query: str) -> dict[str, int]:
    rows = database.execute(query.encode()).fetchall()
    keys = dict(rows)
    assert len(keys) == len(rows), "A key stands on two rows."
    return keys
