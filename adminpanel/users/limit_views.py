"""Limits that admins set for a person, beside the person's own."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from config.errors import DomainError
from credits.http import AuthenticatedHttpRequest
from credits.limit_states import limit_states
from credits.limits.forms import AdminLimitForm, ReasonForm
from credits.limits.setting import find_limit, limit_version, remove_limit
from credits.limits.views import save
from credits.models import User
from credits.users.permissions import admin_form


@admin_form
def limits(request: AuthenticatedHttpRequest, user_id: int) -> HttpResponse:
    """A person's limits, and the form that sets one."""
    person = get_object_or_404(User, pk=user_id)
    form = AdminLimitForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and save(form, actor=request.user, account_id=user_id):
        messages.success(request, "The limit is set.")
        return redirect("admin-limits", user_id)
    states = limit_states(account_id=user_id)
    context = {"person": person, "form": form, "states": states, "own": person == request.user}
    status = 422 if form.errors else 200
    return render(request, "adminpanel/limits.html", context, status=status)


@admin_form
def limit(request: AuthenticatedHttpRequest, user_id: int, limit_id: int) -> HttpResponse:
    """One limit that admins set, to be changed."""
    person = get_object_or_404(User, pk=user_id)
    theirs = find_limit(account_id=user_id, limit_id=limit_id, by_admin=True)
    data = request.POST if request.method == "POST" else None
    form = AdminLimitForm(data, limit=theirs)
    if request.method == "POST" and save(form, actor=request.user, account_id=user_id):
        messages.success(request, "The limit is changed.")
        return redirect("admin-limits", user_id)
    states = [each for each in limit_states(account_id=user_id) if each.limit == theirs]
    context = {"person": person, "form": form, "states": states, "limit": theirs}
    status = 422 if form.errors else 200
    return render(request, "adminpanel/limits.html", context, status=status)


@admin_form
def remove(request: AuthenticatedHttpRequest, user_id: int, limit_id: int) -> HttpResponse:
    """Asks why a limit is removed, and removes it."""
    person = get_object_or_404(User, pk=user_id)
    theirs = find_limit(account_id=user_id, limit_id=limit_id, by_admin=True)
    data = request.POST if request.method == "POST" else None
    form = ReasonForm(data, initial={"was": limit_version(theirs)})
    if form.is_valid():
        try:
            remove_limit(
                actor=request.user,
                account_id=user_id,
                limit_id=limit_id,
                expected_version=form.cleaned_data["was"],
                by_admin=True,
                reason=form.cleaned_data["reason"],
            )
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The limit is removed.")
            return redirect("admin-limits", user_id)
    context = {"person": person, "limit": theirs, "form": form}
    status = 422 if form.errors else 200
    return render(request, "adminpanel/limit_remove.html", context, status=status)
