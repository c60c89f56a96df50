"""Adjusting a balance and refunding a charge: a form, a preview of what it does, and a confirmation
that does it once. Without JavaScript each is a page; with it the form's part of the page."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from adminpanel.models import AdjustmentRequest
from adminpanel.users import adjustments, refunds
from adminpanel.users.forms import AdjustForm, OnceForm, RefundForm, with_new_key
from adminpanel.users.preview import Preview, count, error_text
from credits.exceptions import IdempotencyConflict, InsufficientCredits, LedgerError
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment
from credits.idempotency import namespaced
from credits.ledger import Adjustment, get_balance
from credits.models import User
from credits.statement.lines import Line
from credits.users.permissions import admin_page


@admin_page
@require_http_methods(["GET", "HEAD", "POST"])
def adjust(request: AuthenticatedHttpRequest, user_id: int) -> HttpResponse:
    person = get_object_or_404(User, pk=user_id)
    if request.method != "POST":
        return _adjust_page(request, person, AdjustForm(), preview=False)
    form = AdjustForm(request.POST)
    if not form.is_valid() or not form.cleaned_data["confirm"]:
        return _adjust_page(request, person, form)
    asked = form.cleaned_data
    try:
        done = adjustments.adjust(
            actor=request.user,
            user_id=person.pk,
            change=form.change,
            reason=asked["reason"],
            key=_key("adjust", request, asked["key"]),
            seen=asked["seen"],
        )
    except LedgerError as error:
        return _adjust_page(request, person, _refused(form, AdjustForm, error), problem=error)
    _say_adjusted(request, done)
    return redirect("admin-user", person.pk)


def _key(scope: str, request: AuthenticatedHttpRequest, key: str) -> str:
    """The form's key in the ledger: the same key of two admins is two keys."""
    return namespaced(f"{scope}:{request.user.pk}", key)


def _refused[F: OnceForm](form: F, kind: type[F], error: LedgerError) -> F:
    """The form to show after an error: one that was used before gets a new key."""
    if not isinstance(error, IdempotencyConflict):
        return form
    renewed = kind(with_new_key(cast(QueryDict, form.data)))
    renewed.is_valid()
    return renewed


def _say_adjusted(request: AuthenticatedHttpRequest, done: Adjustment | AdjustmentRequest) -> None:
    if isinstance(done, AdjustmentRequest):
        if done.is_pending:
            messages.warning(request, "Nothing has moved yet: a second admin must approve it.")
        else:
            messages.info(request, f"This was asked before, and {done.state}.")
    elif done.replayed:
        messages.info(request, "That was done already. Nothing moved again.")
    elif done.change:
        preview = Preview(done.balance - done.change, done.change)
        messages.success(request, f"{preview.signed} credits: the balance is {done.balance:,} now.")
    else:
        messages.info(request, f"The balance is {done.balance:,} already. Nothing moved.")


def _adjust_page(
    request: AuthenticatedHttpRequest,
    person: User,
    form: AdjustForm,
    *,
    preview: bool = True,
    problem: LedgerError | None = None,
) -> HttpResponse:
    """The form, and below it what it would do. What is wrong stands beside its field."""
    balance = get_balance(user_id=person.pk)
    planned = None
    if preview and form.is_valid():
        planned = Preview(balance.remaining, form.change.of(balance.remaining))
        if planned.after < 0:
            short = InsufficientCredits(required=-planned.change, available=balance.remaining)
            form.add_error("amount", error_text(short, held=balance.held))
        elif not planned.change and not problem:
            form.add_error("amount", f"The balance is {balance.remaining:,} already.")
    return _answer(
        request,
        "adjust",
        form,
        error_text(problem, held=balance.held) if problem else "",
        {"person": person, "balance": balance, "preview": planned if form.is_valid() else None},
    )


def _answer(
    request: AuthenticatedHttpRequest,
    name: str,
    form: OnceForm,
    problem: str,
    context: dict[str, object],
) -> HttpResponse:
    wrong = problem or (form.is_bound and not form.is_valid())
    context |= {"form": form, "problem": problem, "limit": settings.ADJUSTMENT_APPROVAL_CREDITS}
    return render_page_or_fragment(
        request, f"adminpanel/{name}.html", "form", context, status=422 if wrong else 200
    )


@admin_page
@require_http_methods(["GET", "HEAD", "POST"])
def refund(request: AuthenticatedHttpRequest, charge_id: int) -> HttpResponse:
    charge = Line(get_object_or_404(refunds.charges().select_related("user"), pk=charge_id))
    if request.method != "POST":
        form = RefundForm(initial={"amount": charge.left or None})
        return _refund_page(request, charge, form, preview=False)
    form = RefundForm(request.POST)
    if not form.is_valid() or not form.cleaned_data["confirm"]:
        return _refund_page(request, charge, form)
    asked = form.cleaned_data
    try:
        done = refunds.refund(
            actor=request.user,
            charge=charge.row,
            amount=asked["amount"],
            reason=asked["reason"],
            key=_key("refund", request, asked["key"]),
        )
    except LedgerError as error:
        return _refund_page(request, charge, _refused(form, RefundForm, error), problem=error)
    if done.replayed:
        messages.info(request, "That was done already. Nothing was returned again.")
    else:
        messages.success(request, f"{count(done.credits)} of #{charge.id} came back.")
    back = reverse("admin-user", args=[charge.row.account_id])
    return redirect(f"{back}?row={done.id}#row-{done.id}")


def _refund_page(
    request: AuthenticatedHttpRequest,
    charge: Line,
    form: RefundForm,
    *,
    preview: bool = True,
    problem: LedgerError | None = None,
) -> HttpResponse:
    balance = get_balance(user_id=charge.row.account_id)
    planned = None
    if preview and form.is_valid() and not problem:
        amount = form.cleaned_data["amount"] or charge.left
        try:
            refunds.check(charge, amount)
        except LedgerError as error:
            form.add_error("amount", error_text(error))
        planned = Preview(balance.remaining, amount)
    context = {
        "charge": charge,
        "balance": balance,
        "preview": planned if form.is_valid() else None,
        "left_after": charge.left - planned.change if planned else 0,
    }
    return _answer(request, "refund", form, error_text(problem) if problem else "", context)
