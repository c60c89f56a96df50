"""Reported links, and what an admin does about one."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from ai_chat.sharing.services import ENDED_KEPT, judge, reported
from credits.http import AuthenticatedHttpRequest
from credits.limits.forms import ReasonForm
from credits.users.permissions import admin_form, admin_page

#: Links of the page: those that an admin has to judge, then others, newest first.
SHOWN = 100
#: Reports of one link that are shown, newest first.
REPORTS = 50


class JudgeForm(ReasonForm):
    """What becomes of a reported copy, and why."""

    act = forms.ChoiceField(
        choices=[("take_down", "Take it down"), ("dismiss", "Dismiss the reports")],
        error_messages={"required": "Choose what is to be done."},
    )


@admin_page
def shares(request: HttpRequest) -> HttpResponse:
    """Reported links; those with reports that nobody has judged stand first."""
    context = {"shares": reported()[:SHOWN], "most": SHOWN, "days": ENDED_KEPT.days}
    return render(request, "adminpanel/shares.html", context)


@admin_form
def share(request: AuthenticatedHttpRequest, share_id: UUID) -> HttpResponse:
    """The reports of a link; a POST takes the copy down, or dismisses them."""
    row = get_object_or_404(reported(), pk=share_id)
    form = JudgeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        take_down = form.cleaned_data["act"] == "take_down"
        reason = form.cleaned_data["reason"]
        judge(actor=request.user, share=row, take_down=take_down, reason=reason)
        messages.success(request, "It is taken down." if take_down else "They are dismissed.")
        return redirect("admin-shares")
    context = {"share": row, "reports": row.reports.select_related("reporter")[:REPORTS]}
    status = 422 if form.errors else 200
    return render(request, "adminpanel/share.html", {**context, "form": form}, status=status)
