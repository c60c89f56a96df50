"""What every page of the desk shows at its top, and amounts of less than a credit."""

from django import template

from adminpanel.overview.health import get_brief
from credits.amounts import as_words

register = template.Library()
register.simple_tag(get_brief, name="health_signs")


@register.filter
def in_credits(pico: int | None) -> str:
    """Pico-credits as people read them, in credits; what nobody knows is not 0."""
    if pico is None:
        return "unknown"
    return f"−{as_words(-pico)}" if pico < 0 else as_words(pico)
