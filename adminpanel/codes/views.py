"""Batches of redeem codes: made, exported once, watched, and made void."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.codes.forms import BatchForm
from adminpanel.users.adjustments import needs_approval
from adminpanel.users.forms import with_new_key
from adminpanel.users.money_views import error_text
from config.errors import DomainError
from config.pagination import paginate
from credits.exceptions import IdempotencyConflict
from credits.http import AuthenticatedHttpRequest
from credits.idempotency import namespaced
from credits.packs.batches import batches, export_codes, find_batch, make_batch, void_batch
from credits.packs.csv_file import codes_csv
from credits.statement.forms import PageForm
from credits.users.permissions import admin_action, admin_form, admin_page

#: Batches of one page, and redemptions that a batch's page shows.
PAGE, LATEST = 50, 50


@admin_page
def codes(request: HttpRequest) -> HttpResponse:
    """All batches, newest first."""
    form = PageForm(request.GET)
    if not form.is_valid():
        raise BadRequest("There is no such page.")
    page = paginate(batches(), size=PAGE, onwards_only=True, **form.place)
    return render(request, "adminpanel/codes.html", {"page": page})


@admin_form
def new(request: AuthenticatedHttpRequest) -> HttpResponse:
    """A form, what it makes, and a confirmation that makes it once."""
    form = BatchForm(request.POST if request.method == "POST" else None)
    error = None
    if form.is_valid() and form.cleaned_data["confirm"]:
        try:
            key = namespaced(f"codes:{request.user.pk}", str(form.cleaned_data["key"]))
            batch = make_batch(actor=request.user, key=key, **form.batch)
        except DomainError as refusal:
            if refusal.status == 202:  # It waits for a second admin.
                raise
            error = refusal
            if isinstance(error, IdempotencyConflict):
                form = BatchForm(with_new_key(request.POST))
        else:
            messages.success(request, "The batch is made. Export it to have its codes.")
            return redirect("admin-code-batch", batch.pk)
    context: dict[str, Any] = {"form": form, "problem": error_text(error) if error else ""}
    if form.is_valid():
        total = form.cleaned_data["worth"] * form.cleaned_data["count"]
        context |= {"total": total, "needs_approval": needs_approval(request.user, total)}
    context["limit"] = settings.ADJUSTMENT_APPROVAL_CREDITS
    status = 422 if error or (form.is_bound and not form.is_valid()) else 200
    return render(request, "adminpanel/codes_new.html", context, status=status)


@admin_page
def batch(request: HttpRequest, batch_id: int) -> HttpResponse:
    return _page(request, batch_id)


@admin_action
def export(request: AuthenticatedHttpRequest, batch_id: int) -> HttpResponse:
    """The codes, once; `anew` in place of those that nobody has redeemed."""
    try:
        exported, plain = export_codes(
            actor=request.user, batch_id=batch_id, anew="anew" in request.POST
        )
    except DomainError as error:
        if error.status != 409:
            raise
        return _page(request, batch_id, problem=str(error), status=409)
    return codes_csv(exported, plain)


@admin_action
def void(request: AuthenticatedHttpRequest, batch_id: int) -> HttpResponse:
    """Ends the codes that nobody has redeemed."""
    reason = request.POST.get("reason", "").replace("\x00", "")[:500]
    ended = void_batch(actor=request.user, batch_id=batch_id, reason=reason)
    messages.success(request, f"Void. {ended.redeemed:,} had been redeemed, and stay.")
    return redirect("admin-code-batch", batch_id)


def _page(
    request: HttpRequest, batch_id: int, *, problem: str = "", status: int = 200
) -> HttpResponse:
    found = find_batch(batch_id)
    redeemed = found.codes.filter(redeemed_at__isnull=False).order_by("-redeemed_at")
    context = {
        "batch": found,
        "left": found.count - found.redeemed,
        "redeemed": redeemed.select_related("user")[:LATEST],
        "problem": problem,
    }
    return render(request, "adminpanel/code_batch.html", context, status=status)
