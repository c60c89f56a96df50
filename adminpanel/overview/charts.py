"""The overview's charts of days; the source of a bar is the address of its rows."""

from collections import defaultdict
from datetime import date, timedelta

from django.utils.dateformat import format as format_date

from adminpanel.overview.metrics import DAYS, Overview, usage_address
from credits.features import ALL_FEATURES, Kind
from credits.statement.chart import Chart, stack


def charts_of(shown: Overview) -> list[Chart]:
    """What the overview draws."""
    spent: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    back: dict[date, int] = defaultdict(int)
    for part in shown.slices:
        if part.kind in {Kind.CHARGE, Kind.UNUSED}:  # What was used, not what was reserved.
            spent[part.day][part.operation_type] += part.credits
        elif part.kind == Kind.REFUND:
            back[part.day] -= part.credits
    labels = [feature.label for feature in ALL_FEATURES.values()]
    operations = [feature.operation_type for feature in ALL_FEATURES.values()]
    days = [shown.first + timedelta(days=place) for place in range(DAYS)]

    def chart(
        name: str, title: str, series: list[str], kind: Kind, values: list[list[int]]
    ) -> Chart:
        bars = [
            (format_date(day, "j M"), value, usage_address(day, day, kind=str(kind.value)))
            for day, value in zip(days, values, strict=True)
        ]
        drawn = stack(bars, [f"s{place}" for place in range(len(series))])
        return drawn._replace(name=name, title=title, series=series)

    return [
        chart("spent", "Credits spent per day", labels, Kind.CHARGE,
              # A reserve of the last seconds of a day comes back on the next.
              [[max(spent[day][operation], 0) for operation in operations] for day in days]),
        chart("refunded", "Credits refunded per day", ["Refunded"], Kind.REFUND,
              [[back[day]] for day in days]),
        chart("active", "Active users per day", ["Users who were charged"], Kind.CHARGE,
              [[shown.active_days.get(day, 0)] for day in days]),
    ]  # fmt: skip
