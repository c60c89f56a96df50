"""What can be asked of the trail of authentication."""

from django import forms
from django.db.models import QuerySet

from adminpanel.forms import FilterForm, PersonField
from credits.models import AuthenticationEvent
from credits.statement.days import on_days


class SignInsForm(FilterForm):
    """Filters, and the place to go on from."""

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
        """What the filters let through; days are UTC, both included."""
        given = self.cleaned_data
        chosen = {name: given[name] for name in ("user", "kind", "address") if given[name]}
        days = on_days("created_at", given["from"], given["to"])
        return AuthenticationEvent.objects.filter(days, **chosen).select_related("user")
