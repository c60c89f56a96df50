"""The numbers of the overview: what moved today and in the last 30 days, and what stands now. Every
number knows the address of the rows that make it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from django.urls import reverse

from credits.features import FEATURES
from credits.models import WebhookDelivery
from credits.reasons import words_of
from credits.reports.rollup import Slice, Slicing, active_users, slices
from credits.reports.totals import get_totals
from credits.statement.history import Kind
from credits.statement.wording import model_label

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


@dataclass(frozen=True)
class Line:
    """One line of the table of movements. `part` says that it is a part of the line above."""

    label: str
    today: Number
    days: Number
    part: bool = False


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

    liability: int
    holders: int
    in_flight: int
    held: int
    overdue: int
    webhooks_failed: int


@dataclass(frozen=True)
class Overview:
    """All of it, for the days from `first` to `today`."""

    first: date
    today: date
    lines: list[Line]
    refunds: Refunds
    slices: list[Slice]
    active_days: dict[date, int]
    active: int
    now: Now

    @property
    def active_today(self) -> int:
        return self.active_days.get(self.today, 0)

    @property
    def refunded(self) -> Line:
        return next(line for line in self.lines if line.label == "Refunded")


def get_overview(today: date) -> Overview:
    first = today - timedelta(days=DAYS - 1)
    parts = slices(Slicing(first=first, last=today))
    days, active = active_users(first=first)
    return Overview(
        first=first,
        today=today,
        lines=_lines(parts, first, today),
        refunds=_refunds(parts, first, today),
        slices=parts,
        active_days=days,
        active=active,
        now=get_now(),
    )


def get_now() -> Now:
    """What stands now."""
    totals = get_totals("outstanding", "holders", "holds", "held", "overdue_holds")
    return Now(
        liability=totals["outstanding"],
        holders=totals["holders"],
        in_flight=totals["holds"],
        held=totals["held"],
        overdue=totals["overdue_holds"],
        webhooks_failed=WebhookDelivery.objects.exclude(error="").count(),
    )


def _lines(parts: list[Slice], first: date, today: date) -> list[Line]:
    def line(label: str, kind: Kind, feature: str = "") -> Line:
        operation = FEATURES[feature].operation_type if feature else ""
        rows = [s for s in parts if s.kind == kind and operation in ("", s.operation_type)]
        filters = {"kind": str(kind.value), "feature": feature}
        # An adjustment may go either way; of the others the words say which way they go.
        sign = -1 if kind in {Kind.GRANT, Kind.REFUND, Kind.ADJUSTMENT} else 1
        return Line(
            label,
            _number([s for s in rows if s.day == today], sign, today, today, filters),
            _number(rows, sign, first, today, filters),
            part=bool(feature),
        )

    return [
        line("Spent", Kind.CHARGE),
        *(line(feature.label, Kind.CHARGE, key) for key, feature in FEATURES.items()),
        line("Refunded", Kind.REFUND),
        *(line(feature.label, Kind.REFUND, key) for key, feature in FEATURES.items()),
        line("Granted", Kind.GRANT),
        line("Expired", Kind.EXPIRY),
        line("Adjusted", Kind.ADJUSTMENT),
    ]


def _number(
    rows: list[Slice], sign: int, first: date, last: date, filters: dict[str, str]
) -> Number:
    credits_ = sign * sum(part.credits for part in rows)
    return Number(credits_, sum(part.rows for part in rows), usage_address(first, last, **filters))


def _refunds(parts: list[Slice], first: date, today: date) -> Refunds:
    charges = [part for part in parts if part.kind == Kind.CHARGE]
    refunds = [part for part in parts if part.kind == Kind.REFUND]
    spent, back = sum(s.credits for s in charges), -sum(s.credits for s in refunds)
    reasons = [
        Share(
            words_of(reason) or "no reason given", _rows(group), -_credits(group),
            -_credits(group), percent(-_credits(group), back),
            usage_address(first, today, kind="refund", reason=reason),
        )
        for reason, group in _grouped(refunds, lambda part: part.reason)
    ]  # fmt: skip
    return Refunds(
        percent(back, spent),
        percent(_rows(refunds), _rows(charges)),
        sorted(reasons, key=lambda share: -share.credits)[:SHOWN],
        _models(charges, refunds, first, today),
    )


def _models(charges: list[Slice], refunds: list[Slice], first: date, today: date) -> list[Share]:
    back = {model: -_credits(group) for model, group in _grouped(refunds, lambda part: part.model)}
    shares = [
        Share(
            model_label(model) or "no model", _rows(group), _credits(group), back.get(model, 0),
            percent(back.get(model, 0), _credits(group)),
            usage_address(first, today, kind="charge", model=model),
        )
        for model, group in _grouped(charges, lambda part: part.model)
    ]  # fmt: skip
    return sorted(shares, key=lambda share: -share.credits)[:SHOWN]


def _grouped(
    parts: Iterable[Slice], key: Callable[[Slice], str]
) -> Iterable[tuple[str, list[Slice]]]:
    groups: dict[str, list[Slice]] = defaultdict(list)
    for part in parts:
        groups[key(part)].append(part)
    return groups.items()


def _rows(parts: list[Slice]) -> int:
    return sum(part.rows for part in parts)


def _credits(parts: list[Slice]) -> int:
    return sum(part.credits for part in parts)


def percent(part: int, whole: int) -> float:
    """How many hundredths of the whole; 0 of nothing."""
    return round(100 * part / whole, 1) if whole else 0.0
