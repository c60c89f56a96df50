"""Sync: what a sync would do, doing it, watching it, stopping it, and what was done before."""

import json
import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from adminpanel.sync.forms import SyncForm
from adminpanel.sync.presenters import Told, history, preview_of, tell
from credits.clerk import conf
from credits.clerk.sync.manual import (
    PreviewOutdated,
    SyncRunning,
    cancel_sync,
    current_sync,
    follow_preview,
    may_follow,
    run_of,
    start_sync,
)
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment, wants_fragment
from credits.models import SyncJob
from credits.users.permissions import admin_page

BOTH = ["GET", "HEAD", "POST"]
RUNNING = "Another sync is running: this is it. Wait for its end, or cancel it."


@admin_page
@require_http_methods(BOTH)
def sync(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The options; sent, they start a dry run."""
    form = SyncForm(request.POST or None, initial={"key": uuid.uuid4()})
    if request.method != "POST" or not conf.has_backend() or not form.is_valid():
        return _page(request, form, status=400 if request.method == "POST" else 200)
    try:
        job = start_sync(
            actor=request.user,
            options=form.options,
            background=True,
            job_id=form.cleaned_data["key"],
        )
    except SyncRunning as running:
        messages.warning(request, RUNNING)
        job = running.job
    return redirect("admin-sync-job", job.pk)


def _page(request: AuthenticatedHttpRequest, form: SyncForm, *, status: int) -> HttpResponse:
    running = current_sync()
    hourly = request.GET.get("hourly") == "1"
    context = {
        "form": form,
        "has_backend": conf.has_backend(),
        "running": tell(running) if running else None,
        "hourly": hourly,
        "history": history(hourly=hourly, cursor=request.GET.get("before", "")),
    }
    return render(request, "adminpanel/sync.html", context, status=status)


@admin_page
@require_safe
def job(request: AuthenticatedHttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """One sync: how far it is, or what came out. Its fragment asks for itself while it runs."""
    found = get_object_or_404(SyncJob, pk=job_id)
    foreseen = None if found.options.get("dry_run") else preview_of(found)
    told = tell(found, foreseen=foreseen)
    context = {"told": told, "job": found, "foreseen": foreseen, **_next(told)}
    context["welcome"] = settings.SIGNUP_CREDITS if found.counts.get("createdUsers") else 0
    answer = render_page_or_fragment(request, "adminpanel/sync_job.html", "state", context)
    if told.is_over and wants_fragment(request):
        answer["HX-Trigger"] = json.dumps({"tally:say": _say(told)})
    return answer


def _next(told: Told) -> dict[str, Any]:
    """What can follow a dry run: its run, once."""
    if not told.is_preview:
        return {}
    run = SyncJob.objects.filter(pk=run_of(told.job)).first()
    return {"run": run, "may_follow": run is None and may_follow(told.job)}


def _say(told: Told) -> dict[str, str]:
    what = "dry run" if told.is_preview else "sync"
    level = "success" if told.job.state == SyncJob.State.DONE else "error"
    return {"text": f"The {what} is {told.state}.", "level": level}


@admin_page
@require_POST
def run(request: AuthenticatedHttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Does what the dry run counted."""
    preview = get_object_or_404(SyncJob, pk=job_id, options__dry_run=True)
    try:
        started = follow_preview(actor=request.user, preview=preview)
    except SyncRunning as running:
        messages.warning(request, RUNNING)
        started = running.job
    except PreviewOutdated as error:
        messages.error(request, str(error))
        return redirect("admin-sync-job", job_id)
    return redirect("admin-sync-job", started.pk)


@admin_page
@require_http_methods(BOTH)
def cancel(request: AuthenticatedHttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Asks first, then stops it after its page."""
    found = get_object_or_404(SyncJob, pk=job_id)
    told = tell(found)
    if request.method != "POST" and not told.is_over:
        return render(request, "adminpanel/sync_cancel.html", {"told": told, "job": found})
    if request.method == "POST" and cancel_sync(actor=request.user, job_id=found.pk):
        messages.success(request, "It stops after the page that it works on.")
    elif told.is_over:
        messages.info(request, "It had ended already.")
    return redirect("admin-sync-job", found.pk)
