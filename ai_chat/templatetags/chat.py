"""Filters of the chat's templates."""

from collections.abc import Iterable

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from ai_chat.conversations.lists import period_of
from ai_chat.conversations.rendering import source_of
from ai_chat.conversations.thinking import duration
from ai_chat.jobs.advice import next_step
from ai_chat.markdown import RENDERER_VERSION
from ai_chat.models import Turn
from ai_chat.pages.choosing import abilities
from credits.models import AIModel
from credits.models.catalogue import model_label

register = template.Library()

PLAIN = """<p class="note">This page had much to render: the answer is shown as plain text until the
page is opened again.</p><p class="plain" dir="auto">{}</p>"""
register.filter(abilities)
register.filter(next_step)
register.filter(duration)
register.filter(model_label)
register.filter("period", period_of)


@register.filter
def lacks_plan(models: Iterable[AIModel]) -> bool:
    """Whether the user at hand lacks the plan for one of them."""
    return any(model.plan_needed for model in models)


@register.filter
def answer_html(turn: Turn) -> SafeString:
    """A turn's answer as safe HTML: what the renderer has made of it, which `conversations/` alone
    writes; plain text without that."""
    if turn.html_version == RENDERER_VERSION:
        return mark_safe(turn.html)  # noqa: S308
    source = source_of(turn)
    return format_html(PLAIN, source) if source else SafeString()
