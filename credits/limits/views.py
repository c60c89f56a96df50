"""The pages of a user's limits: the list with the form that adds one, changing and removing."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from config.errors import DomainError
from credits.http import AuthenticatedHttpRequest
from credits.limit_states import limit_states
from credits.limits.forms import LimitForm
from credits.limits.setting import MOST, find_limit, limit_version, remove_limit, set_limit
from credits.models import User
from credits.users.permissions import refuse_impersonated


@require_http_methods(["GET", "HEAD", "POST"])
def limits(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The user's limits, those that admins set among them, and the form that adds one."""
    form = LimitForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        refuse_impersonated(request)
        if save(form, actor=request.user, account_id=request.user.pk):
            messages.success(request, "The limit is set.")
            return redirect("limits")
    states = limit_states(account_id=request.user.pk)
    context = {"form": form, "states": states, "most": MOST}
    status = 422 if form.errors else 200
    return render(request, "credits/limits/limits.html", context, status=status)


def save(form: LimitForm, *, actor: User, account_id: int) -> bool:
    """Sets the limit of a form; or else the form says why not."""
    if not form.is_valid():
        return False
    try:
        set_limit(actor=actor, account_id=account_id, **form.values)
    except DomainError as error:
        form.refuse(error)
    return form.is_valid()


@require_http_methods(["GET", "HEAD", "POST"])
def limit(request: AuthenticatedHttpRequest, limit_id: int) -> HttpResponse:
    """One limit, to be changed."""
    mine = find_limit(account_id=request.user.pk, limit_id=limit_id)
    form = LimitForm(request.POST if request.method == "POST" else None, limit=mine)
    if request.method == "POST":
        refuse_impersonated(request)
        if save(form, actor=request.user, account_id=request.user.pk):
            messages.success(request, "The limit is changed.")
            return redirect("limits")
    [state] = [each for each in limit_states(account_id=request.user.pk) if each.limit == mine]
    context = {"form": form, "state": state}
    status = 422 if form.errors else 200
    return render(request, "credits/limits/limit.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: AuthenticatedHttpRequest, limit_id: int) -> HttpResponse:
    """Asks whether to remove a limit, and does it."""
    mine = find_limit(account_id=request.user.pk, limit_id=limit_id)
    problem = ""
    if request.method == "POST":
        refuse_impersonated(request)
        try:
            remove_limit(
                actor=request.user,
                account_id=request.user.pk,
                limit_id=limit_id,
                expected_version=request.POST.get("was", ""),
            )
        except DomainError as error:
            problem = str(error)
        else:
            messages.success(request, "The limit is removed.")
            return redirect("limits")
    context = {"limit": mine, "was": limit_version(mine), "problem": problem}
    status = 409 if problem else 200
    return render(request, "credits/limits/remove.html", context, status=status)
