"""Bars for the statement: numbers that a template draws as SVG."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.dateformat import format as format_date

from credits.statement.rows import Range, Sums, step_of

#: Units of the drawing: each bar stands in a slot of this width, and the highest has this height.
SLOT = 10
HEIGHT = 100


@dataclass(frozen=True)
class Bar:
    """What one day or month took: `net` above the ground, what came back of it on top."""

    x: int
    label: str
    sums: Sums
    net: float
    back: float

    @property
    def net_y(self) -> float:
        return round(HEIGHT - self.net, 2)

    @property
    def back_y(self) -> float:
        return round(HEIGHT - self.net - self.back, 2)


@dataclass(frozen=True)
class Chart:
    """`top` is the most credits that one bar stands for; `ticks` are the first, middle and last
    labels."""

    bars: list[Bar]
    top: int
    step: str

    @property
    def width(self) -> int:
        return len(self.bars) * SLOT

    @property
    def ticks(self) -> list[str]:
        labels = [bar.label for bar in self.bars]
        places = sorted({0, len(labels) // 2, len(labels) - 1})
        return [labels[place] for place in places]


def draw(span: Range, sums: dict[date, Sums]) -> Chart | None:
    """The chart of a range; None when nothing was spent in it."""
    step = step_of(span)
    top = max((step_sums.spent for step_sums in sums.values()), default=0)
    if not top:
        return None
    days = list(_steps(span, step))
    bars = [_bar(place, day, sums.get(day, Sums()), top, step) for place, day in enumerate(days)]
    return Chart(bars, top, step)


def _bar(place: int, day: date, sums: Sums, top: int, step: str) -> Bar:
    # What came back today may have been taken yesterday: never draw more back than was taken.
    back = min(sums.refunded, sums.spent)
    label = format_date(day, "j M" if step == "day" else "M Y")
    scale = HEIGHT / top
    return Bar(
        x=place * SLOT,
        label=label,
        sums=sums,
        net=round((sums.spent - back) * scale, 2),
        back=round(back * scale, 2),
    )


def _steps(span: Range, step: str) -> Iterator[date]:
    day = span.first if step == "day" else span.first.replace(day=1)
    while day <= span.last:
        yield day
        day += timedelta(days=1)
        if step == "month":
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
