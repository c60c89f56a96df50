"""The numbers of the overview: what moved today and in the last 30 days, and what stands now. Every
number knows the address of the rows that make it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from django.urls import reverse

from credits.features import ALL_FEATURES, Kind
from credits.models import WebhookDelivery
from credits.models.catalogue import model_label
from credits.reasons import words_of
from credits.reports.models import ModelSums, sums_by_model
from credits.reports.rollup import Slice, Slicing, active_users, slices, uses
from credits.reports.totals import get_totals

#: Days that the page looks back, today included.
DAYS = 30
#: Refund reasons and models that are shown, the largest first.
SHOWN = 10


def usage_address(first: date, last: date, **filters: str) -> str:
    """The rows of these days that match, as `/admin/usage` shows them."""
    chosen = {key: value for key, value in filters.items() if value}
    query = {**chosen, "from": first.isoformat(), "to": last.isoformat()}
    return reverse("admin-usage", query=query)


class Number(NamedTuple):
    """Credits, the rows that make them, and where those are."""

    credits: int
    rows: int
    href: str


class Line(NamedTuple):
    """One line of the table of movements. `part` says that it is a part of the line above."""

    label: str
    today: Number
    days: Number
    part: bool


class Share(NamedTuple):
    """A refund reason or a model, and its part of the whole."""

    label: str
    rows: int
    credits: int
    refunded: int
    percent: float
    href: str


class Refunds(NamedTuple):
    """What came back of what was spent in the same days; `percent` by credits, `of_charges` by
    rows."""

    percent: float
    of_charges: float
    reasons: list[Share]
    models: list[Share]


class Now(NamedTuple):
    """What stands at this moment."""

    webhooks_failed: int
    liability: int
    holders: int
    in_flight: int
    held: int
    overdue: int


@dataclass(frozen=True)
class Overview:
    """All of it, for the days from `first` to `today`."""

    first: date
    today: date
    slices: list[Slice]
    lines: list[Line]
    refunds: Refunds
    active_days: dict[date, int]
    active: int
    now: Now
    #: The models of which calls used tokens.
    by_tokens: list[ModelSums]

    @property
    def active_today(self) -> int:
        return self.active_days.get(self.today, 0)

    @property
    def refunded(self) -> Line:
        return next(line for line in self.lines if line.label == "Refunded")


def get_overview(today: date) -> Overview:
    first = today - timedelta(days=DAYS - 1)
    wanted = Slicing(first=first, last=today)
    rows = slices(wanted)
    totals = get_totals("outstanding", "holders", "holds", "held", "overdue_holds").values()
    failed = WebhookDelivery.objects.exclude(error="").count()
    return Overview(
        first,
        today,
        rows,
        _lines(rows, first, today),
        _refunds(rows, first, today),
        *active_users(first=first),
        Now(failed, *totals),
        [each for each in sums_by_model(rows, uses(wanted)) if each.uses],
    )


def _lines(slices: list[Slice], first: date, today: date) -> list[Line]:
    def number(kind: Kind, feature: str, since: date) -> Number:
        operation = ALL_FEATURES[feature].operation_type if feature else ""
        parts = [
            part for part in slices
            if part.day >= since and operation in ("", part.operation_type)
        ]  # fmt: skip
        rows, credits = _sum(part for part in parts if part.kind == kind)
        if kind == Kind.CHARGE:  # What was used, not what was reserved.
            credits += _sum(part for part in parts if part.kind == Kind.UNUSED)[1]
        # An adjustment may go either way; of the others the words say which way they go.
        sign = -1 if kind in {Kind.GRANT, Kind.REFUND, Kind.ADJUSTMENT} else 1
        href = usage_address(since, today, kind=str(kind.value), feature=feature)
        return Number(sign * credits, rows, href)

    names = {"Spent": Kind.CHARGE, "Refunded": Kind.REFUND, "Granted": Kind.GRANT,
             "Expired": Kind.EXPIRY, "Adjusted": Kind.ADJUSTMENT}  # fmt: skip
    lines = []
    for name, kind in names.items():
        parts = ALL_FEATURES if kind in {Kind.CHARGE, Kind.REFUND} else ()
        for key in ("", *parts):
            label = ALL_FEATURES[key].label if key else name
            days = number(kind, key, first)
            lines.append(Line(label, number(kind, key, today), days, part=bool(key)))
    return lines


def _refunds(slices: list[Slice], first: date, today: date) -> Refunds:
    models = sums_by_model(slices, ())
    charged, spent = (sum(model.charges for model in models), sum(map(_used, models)))
    # What came back is negative in the journal.
    refunds = [part._replace(credits=-part.credits) for part in slices if part.kind == Kind.REFUND]
    returned, back = _sum(refunds)
    reasons = [
        Share(
            words_of(reason) or "no reason given", rows, credits, credits, percent(credits, back),
            usage_address(first, today, kind="refund", reason=reason),
        )
        for reason, (rows, credits) in _sums(refunds, "reason").items()
    ]  # fmt: skip
    shares = [
        Share(
            model_label(each.model) or "no model", each.charges, _used(each), each.refunded,
            percent(each.refunded, _used(each)),
            usage_address(first, today, kind="charge", model=each.model),
        )
        for each in models if each.charges
    ]  # fmt: skip
    return Refunds(
        percent(back, spent), percent(returned, charged), _largest(reasons), _largest(shares)
    )


def _used(model: ModelSums) -> int:
    """What a model's charges took, without what was reserved and not used."""
    return model.charged - model.unused


def _largest(shares: list[Share]) -> list[Share]:
    return sorted(shares, key=lambda share: -share.credits)[:SHOWN]


def _sum(slices: Iterable[Slice]) -> tuple[int, int]:
    """The rows and the credits of all of these."""
    parts = list(slices)
    return sum(part.rows for part in parts), sum(part.credits for part in parts)


def _sums(slices: Iterable[Slice], field: str) -> defaultdict[str, tuple[int, int]]:
    """The rows and the credits by the values of a field."""
    groups: dict[str, list[Slice]] = defaultdict(list)
    for part in slices:
        groups[getattr(part, field)].append(part)
    return defaultdict(lambda: (0, 0), {value: _sum(parts) for value, parts in groups.items()})


def percent(part: int, whole: int) -> float:
    """How many hundredths of the whole; 0 of nothing."""
    return round(100 * part / whole, 1) if whole else 0.0
