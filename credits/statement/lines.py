"""Rows of the journal as lines that people read. A charge by tokens and what came back of it unused
are one line, at the place of the charge, as if the rest had never left: so balances chain from line
to line whatever lies between the two rows. The API and files have row after row."""

from collections.abc import Sequence
from typing import NamedTuple

from credits.models import UsageHistory
from credits.sql import fetch_all
from credits.statement.history import UNUSED, Rows

LATER = """
SELECT p.account_id, l.*
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS p (account_id, oldest, newest)
CROSS JOIN LATERAL credits_returned_later(p.account_id, p.oldest, p.newest) l
"""


class _Return(NamedTuple):
    account_id: int
    charge_id: int
    row_id: int
    credits: int


def without_returns(rows: Rows) -> Rows:
    """The rows that are lines of their own."""
    return rows.exclude(UNUSED)


def fold(rows: Sequence[UsageHistory]) -> None:
    """Gives each row of a page the figures of its line: `line_out` and `line_balance`."""
    returns = _returns(rows)
    for row in rows:
        back = sum(each.credits for each in returns if each.charge_id == row.pk)
        pending = sum(
            each.credits
            for each in returns
            if each.account_id == row.account_id and each.charge_id <= row.pk < each.row_id
        )
        row.line_out = row.credits_used - back
        row.line_balance = row.balance_after + pending


def _returns(rows: Sequence[UsageHistory]) -> list[_Return]:
    """What came back unused of charges on a page, or before it, behind its oldest row."""
    ids: dict[int, list[int]] = {}
    for row in rows:
        ids.setdefault(row.account_id, []).append(row.pk)
    pages = [*ids], [min(each) for each in ids.values()], [max(each) for each in ids.values()]
    return [_Return(*row) for row in fetch_all(LATER, pages)]


def line_of(*, account_id: int, row_id: int) -> int:
    """The row at whose line a row stands: its own, or that of the charge of which it came back."""
    rows = UsageHistory.objects.filter(UNUSED, account_id=account_id, pk=row_id)
    return rows.values_list("refund_of_id", flat=True).first() or row_id
