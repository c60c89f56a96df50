"""Ranges of days (UTC), as statements and lists are read by."""

from datetime import UTC, date, datetime, timedelta


def today() -> date:
    return datetime.now(UTC).date()


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
