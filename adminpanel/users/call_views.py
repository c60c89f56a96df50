"""The log of a person's calls by API keys, as that person sees it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from ai_chat.calls.forms import CallsForm
from ai_chat.calls.keeping import kept_days
from credits.models import User
from credits.users.permissions import admin_page


@admin_page
def calls(request: HttpRequest, user_id: int) -> HttpResponse:
    """The calls that the filters let through; never what was asked or answered."""
    person = get_object_or_404(User, pk=user_id)
    form = CallsForm(request.GET, account_id=user_id)
    context = {"person": person, "form": form, "days": kept_days()}
    if not form.is_valid():
        return render(request, "adminpanel/calls.html", context, status=400)
    return render(request, "adminpanel/calls.html", {**context, "page": form.page()})
