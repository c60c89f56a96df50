"""Sync: what a sync would do, doing it, watching it, stopping it, and what was done before."""

import json
import uuid

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from adminpanel.sync.forms import SyncForm
from adminpanel.sync.presenters import Summary, get_page, preview_of
from credits.clerk import conf
from credits.clerk.sync import jobs
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment, wants_fragment
from credits.models import SyncJob
from credits.users.permissions import admin_action, admin_form, admin_page

RUNNING = "Another sync is running: this is it. Wait for its end, or cancel it."


@admin_form
def sync(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The options; sent, they start a dry run."""
    form = SyncForm(request.POST or None, initial={"key": uuid.uuid4()})
    if request.method != "POST" or not conf.has_backend() or not form.is_valid():
        return _page(request, form, status=400 if request.method == "POST" else 200)
    try:
        key = form.cleaned_data["key"]
        job = jobs.start_sync(actor=request.user, options=form.options, background=True, job_id=key)
    except jobs.SyncRunning as running:
        messages.warning(request, RUNNING)
        job = running.job
    return redirect("admin-sync-job", job.pk)


def _page(request: AuthenticatedHttpRequest, form: SyncForm, *, status: int) -> HttpResponse:
    running = jobs.current_sync()
    hourly = request.GET.get("hourly") == "1"
    context = {
        "form": form,
        "has_backend": conf.has_backend(),
        "running": Summary(running, jobs.is_stalled(running)) if running else None,
        "hourly": hourly,
        "page": get_page(hourly=hourly, cursor=request.GET.get("before", "")),
    }
    return render(request, "adminpanel/sync.html", context, status=status)


@admin_page
def job(request: AuthenticatedHttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """How far a sync is, or what came out. Its fragment asks for itself while it runs."""
    job = get_object_or_404(SyncJob, pk=job_id)
    is_preview = job.options.get("dry_run")
    foreseen = None if is_preview else preview_of(job)
    sync = Summary(job, jobs.is_stalled(job), foreseen)
    run = SyncJob.objects.filter(pk=jobs.run_of(job)).first() if is_preview else None
    context = {
        "sync": sync,
        "job": job,
        "foreseen": foreseen,
        "run": run,
        "may_follow": run is None and jobs.may_follow(job),
        "welcome": settings.SIGNUP_CREDITS if job.counts.get("createdUsers") else 0,
    }
    answer = render_page_or_fragment(request, "adminpanel/sync_job.html", "state", context)
    if job.finished_at and wants_fragment(request):
        text = f"The {'dry run' if is_preview else 'sync'} is {sync.state}."
        level = "success" if job.state == SyncJob.State.DONE else "error"
        answer["HX-Trigger"] = json.dumps({"tally:say": {"text": text, "level": level}})
    return answer


@admin_action
def run(request: AuthenticatedHttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Does what the dry run counted."""
    preview = get_object_or_404(SyncJob, pk=job_id, options__dry_run=True)
    try:
        job_id = jobs.follow_preview(actor=request.user, preview=preview).pk
    except jobs.SyncRunning as running:
        messages.warning(request, RUNNING)
        job_id = running.job.pk
    except jobs.PreviewOutdated as error:
        messages.error(request, str(error))
    return redirect("admin-sync-job", job_id)


@admin_form
def cancel(request: AuthenticatedHttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Asks first, then stops it after its page."""
    job = get_object_or_404(SyncJob, pk=job_id)
    if request.method != "POST" and not job.finished_at:
        return render(request, "adminpanel/sync_cancel.html", {"job": job})
    if request.method == "POST" and jobs.cancel_sync(actor=request.user, job_id=job.pk):
        messages.success(request, "It stops after the page that it works on.")
    elif job.finished_at:
        messages.info(request, "It had ended already.")
    return redirect("admin-sync-job", job.pk)
