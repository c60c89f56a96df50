"""A user's history as a bank statement: sums of a range that add up, and pages of rows. Days are
the reader's. A range is cut by journal ids, not by times: balances chain by id, so what was at the
beginning plus what moved is always what was at the end."""

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from config.pagination import Key, Page, paginate
from credits.models import UsageHistory
from credits.sql import fetch_all
from credits.statement.days import midnight
from credits.statement.history import filter_rows, statement
from credits.statement.lines import fold, without_returns

PAGE = 50
#: A range of more days than this is drawn by the month.
DAYS_DRAWN = 92


class Edge(NamedTuple):
    """Where a range begins or ends: the last row before it, and the balance there, with what was
    reserved by then and came back unused later."""

    row_id: int
    balance: int


@dataclass(frozen=True)
class Range:
    """The days from `first` to `last`, both included, as ids of one user's rows."""

    user_id: int
    first: date
    last: date
    opening: Edge
    closing: Edge


@dataclass(frozen=True)
class Sums:
    """Credits that moved; all are positive except `adjusted`."""

    granted: int = 0
    spent: int = 0
    refunded: int = 0
    expired: int = 0
    adjusted: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def taken(self) -> int:
        """What adjustments took away, when they took more than they brought."""
        return max(-self.adjusted, 0)


def get_range(*, user_id: int, first: date, last: date) -> Range:
    """Looks up both edges."""
    opening = _edge(user_id, first)
    closing = _edge(user_id, last + timedelta(days=1))
    return Range(user_id, first, last, opening, closing)


EDGE = """
SELECT e.row_id, (e.balance + coalesce(sum(l.credits), 0))::bigint
FROM credits_edge(%(account)s, %(moment)s) e
LEFT JOIN credits_returned_later(%(account)s, e.row_id, e.row_id) l ON true
GROUP BY e.row_id, e.balance
"""


def _edge(user_id: int, day: date) -> Edge:
    [edge] = fetch_all(EDGE, {"account": user_id, "moment": midnight(day)})
    return Edge(*edge)


# The five sums follow the kinds of `credits.statement.history`; a refund and its charge share
# their operation. What was not used counts where it had been reserved (`lines.py`).
SUMS = """
WITH moved AS (
    SELECT created_at, operation_type, credits_used, unit_cost IS NOT NULL AS spent,
        refund_of_id IS NOT NULL AS refunded
    FROM credits_usagehistory
    WHERE account_id = %(account)s AND id > %(after)s AND id <= %(last)s
        AND (NOT by_payer OR details ->> 'reason' <> 'unused')
    UNION ALL
    SELECT c.created_at, c.operation_type, r.credits_used, true, false
    FROM credits_use u
    JOIN credits_usagehistory c ON c.id = u.charge_id
    JOIN credits_usagehistory r ON r.refund_of_id = u.charge_id AND r.by_payer
        AND r.details ->> 'reason' = 'unused'
    WHERE u.account_id = %(account)s AND u.charge_id > %(after)s AND u.charge_id <= %(last)s
)
SELECT greatest(width_bucket(created_at, %(starts)s::timestamptz[]), 1),
    coalesce(sum(-credits_used) FILTER (WHERE operation_type = 'GRANT'), 0)::bigint,
    coalesce(sum(credits_used) FILTER (WHERE spent), 0)::bigint,
    coalesce(sum(-credits_used) FILTER (WHERE refunded), 0)::bigint,
    coalesce(sum(credits_used) FILTER (WHERE operation_type = 'EXPIRY'), 0)::bigint,
    coalesce(sum(-credits_used) FILTER (WHERE operation_type = 'ADJUSTMENT'), 0)::bigint
FROM moved
GROUP BY 1
"""


def sums_by_step(span: Range) -> dict[date, Sums]:
    """What moved on each day, or in each month of a long range; steps without rows are absent."""
    days = list(steps_of(span))
    values = {
        "starts": [midnight(day) for day in days],
        "account": span.user_id,
        "after": span.opening.row_id,
        "last": span.closing.row_id,
    }
    return {days[place - 1]: Sums(*amounts) for place, *amounts in fetch_all(SUMS, values)}


def step_of(span: Range) -> str:
    """`day` or `month`: what one bar of the chart stands for."""
    return "day" if (span.last - span.first).days < DAYS_DRAWN else "month"


def steps_of(span: Range) -> Iterator[date]:
    """The first day of each step."""
    step = step_of(span)
    day = span.first if step == "day" else span.first.replace(day=1)
    while day <= span.last:
        yield day
        day += timedelta(days=1)
        if step == "month":
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def total(steps: Iterable[Sums]) -> Sums:
    return sum(steps, start=Sums())


def get_page(
    span: Range,
    *,
    kind: str = "",
    feature: str = "",
    key: str = "",
    older_than: Key | None = None,
    newer_than: Key | None = None,
) -> Page[UsageHistory]:
    """A page of the rows of a range, newest first."""
    rows = statement(user_id=span.user_id).filter(id__lte=span.closing.row_id)
    rows = rows.filter(id__gt=span.opening.row_id)
    rows = filter_rows(rows, kind=kind, feature=feature, key=key)
    rows = without_returns(rows).select_related("grant")
    page = paginate(rows, size=PAGE, older_than=older_than, newer_than=newer_than)
    fold(page.rows)
    return page


def time_of_row(*, user_id: int, row_id: int) -> datetime | None:
    """When a row of this user was written; None when it is not theirs."""
    rows = UsageHistory.objects.filter(account_id=user_id, pk=row_id)
    return rows.values_list("created_at", flat=True).first()
