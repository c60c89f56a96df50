"""Webhooks: the inbox, one delivery, and replaying them."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse

from adminpanel.webhooks import delivery_detail, inbox
from adminpanel.webhooks.forms import InboxForm, ReplayForm
from adminpanel.webhooks.payload import tree
from credits.clerk import conf
from credits.clerk.webhooks.replays import Batch, Which, replay_one, replay_some
from credits.clerk.webhooks.samples import TYPES
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment, wants_fragment
from credits.models import WebhookDelivery
from credits.reports.plans import waiting_subscriptions
from credits.users.permissions import admin_form, admin_page

#: How many plans that wait to be mapped are named.
PLANS = 20


def _waiting_plans() -> list[tuple[str, int]]:
    """The plans that wait to be mapped, with how many subscriptions wait for each."""
    return [(row.clerk_id, row.subscriptions) for row in waiting_subscriptions()[:PLANS]]


@admin_page
def webhooks(request: AuthenticatedHttpRequest) -> HttpResponse:
    form = InboxForm(request.GET)
    form.is_valid()  # Filters that are wrong are left out.
    given = form.cleaned_data
    rows = inbox.matching(
        kind=given.get("type", ""), payer=given.get("payer", ""),
        first=given.get("from"), last=given.get("to"),
    )  # fmt: skip
    status = given.get("status", "")
    counts = inbox.counts(rows)
    labels = inbox.STATUSES | (inbox.OPEN if status in inbox.OPEN else {})
    context = {
        "form": form,
        "status": status,
        "tabs": [(name, label, counts[name]) for name, label in labels.items()],
        "counts": counts,
        "page": inbox.get_page(
            rows.filter(inbox.CONDITIONS[status]) if status else rows, **form.place
        ),
        "plans": _waiting_plans(),
        "takes_webhooks": conf.takes_webhooks(),
        "address": request.build_absolute_uri(reverse("clerk-webhook")),
        "types": TYPES,
    }
    status_code = 400 if form.errors else 200
    return render(request, "adminpanel/webhooks.html", context, status=status_code)


@admin_page
def webhook(request: AuthenticatedHttpRequest, delivery_id: int) -> HttpResponse:
    delivery = _delivery(delivery_id)
    context = {
        "delivery": delivery,
        "status": inbox.status_of(delivery),
        "label": inbox.STATUSES[inbox.status_of(delivery)],
        "person": inbox.people_of([delivery.payer_id]).get(delivery.payer_id),
        "processings": delivery_detail.processings(delivery),
        "items": delivery_detail.items_now(delivery),
        "payment": delivery_detail.payment_now(delivery),
        "tree": tree(delivery.payload),
        "kept_days": settings.INBOX_PAYLOAD_DAYS,
    }
    return render(request, "adminpanel/webhook.html", context)


def _delivery(delivery_id: int) -> WebhookDelivery:
    return get_object_or_404(WebhookDelivery, pk=min(delivery_id, 2**63 - 1))


@admin_form
def replay_webhook(request: AuthenticatedHttpRequest, delivery_id: int) -> HttpResponse:
    """One delivery: asks first, then processes it again."""
    delivery = _delivery(delivery_id)
    if delivery.forgotten:
        messages.info(request, "There is nothing to replay: its payload was emptied.")
        return redirect("admin-webhook", delivery_id)
    if request.method != "POST":
        context = {"delivery": delivery, "status": inbox.status_of(delivery)}
        return render(request, "adminpanel/webhook_replay.html", context)
    if replay_one(actor=request.user, delivery=delivery):
        messages.success(request, "1 processed, 0 failed.")
    else:
        messages.error(request, "0 processed, 1 failed: its error is below.")
    return redirect("admin-webhook", delivery_id)


@admin_form
def replay(request: AuthenticatedHttpRequest) -> HttpResponse:
    """All that failed, or all with unmapped plans: says how many, then does some at a time."""
    form = ReplayForm(request.POST or None)
    if form.is_valid():
        given = form.cleaned_data
        batch = replay_some(
            actor=request.user, which=given["which"], after=given["after"] or 0,
            up_to=given["up_to"],
        )  # fmt: skip
        return _progress(request, given, batch)
    unmapped = request.GET.get("which") == Which.UNMAPPED and request.method != "POST"
    which = Which.UNMAPPED if unmapped else Which.FAILED
    context = {
        "which": which,
        "choice": inbox.choice(which),
        "plans": _waiting_plans() if unmapped else [],
    }
    status = 400 if request.method == "POST" else 200
    return render(request, "adminpanel/webhooks_replay.html", context, status=status)


def _progress(
    request: AuthenticatedHttpRequest, given: dict[str, Any], batch: Batch
) -> HttpResponse:
    """The result when this was the last batch, otherwise how far it is, with the next one."""
    processed = (given["processed"] or 0) + batch.processed
    failed = (given["failed"] or 0) + batch.failed
    done = processed + failed
    if batch.after is None:
        text = f"{processed:,} processed, {failed:,} failed."
        level = messages.ERROR if failed else messages.SUCCESS
        messages.add_message(request, level, text if done else "There was nothing left to replay.")
        url = reverse("admin-webhooks", query={"status": "failed"} if failed else None)
        if wants_fragment(request):
            return HttpResponse(headers={"HX-Redirect": url})
        return redirect(url)
    run = {**given, "after": batch.after, "processed": processed, "failed": failed, "done": done}
    context = {"run": run, "unit": f"deliver{pluralize(given['total'], 'y,ies')}"}
    template = "adminpanel/webhooks_replaying.html"
    return render_page_or_fragment(request, template, "progress", context)
