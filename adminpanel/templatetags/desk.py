"""What every page of the desk shows at its top."""

from django import template

from adminpanel.overview.health import Sign, get_brief

register = template.Library()


@register.simple_tag
def health_signs() -> list[Sign]:
    """Whether the ledger was proved lately and a worker lives: one query."""
    return get_brief()
