"""Filters that every template has."""

from datetime import date, datetime

from django import template
from django.template.defaultfilters import date as formatted
from django.utils import timezone

from config.text import cut
from config.zones import is_known

register = template.Library()


@register.filter(expects_localtime=True)
def moment(value: date | datetime | None, form: str) -> str:
    """A time as the filter `date` writes it, in the reader's zone; where that is not known it says
    that it is in UTC."""
    return f"{formatted(value, form)} UTC" if value and not is_known() else formatted(value, form)


@register.filter(expects_localtime=True)
def recent(value: datetime, detail: str = "time") -> str:
    """A time in a list: of today the hour; before that the day, and the hour too unless the detail
    is `day`. The year is said where it is not this one."""
    today = timezone.localdate()
    if value.date() == today:
        return moment(value, "H:i")
    day = "j M" if value.year == today.year else "j M Y"
    return formatted(value, day) if detail == "day" else moment(value, f"{day} H:i")


@register.filter
def shorten(text: str, most: int) -> str:
    """The text in so many characters, each of them whole."""
    return cut(str(text), most)
