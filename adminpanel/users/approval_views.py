"""Large adjustments: those that wait, those that were decided, and the second admin's word."""

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from adminpanel.models import AdjustmentRequest
from adminpanel.users import adjustments
from adminpanel.users.forms import DecisionForm
from adminpanel.users.preview import Preview, error_text
from config.pagination import paginate
from credits.exceptions import LedgerError
from credits.http import AuthenticatedHttpRequest
from credits.ledger import get_balance
from credits.statement.forms import PageForm
from credits.users.permissions import admin_page

PAGE = 50


def _requests() -> QuerySet[AdjustmentRequest]:
    return AdjustmentRequest.objects.select_related("user", "asked_by", "decided_by")


@admin_page
@require_safe
def approvals(request: AuthenticatedHttpRequest) -> HttpResponse:
    """What waits, the longest first, and below it what was decided, newest first, in pages."""
    form = PageForm(request.GET)
    decided = _requests().exclude(state="pending")
    form.is_valid()
    page = paginate(decided, size=PAGE, onwards_only=True, **form.place)
    waiting = list(_requests().filter(state="pending").order_by("id")[: PAGE + 1])
    context = {
        "form": form,
        "limit": settings.ADJUSTMENT_APPROVAL_CREDITS,
        "pending": waiting[:PAGE],
        "more": len(waiting) > PAGE,
        "decided": page.rows,
        "older": page.older,
    }
    status = 200 if form.is_valid() else 400
    return render(request, "adminpanel/approvals.html", context, status=status)


@admin_page
@require_http_methods(["GET", "HEAD", "POST"])
def approval(request: AuthenticatedHttpRequest, adjustment_id: int) -> HttpResponse:
    asked = get_object_or_404(_requests(), pk=adjustment_id)
    if request.method != "POST":
        return _page(request, asked)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, asked, "Approve or decline it.", status=422)
    try:
        _decide(request, asked, form)
    except LedgerError as error:
        asked.refresh_from_db()
        held = get_balance(user_id=asked.account_id).held
        return _page(request, asked, error_text(error, held=held), status=422)
    return redirect("admin-user", asked.account_id)


def _decide(
    request: AuthenticatedHttpRequest, asked: AdjustmentRequest, form: DecisionForm
) -> None:
    actor, seen = request.user, form.cleaned_data["seen"]
    if form.cleaned_data["decision"] == "decline":
        adjustments.decline(actor=actor, request_id=asked.pk)
        messages.info(request, "Declined. Nothing has moved.")
        return
    done = adjustments.approve(actor=actor, request_id=asked.pk, seen=seen)
    preview = Preview(done.balance - done.change, done.change)
    messages.success(request, f"{preview.signed} credits: the balance is {done.balance:,} now.")


def _page(
    request: AuthenticatedHttpRequest,
    asked: AdjustmentRequest,
    problem: str = "",
    *,
    status: int = 200,
) -> HttpResponse:
    balance = get_balance(user_id=asked.account_id)
    context = {
        "asked": asked,
        "balance": balance,
        "preview": Preview(balance.remaining, asked.change_of(balance.remaining)),
        "own": asked.asked_by_id == request.user.pk,
        "problem": problem,
    }
    return render(request, "adminpanel/approval.html", context, status=status)
