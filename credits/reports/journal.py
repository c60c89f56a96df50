"""The journal of all accounts: filtered, summed up, page by page. Sums of closed days, and where
rare rows are, come from the rollup (`credits.reports.rollup`), not from the journal."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Q, Sum, TextChoices

from config.pagination import Key, Page, Reading, paginate
from credits.features import ALL_FEATURES, Kind
from credits.kernel import ledger_now
from credits.models import AIModel, UsageHistory, UsageSlice
from credits.reasons import Reason
from credits.reports.rollup import BEGINNING, Slicing, slices, spans
from credits.statement.history import UNUSED, Rows, filter_rows, statement, with_refunds
from credits.statement.lines import fold, without_returns
from credits.statement.rows import Sums as StatementSums

PAGE = 50
#: Rows that are summed up where only the journal can say.
SUMMED = 100_000
#: Words of each kind that the filters offer; any other can be written.
OFFERED = 50
LAST_DAY = date(2100, 12, 31)
EVERYWHERE = [(1, 2**63 - 1)]


class State(TextChoices):
    """What is not over."""

    HELD = "held", "In flight"
    OVERDUE = "overdue", "Past its lease"


class Way(TextChoices):
    """Which way credits went."""

    IN = "in", "Into balances"
    OUT = "out", "Out of balances"


CONDITIONS: dict[str, Q] = {
    State.HELD: Q(hold__isnull=False),
    State.OVERDUE: Q(hold__lease_until__lt=ledger_now()),
    Way.IN: Q(credits_used__lt=0),
    Way.OUT: Q(credits_used__gte=0),
}


@dataclass(frozen=True)
class Filters:
    """Which rows: empty fields mean all. Days are UTC, both included; `row` means this row and
    those it belongs to; `sync` the adjustments that a sync made."""

    user_id: int | None = None
    kind: str = ""
    feature: str = ""
    model: str = ""
    reason: str = ""
    first: date | None = None
    last: date | None = None
    state: str = ""
    row: int | None = None
    way: str = ""
    sync: UUID | None = None

    @property
    def are_lines(self) -> bool:
        """Whether rows of every kind are let through, so that those which belong together make a
        line."""
        return not any((self.kind, self.reason, self.state, self.row, self.way, self.sync))

    @property
    def slicing(self) -> Slicing | None:
        """The same as the rollup understands it, or the least that holds all of it; None
        when only the journal can tell."""
        if self.user_id or self.state or self.row:
            return None
        return Slicing(
            first=max(self.first or BEGINNING, BEGINNING),
            last=min(self.last or LAST_DAY, LAST_DAY),
            kind=self.kind,
            operation_type=ALL_FEATURES[self.feature].operation_type if self.feature else "",
            model=self.model,
            reason=self.reason,
        )


def matching(filters: Filters) -> Rows:
    """All rows that the filters let through, with what a line shows."""
    rows = filter_rows(
        statement(user_id=filters.user_id),
        kind=filters.kind,
        feature=filters.feature,
        first=filters.first,
        last=filters.last,
    )
    if filters.model:
        # A refund counts for the model of its charge, as in the rollup.
        charges = Q(refund_of__details__model=filters.model) & ~Q(details__has_key="model")
        rows = rows.filter(Q(details__model=filters.model) | charges)
    if filters.reason:
        rows = rows.filter(refund_of__isnull=False, details__reason=filters.reason)
    for choice in filter(None, [filters.state, filters.way]):
        rows = rows.filter(CONDITIONS[choice])
    if filters.row:
        rows = rows.filter(_family(filters.row))
    if filters.sync:
        # As `credits.clerk.sync.set_credits` names them.
        rows = rows.filter(idempotency_key__startswith=f"sync:{filters.sync}:")
    return rows.select_related("user", "grant", "refund_of")


def _family(row: int) -> Q:
    """A row, the charge it returns, and the refunds of either."""
    charge = statement(user_id=None).filter(pk=row).values_list("refund_of_id", flat=True).first()
    root = charge or row
    return Q(pk__in=[row, root]) | Q(refund_of=root)


@dataclass(frozen=True)
class Sums(StatementSums):
    """Credits that moved. `capped`: only the newest rows are in it."""

    #: Of charges by tokens: what was reserved and came back unused. `spent` holds it too.
    unused: int = 0
    rows: int = 0
    capped: bool = False


class Matches(NamedTuple):
    """What the filters let through: sums, and where the rows are (ranges of ids, newest first)."""

    sums: Sums
    spans: list[tuple[int, int]]


def find_matches(filters: Filters) -> Matches:
    """Sums and places of what the filters let through. Those of single accounts, and what the
    rollup tells only roughly, are summed up from the journal, SUMMED rows at most."""
    slicing = filters.slicing
    if slicing is None:
        return Matches(_sums_of_rows(matching(filters)), EVERYWHERE)
    parts = slices(slicing)
    where = spans(parts)
    if where and (filters.way or filters.sync):
        where = [bounds(where)]  # Any range of them may be without such a row.
        return Matches(_sums_of_rows(matching(filters).filter(pk__range=where[0])), where)
    used: dict[str, int] = defaultdict(int)
    for part in parts:
        used[part.kind] += part.credits
    sums = Sums(
        rows=sum(part.rows for part in parts),
        spent=used[Kind.CHARGE],
        refunded=-used[Kind.REFUND],
        unused=-used[Kind.UNUSED],
        granted=-used[Kind.GRANT],
        expired=used[Kind.EXPIRY],
        adjusted=-used[Kind.ADJUSTMENT],
    )
    return Matches(sums, where)


def bounds(where: list[tuple[int, int]]) -> tuple[int, int]:
    """From the lowest to the highest id of these ranges, of which there is one at least."""
    return where[-1][0], where[0][1]


def _sums_of_rows(rows: Rows) -> Sums:
    newest = rows.select_related(None).order_by("-pk")[:SUMMED]

    def used(condition: Q) -> Sum:
        return Sum("credits_used", filter=condition, default=0)

    sums = newest.aggregate(
        rows=Count("pk"),
        spent=used(Q(unit_cost__isnull=False)),
        refunded=-used(Q(refund_of__isnull=False) & ~UNUSED),
        unused=-used(UNUSED),
        granted=-used(Q(operation_type="GRANT")),
        expired=used(Q(operation_type="EXPIRY")),
        adjusted=-used(Q(operation_type="ADJUSTMENT")),
    )
    return Sums(**sums, capped=sums["rows"] == SUMMED)


def get_page(
    filters: Filters,
    matches: Matches,
    *,
    older_than: Key | None = None,
    newer_than: Key | None = None,
) -> Page[UsageHistory]:
    """A page of rows, newest first: of all kinds as lines, else as they are."""
    rows = with_refunds(matching(filters))
    rows = without_returns(rows) if filters.are_lines else rows
    read = partial(_read, rows, matches.spans)
    page = paginate(read, size=PAGE, older_than=older_than, newer_than=newer_than)
    if filters.are_lines:
        fold(page.rows)
    return page


def _read(rows: Rows, where: list[tuple[int, int]], reading: Reading) -> list[Any]:
    """The rows of these ranges. Each holds at least one when the rollup named it, and what lies
    behind the reading's key is not asked for: there are never more queries than rows."""
    read: list[Any] = []
    for first, last in reversed(where) if reading.backwards else where:
        nearest = (last,) if reading.backwards else (first,)
        if reading.key and (nearest <= reading.key) == reading.backwards:
            continue
        if len(read) == reading.limit:
            break
        rest = reading._replace(limit=reading.limit - len(read))
        read += rest.of(rows.filter(pk__range=(first, last)))
    return read


def known_words() -> dict[str, list[str]]:
    """Models and refund reasons that closed days know, the most frequent first, to choose from."""
    models = [*AIModel.objects.values_list("name", flat=True), *_words("model")]
    return {
        "models": list(dict.fromkeys(models)),
        "reasons": list(dict.fromkeys([*Reason.values, *_words("reason")])),
    }


def _words(column: str) -> list[str]:
    used = UsageSlice.objects.exclude(**{column: ""}).values(column)
    often = used.annotate(times=Sum("rows")).order_by("-times")
    return list(often.values_list(column, flat=True)[:OFFERED])
