"""The filters of authentication events."""

from django import forms
from django.db.models import QuerySet

from adminpanel.forms import FilterForm, PersonField
from credits.models import AuthenticationEvent
from credits.statement.days import on_days


class SignInsForm(FilterForm):
    """Filters, and the place in the list."""

    SHOWN = ("user", "kind", "address", "from", "to")

    user = PersonField(label="Who")
    kind = forms.ChoiceField(
        label="What",
        choices=[("", "Everything"), *AuthenticationEvent.Kind.choices],
        required=False,
        error_messages={"invalid_choice": "There is no such event."},
    )
    address = forms.CharField(
        label="Address",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def rows(self) -> QuerySet[AuthenticationEvent]:
        """The events that match the filters; days are UTC, both included."""
        data = self.cleaned_data
        chosen = {name: data[name] for name in ("user", "kind", "address") if data[name]}
        days = on_days("created_at", data["from"], data["to"])
        return AuthenticationEvent.objects.filter(days, **chosen).select_related("user")
