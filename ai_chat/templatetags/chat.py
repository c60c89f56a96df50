"""Filters of the chat's templates."""

from django import template
from django.utils.safestring import SafeString

from ai_chat.markdown import render

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """A model's answer as safe HTML."""
    return render(text)
