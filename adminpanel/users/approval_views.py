"""The requests that need a second admin: the list, and approving or declining one."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from adminpanel.differences import differences
from adminpanel.users.forms import DecisionForm
from adminpanel.users.money_views import Preview, error_text, say_adjusted
from config.errors import DomainError
from config.pagination import paginate
from credits import approvals
from credits.adjustments import Adjustment
from credits.exceptions import LedgerError
from credits.http import AuthenticatedHttpRequest
from credits.ledger import get_balance
from credits.models import Approval, CodeBatch
from credits.statement.forms import PageForm
from credits.users.permissions import admin_form, admin_page

#: Requests of one page.
PAGE = 50


@admin_page
def index(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Pending requests, the oldest first, and below them pages of decided ones, newest first."""
    form = PageForm(request.GET)
    valid = form.is_valid()
    requests = Approval.objects.select_related("user", "asked_by", "decided_by")
    decided = requests.exclude(state="pending")
    page = paginate(decided, size=PAGE, onwards_only=True, **form.place)
    waiting = list(approvals.waiting()[: PAGE + 1])
    context = {
        "form": form,
        "limit": settings.ADJUSTMENT_APPROVAL_CREDITS,
        "pending": waiting[:PAGE],
        "more": len(waiting) > PAGE,
        "decided": page.rows,
        "older": page.older,
    }
    return render(request, "adminpanel/approvals.html", context, status=200 if valid else 400)


@admin_form
def detail(request: AuthenticatedHttpRequest, approval_id: int) -> HttpResponse:
    """One request; the POST approves or declines it."""
    requests = Approval.objects.select_related("user", "asked_by", "decided_by", "sync")
    approval = get_object_or_404(requests, pk=approval_id)
    error = None
    if request.method == "POST":
        try:
            return _decide(request, approval)
        except DomainError as refusal:
            error = refusal
            approval.refresh_from_db()
    context = {
        "approval": approval,
        "lines": [
            (effect["target"], differences(effect["before"], effect["after"]))
            for effect in approval.effects
            if not approval.account_id
        ],
        "limit": settings.ADJUSTMENT_APPROVAL_CREDITS,
        "own": request.user.pk in {approval.asked_by_id, approval.account_id},
        **_balance(approval),
    }
    if error:
        held = context["balance"].held if approval.account_id else 0
        context["problem"] = error_text(error, held=held)
    return render(request, "adminpanel/approval.html", context, status=422 if error else 200)


def _balance(approval: Approval) -> dict[str, Any]:
    """The balance of the account, and a preview of what approving would do to it now."""
    if not approval.account_id:
        return {}
    balance = get_balance(user_id=approval.account_id)
    adjusts = approval.is_adjustment
    change = approval.change_of(balance.remaining) if adjusts else approval.credits
    return {"balance": balance, "preview": Preview(balance.remaining, change)}


def _decide(request: AuthenticatedHttpRequest, approval: Approval) -> HttpResponse:
    """Approves or declines, as the form says. Raises DomainError."""
    form = DecisionForm(request.POST)
    if not form.is_valid():
        raise LedgerError("Approve or decline it.")
    if form.cleaned_data["decision"] == "decline":
        approvals.decline(actor=request.user, request_id=approval.pk)
        messages.info(request, "Declined. Nothing has moved.")
    else:
        seen = form.cleaned_data["seen"]
        done = approvals.approve(actor=request.user, request_id=approval.pk, seen=seen)
        if isinstance(done, Adjustment):
            say_adjusted(request, done)
        else:
            messages.success(request, "Approved, and done.")
            if isinstance(done, CodeBatch):
                return redirect("admin-code-batch", done.pk)
    if approval.account_id:
        return redirect("admin-user", approval.account_id)
    return redirect("admin-approval", approval.pk)
