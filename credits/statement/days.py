"""Ranges of days (UTC), as statements and lists are read by."""

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q


def today() -> date:
    return datetime.now(UTC).date()


def midnight(day: date) -> datetime:
    """When a day begins."""
    return datetime.combine(day, time.min, UTC)


def month_around(day: date) -> tuple[date, date]:
    """The first and the last day of the month in which `day` is."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def recent_months(since: date, *, limit: int = 12) -> list[tuple[date, date]]:
    """The months from now back to `since`, newest first, each as its first and last day."""
    months = [month_around(today())]
    while months[-1][0] > since and len(months) < limit:
        months.append(month_around(months[-1][0] - timedelta(days=1)))
    return months


def on_days(column: str, first: date | None, last: date | None) -> Q:
    """Rows whose time in `column` is on the day `first` or later, and on `last` or earlier."""
    days = Q()
    if first:
        days &= Q(**{f"{column}__gte": midnight(first)})
    if last:
        days &= Q(**{f"{column}__lte": datetime.combine(last, time.max, UTC)})
    return days
