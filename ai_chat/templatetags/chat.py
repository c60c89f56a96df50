"""Filters of the chat's templates."""

from django import template
from django.utils.safestring import SafeString

from ai_chat.jobs.advice import next_step
from ai_chat.markdown import render
from credits.models.catalogue import model_label

register = template.Library()
register.filter(next_step)
register.filter(model_label)


@register.filter
def markdown(text: str) -> SafeString:
    """A model's answer as safe HTML."""
    return render(text)
