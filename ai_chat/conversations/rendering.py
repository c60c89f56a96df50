"""The HTML of answers, which is kept with them: opening a conversation costs what it shows."""

import logging
from collections.abc import Callable, Iterable
from time import thread_time

from django.db.models import Case, F, QuerySet, TextField, Value, When

from ai_chat.jobs.models import RUNNING, Job
from ai_chat.markdown import RENDERER_VERSION, Allowance, render
from ai_chat.models import Turn

logger = logging.getLogger(__name__)

PAGE_SECONDS = 1.0
"""CPU that a page may spend on answers without current HTML; the rest are plain text for now."""


def html_columns(answer: str) -> dict[str, str | int]:
    """An answer's HTML as columns of its turn. Without them it can still be shown."""
    try:
        return {"html": str(render(answer)), "html_version": RENDERER_VERSION}
    except Exception:  # Whatever the renderer does, the answer is paid for.
        logger.exception("an answer could not be rendered")
        return {}


def without_rendered_answers(turns: QuerySet[Turn]) -> QuerySet[Turn]:
    """The turns with `source` for `answer`, empty where there is current HTML: both are long."""
    is_current = When(html_version=RENDERER_VERSION, then=Value(""))
    return turns.defer("answer").annotate(
        source=Case(is_current, default=F("answer"), output_field=TextField())
    )


def keep_html(turn: Turn) -> None:
    """Keeps the HTML of an ended turn: its answer does not change; its row may be gone."""
    ended = Turn.objects.filter(pk=turn.pk).exclude(state=RUNNING)
    ended.update(html=turn.html, html_version=turn.html_version)


def render_missing(
    jobs: Iterable[Job],
    *,
    seconds: float = PAGE_SECONDS,
    keep: Callable[[Turn], None] = keep_html,
) -> float:
    """Gives ended turns their HTML and keeps it, in this order, until these seconds of CPU are used
    up. Returns how many of them are left."""
    left = seconds
    for turn in jobs:
        if not isinstance(turn, Turn) or turn.is_running or turn.html_version == RENDERER_VERSION:
            continue
        if left <= 0:
            break
        started, allowance = thread_time(), Allowance()
        before = allowance.formulas.seconds
        turn.html = str(render(source_of(turn), allowance))
        turn.html_version = RENDERER_VERSION
        left -= thread_time() - started + before - allowance.formulas.seconds
        keep(turn)
    return left


def source_of(turn: Turn) -> str:
    """The Markdown of an answer, also where `without_rendered_answers` has read the turn."""
    source: str | None = getattr(turn, "source", None)
    return turn.answer if source is None else source
