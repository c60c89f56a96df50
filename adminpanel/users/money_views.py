"""Adjusting a balance, giving a pack and refunding a charge: a form, a preview of what it does, and
a confirmation that does it once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from adminpanel.users import refunds
from adminpanel.users.adjustments import adjust as adjust_balance
from adminpanel.users.adjustments import needs_approval
from adminpanel.users.forms import AdjustForm, GiveForm, OnceForm, RefundForm, with_new_key
from config.errors import DomainError
from credits.adjustments import Adjustment
from credits.exceptions import (
    ChargeHeld,
    IdempotencyConflict,
    InsufficientCredits,
    LedgerError,
    RefundTooLarge,
)
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment
from credits.idempotency import namespaced
from credits.ledger import Balance, get_balance
from credits.models import Approval, User
from credits.packs.giving import give_pack
from credits.users.permissions import admin_form


class Preview(NamedTuple):
    """A balance before a change, and the change, in credits."""

    before: int
    change: int
    needs_approval: bool = False

    @property
    def after(self) -> int:
        return self.before + self.change

    @property
    def signed(self) -> str:
        sign = "+" if self.change > 0 else "−" if self.change else ""
        return f"{sign}{abs(self.change):,}"


def _count(credits: int) -> str:
    return f"{credits:,} credit{'' if credits == 1 else 's'}"


def error_text(error: DomainError, *, held: int = 0) -> str:
    """The error as a sentence for the admin who wanted it; `held` credits are in flight."""
    match error:
        case InsufficientCredits():
            in_flight = f" {_count(held)} more are held by work in flight." if held else ""
            return f"At most {_count(error.available)} can be taken away.{in_flight}"
        case ChargeHeld():
            return "The work it pays for is still going on. Wait until it has ended."
        case RefundTooLarge(available=0):
            return "All of this charge has been returned already."
        case RefundTooLarge():
            return f"At most {_count(error.available)} of this charge can still be returned."
        case IdempotencyConflict():
            return (
                "This form was used before, for something else. Nothing was done now: "
                "look at the preview, and confirm if this is what you want."
            )
    return str(error)


def _answer[Form: OnceForm](
    request: AuthenticatedHttpRequest,
    form: Form,
    account_id: int,
    *,
    name: str,
    preview: Callable[[Form, Balance, LedgerError | None], Preview | None],
    confirm: Callable[[Form, str], HttpResponse],
    context: dict[str, Any],
) -> HttpResponse:
    """The form, its preview, or what `confirm` answers for a confirmed form. Without JavaScript a
    page; with it the form's part of the page. `name` is the template's and the keys': the same key
    of two admins is two keys. `preview` adds errors to the form where it cannot be done."""
    error = None
    if form.is_valid() and form.cleaned_data["confirm"]:
        try:
            key = namespaced(f"{name}:{request.user.pk}", str(form.cleaned_data["key"]))
            return confirm(form, key)
        except LedgerError as refusal:
            error = refusal
            if isinstance(error, IdempotencyConflict):
                form = type(form)(with_new_key(request.POST))
    balance = get_balance(user_id=account_id)
    planned = preview(form, balance, error) if form.is_valid() else None
    if planned:
        alone = not needs_approval(request.user, planned.change)
        planned = planned._replace(needs_approval=not alone)
    context |= {
        "form": form,
        "balance": balance,
        "preview": planned if form.is_valid() else None,
        "problem": error_text(error, held=balance.held) if error else "",
        "limit": settings.ADJUSTMENT_APPROVAL_CREDITS,
        "own": account_id == request.user.pk,
    }
    status = 422 if error or (form.is_bound and not form.is_valid()) else 200
    return render_page_or_fragment(
        request, f"adminpanel/{name}.html", "form", context, status=status
    )


@admin_form
def adjust(request: AuthenticatedHttpRequest, user_id: int) -> HttpResponse:
    person = get_object_or_404(User, pk=user_id)

    def confirm(form: AdjustForm, key: str) -> HttpResponse:
        reason, seen = form.cleaned_data["reason"], form.cleaned_data["seen"]
        done = adjust_balance(
            actor=request.user, user_id=user_id, reason=reason, key=key, seen=seen, **form.change
        )
        say_adjusted(request, done)
        return redirect("admin-user", user_id)

    return _answer(
        request,
        AdjustForm(request.POST if request.method == "POST" else None),
        user_id,
        name="adjust",
        preview=_preview_adjustment,
        confirm=confirm,
        context={"person": person},
    )


def _preview_adjustment(form: AdjustForm, balance: Balance, error: LedgerError | None) -> Preview:
    change = Approval(**form.change).change_of(balance.remaining)
    planned = Preview(balance.remaining, change)
    if planned.after < 0:
        short = InsufficientCredits(required=-change, available=balance.remaining)
        form.add_error("amount", error_text(short, held=balance.held))
    elif not change and not error:
        form.add_error("amount", f"The balance is {balance.remaining:,} already.")
    return planned


def say_adjusted(request: HttpRequest, done: Adjustment) -> None:
    if done.replayed:
        messages.info(request, "That was done already. Nothing moved again.")
    elif done.change:
        signed = Preview(done.balance - done.change, done.change).signed
        messages.success(request, f"{signed} credits: the balance is {done.balance:,} now.")
    else:
        messages.info(request, f"The balance is {done.balance:,} already. Nothing moved.")


@admin_form
def give(request: AuthenticatedHttpRequest, user_id: int) -> HttpResponse:
    """Gives a pack to somebody, or sells one."""
    person = get_object_or_404(User, pk=user_id)
    context: dict[str, Any] = {"person": person}

    def preview(form: GiveForm, balance: Balance, _: LedgerError | None) -> Preview:
        context["pack"] = form.chosen
        credits_ = form.chosen.credits * form.cleaned_data["quantity"]
        return Preview(balance.remaining, credits_)

    def confirm(form: GiveForm, key: str) -> HttpResponse:
        names = ("quantity", "reference", "reason", "each")
        values = {name: form.cleaned_data[name] for name in names}
        pack_id = form.chosen.pk
        done = give_pack(actor=request.user, user_id=user_id, pack_id=pack_id, key=key, **values)
        if done.replayed:
            messages.info(request, "This payment has brought its pack already. Nothing moved now.")
        else:
            said = f"{_count(done.credits)} came: the balance is {done.balance:,} now."
            messages.success(request, said)
        back = reverse("admin-user", args=[user_id])
        return redirect(f"{back}?row={done.usage_id}#row-{done.usage_id}")

    data = request.POST if request.method == "POST" else None
    return _answer(
        request, GiveForm(data), user_id, name="give", preview=preview, confirm=confirm,
        context=context,
    )  # fmt: skip


@admin_form
def refund(request: AuthenticatedHttpRequest, charge_id: int) -> HttpResponse:
    charge = get_object_or_404(refunds.charges().select_related("user"), pk=charge_id)
    context: dict[str, Any] = {"charge": charge}

    def preview(form: RefundForm, balance: Balance, error: LedgerError | None) -> Preview | None:
        amount = form.cleaned_data["amount"] or charge.left
        context["left_after"] = charge.left - amount
        if not error and charge.held:
            form.add_error("amount", error_text(ChargeHeld()))
        elif not error and not 1 <= amount <= charge.left:
            form.add_error("amount", error_text(RefundTooLarge(available=charge.left)))
        return None if error else Preview(balance.remaining, amount)

    def confirm(form: RefundForm, key: str) -> HttpResponse:
        amount, reason = form.cleaned_data["amount"], form.cleaned_data["reason"]
        done = refunds.refund(
            actor=request.user,
            user_id=charge.account_id,
            charge_id=charge.pk,
            amount=amount,
            reason=reason,
            key=key,
        )
        if done.replayed:
            messages.info(request, "That was done already. Nothing was returned again.")
        else:
            messages.success(request, f"{_count(done.credits)} of #{charge.pk} came back.")
        back = reverse("admin-user", args=[charge.account_id])
        return redirect(f"{back}?row={done.id}#row-{done.id}")

    data = request.POST if request.method == "POST" else None
    form = RefundForm(data, initial={"amount": charge.left or None})
    return _answer(
        request,
        form,
        charge.account_id,
        name="refund",
        preview=preview,
        confirm=confirm,
        context=context,
    )
