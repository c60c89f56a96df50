"""Who spends what through which API key, and which keys are refused or fail, as a page and as a
file."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adminpanel.exports import exported
from adminpanel.forms import FilterForm, PersonField
from ai_chat.calls.by_key import KeySums, Order, by_key, without_key
from config.serving.capacity import exports
from config.zones import in_utc
from credits.http import AuthenticatedHttpRequest
from credits.statement.csv_file import Columns, csv_response
from credits.users.permissions import admin_page

#: Days that are shown unless others are asked for, today included.
DAYS = 30


class ByKeyForm(FilterForm):
    """Which days (UTC, both included), whose keys, and in which order; the last DAYS days of all
    unless given."""

    SHOWN = ("user", "from", "to", "order")

    user = PersonField(label="Whose")
    order = forms.ChoiceField(
        label="Most first",
        choices=Order.choices,
        required=False,
        error_messages={"invalid_choice": "There is no such order."},
    )

    @property
    def days(self) -> tuple[date, date]:
        """What was asked for; call it on a valid form."""
        last = self.cleaned_data["to"] or datetime.now(UTC).date()
        return self.cleaned_data["from"] or last - timedelta(days=DAYS - 1), last

    def rows(self) -> list[KeySums]:
        """The keys that were used in these days."""
        first, last = self.days
        user, order = self.cleaned_data["user"], self.cleaned_data["order"]
        return by_key(first=first, last=last, user_id=user and user.pk, order=order or Order.SPENT)


COLUMNS: Columns[KeySums] = {
    "Key id": lambda row: row.key.public_id,
    "Key": lambda row: row.key.name,
    "User id": lambda row: row.key.account_id,
    "User": lambda row: str(row.user),
    "Credits spent": lambda row: row.spent_credits,
    "Requests": lambda row: row.requests,
    "Too many": lambda row: row.limited,
    "Without credits": lambda row: row.unpaid,
    "Failed": lambda row: row.failed,
    "Broke off": lambda row: row.broke_off,
}


@admin_page
@in_utc
def keys(request: HttpRequest) -> HttpResponse:
    """The keys that were used, those that spent most first unless asked otherwise."""
    form = ByKeyForm(request.GET)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        first, last = form.days
        guesses = without_key(first=first, last=last)
        context |= {"rows": form.rows(), "days": form.days, "guesses": guesses}
    status = 200 if form.is_valid() else 400
    return render(request, "adminpanel/usage_keys.html", context, status=status)


@admin_page
@require_GET
@exports
@in_utc
def keys_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """The same as a file; credits are exact."""
    form = ByKeyForm(request.GET)
    if not form.is_valid():
        raise form.refusal
    exported(request, "keys", form)
    return csv_response([form.rows()], COLUMNS, name="tally-keys")
