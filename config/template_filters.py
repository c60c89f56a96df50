"""Filters that every template has."""

from datetime import date, datetime

from django import template
from django.template.defaultfilters import date as formatted
from django.utils import timezone

from config.text import cut

register = template.Library()


@register.filter(expects_localtime=True)
def moment(value: date | datetime | None, form: str) -> str:
    """A time as the filter `date` writes it, in the reader's zone; where that is not known it says
    that it is in UTC."""
    zone = timezone.get_current_timezone_name()
    return f"{formatted(value, form)} {zone}" if value and zone == "UTC" else formatted(value, form)


@register.filter
def shorten(text: str, most: int) -> str:
    """The text in so many characters, each of them whole."""
    return cut(str(text), most)
