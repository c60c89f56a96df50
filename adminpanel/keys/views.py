"""All keys, and revoking one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.keys.forms import KeysForm
from config.pagination import paginate
from credits.http import AuthenticatedHttpRequest
from credits.keys.forms import RevokeForm
from credits.keys.services import find_key, revoke_key
from credits.keys.states import key_states
from credits.users.permissions import admin_form, admin_page

PAGE = 50


@admin_page
def keys(request: HttpRequest) -> HttpResponse:
    form = KeysForm(request.GET)
    if not form.is_valid():
        return render(request, "adminpanel/keys.html", {"form": form}, status=400)
    page = paginate(form.rows(), size=PAGE, **form.place).map(key_states)
    return render(request, "adminpanel/keys.html", {"form": form, "page": page})


@admin_form
def revoke(request: AuthenticatedHttpRequest, public_id: str) -> HttpResponse:
    """Asks why a key is revoked, and revokes it."""
    key = find_key(public_id=public_id)
    form = RevokeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        data = form.cleaned_data
        revoke_key(
            actor=request.user, key=key, stop=data["stop"], by_admin=True, reason=data["reason"]
        )
        messages.success(request, "The key is revoked.")
        return redirect("admin-user", key.account_id)
    [state] = key_states([key])
    context = {"key": key, "state": state, "person": key.member, "form": form}
    status = 422 if form.errors else 200
    return render(request, "adminpanel/key_revoke.html", context, status=status)
