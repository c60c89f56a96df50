"""Ranges of days, as statements and lists are read by, and which of them there are. A day is the
reader's on pages (`config/zones.py`) and UTC's elsewhere."""

import re
from datetime import date, datetime, time, timedelta, tzinfo

from django.db.models import Q
from django.utils import timezone

#: No statement reaches beyond these.
FIRST_DAY = date(2020, 1, 1)
LAST_DAY = date(2100, 12, 31)
#: The same for the API's schema.
DAY_PATTERN = "^(20[2-9][0-9]|2100)-[0-9]{2}-[0-9]{2}$"


def parse_day(text: str) -> date:
    """The day that is written as 2026-11-30. Raises ValueError, whose sentence is for people."""
    try:
        # fromisoformat() takes other spellings too.
        day = date.fromisoformat(text if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else "")
    except ValueError:
        raise ValueError("Write a day as 2026-11-30.") from None
    if day < FIRST_DAY:
        raise ValueError(f"There is nothing before {FIRST_DAY.year}.")
    if day > LAST_DAY:
        raise ValueError(f"There is nothing after {LAST_DAY.year}.")
    return day


def range_problem(first: date | None, last: date | None) -> str:
    """What is wrong with the days of a range, in a sentence about the first one; "" if nothing."""
    backwards = first and last and first > last
    return "The first day is after the last one." if backwards else ""


def today() -> date:
    return timezone.localdate()


def midnight(day: date, zone: tzinfo | None = None) -> datetime:
    """When a day begins, in the reader's zone unless another one is given."""
    return datetime.combine(day, time.min, zone or timezone.get_current_timezone())


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
        days &= Q(**{f"{column}__lt": midnight(last + timedelta(days=1))})
    return days
