"""Charts of days: numbers that a template draws as SVG, in the units of
`credits.statement.chart`."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from django.utils.dateformat import format as format_date

from adminpanel.overview.metrics import Overview, usage_address
from credits.features import FEATURES
from credits.statement.chart import HEIGHT, SLOT
from credits.statement.history import Kind


class Part(NamedTuple):
    """One colour of a bar, from `y` down by `height`; `series` numbers the colour."""

    series: int
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """A day: its values in the order of the series, and the rows that make them."""

    x: int
    label: str
    values: list[int]
    parts: list[Part]
    href: str

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True)
class Chart:
    """Bars, stacked from the series in order; `top` is the highest bar's sum."""

    name: str
    title: str
    series: list[str]
    bars: list[Bar]
    top: int

    @property
    def width(self) -> int:
        return len(self.bars) * SLOT

    @property
    def ticks(self) -> list[str]:
        labels = [bar.label for bar in self.bars]
        return [labels[0], labels[len(labels) // 2], labels[-1]]


def charts_of(shown: Overview) -> list[Chart]:
    """What the overview draws."""
    spent: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    back: dict[date, int] = defaultdict(int)
    for part in shown.slices:
        if part.kind == Kind.CHARGE:
            spent[part.day][part.operation_type] += part.credits
        elif part.kind == Kind.REFUND:
            back[part.day] -= part.credits
    operations = [feature.operation_type for feature in FEATURES.values()]
    labels = [feature.label for feature in FEATURES.values()]
    days = list(_days(shown))
    return [
        _chart("spent", "Credits spent per day", labels, Kind.CHARGE,
               {day: [spent[day][operation] for operation in operations] for day in days}),
        _chart("refunded", "Credits refunded per day", ["Refunded"], Kind.REFUND,
               {day: [back[day]] for day in days}),
        _chart("active", "Active users per day", ["Users who were charged"], Kind.CHARGE,
               {day: [shown.active_days.get(day, 0)] for day in days}),
    ]  # fmt: skip


def _days(shown: Overview) -> Iterator[date]:
    day = shown.first
    while day <= shown.today:
        yield day
        day += timedelta(days=1)


def _chart(
    name: str, title: str, series: list[str], kind: Kind, days: dict[date, list[int]]
) -> Chart:
    top = max(sum(values) for values in days.values())
    bars = [
        Bar(
            x=place * SLOT,
            label=format_date(day, "j M"),
            values=values,
            parts=_parts(values, top),
            href=usage_address(day, day, kind=str(kind.value)),
        )
        for place, (day, values) in enumerate(days.items())
    ]
    return Chart(name, title, series, bars, top)


def _parts(values: list[int], top: int) -> list[Part]:
    parts, y = [], float(HEIGHT)
    for series, value in enumerate(values):
        height = HEIGHT * value / top if top else 0.0
        y -= height
        if height:
            parts.append(Part(series, round(y, 2), round(height, 2)))
    return parts
