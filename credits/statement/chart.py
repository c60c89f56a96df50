"""Bars of days or months: numbers that `credits/chart.html` draws as SVG."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from django.utils.dateformat import format as format_date

from credits.statement.rows import Range, Sums, step_of, steps_of

#: Units of the drawing: each bar stands in a slot of this width, and the highest has this height.
SLOT = 10
HEIGHT = 100


class Part(NamedTuple):
    """One colour of a bar, from `y` down by `height`; `name` is its class in the stylesheet."""

    name: str
    y: float
    height: float


class Bar(NamedTuple):
    """A day or month: its values in the order of the colours; `source` is what the page says of
    it."""

    x: int
    label: str
    values: Sequence[int]
    parts: list[Part]
    source: Any

    @property
    def total(self) -> int:
        return sum(self.values)


class Chart(NamedTuple):
    """`top` is what the highest bar stands for; `series` names the values of a bar."""

    bars: list[Bar]
    top: int
    name: str = ""
    title: str = ""
    series: Sequence[str] = ()

    @property
    def width(self) -> int:
        return len(self.bars) * SLOT

    @property
    def ticks(self) -> list[str]:
        """The first, middle and last labels."""
        places = sorted({0, len(self.bars) // 2, len(self.bars) - 1})
        return [self.bars[place].label for place in places]


def stack(rows: Sequence[tuple[str, Sequence[int], Any]], names: Sequence[str]) -> Chart:
    """A chart of rows (label, values, source); `names` are the classes of the values' colours."""
    top = max(sum(values) for _, values, _ in rows)
    bars = [
        Bar(place * SLOT, label, values, _parts(values, names, top), source)
        for place, (label, values, source) in enumerate(rows)
    ]
    return Chart(bars, top)


def _parts(values: Sequence[int], names: Sequence[str], top: int) -> list[Part]:
    parts, y = [], float(HEIGHT)
    for name, value in zip(names, values, strict=True):
        if value:
            height = HEIGHT * value / top
            y -= height
            parts.append(Part(name, round(y, 2), round(height, 2)))
    return parts


def draw(span: Range, sums: dict[date, Sums]) -> Chart | None:
    """The statement's chart: what was kept and, above it, what came back; None when nothing was
    spent."""
    step = step_of(span)
    if not any(each.spent for each in sums.values()):
        return None
    rows = []
    for day in steps_of(span):
        each = sums.get(day, Sums())
        # What came back today may have been taken yesterday: never draw more back than was taken.
        back = min(each.refunded, each.spent)
        label = format_date(day, "j M" if step == "day" else "M Y")
        rows.append((label, [each.spent - back, back], each))
    return stack(rows, ["net", "back"])
