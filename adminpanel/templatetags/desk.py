"""What every page of the desk shows at its top."""

from django import template

from adminpanel.overview.health import get_brief

register = template.Library()
register.simple_tag(get_brief, name="health_signs")
