"""The filters of keys."""

from django import forms
from django.db.models import QuerySet

from adminpanel.forms import FilterForm, PersonField
from adminpanel.keys.search import find_keys
from credits.keys.states import State
from credits.models import ApiKey
from credits.statement.days import on_days


class KeysForm(FilterForm):
    """Filters, and the place in the list."""

    SHOWN = ("user", "search", "state", "from", "to")

    user = PersonField(label="Whose")
    search = forms.CharField(
        label="Search",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "name, id or …end"}),
    )
    state = forms.ChoiceField(
        label="State",
        choices=[("", "Any"), *State.choices],
        required=False,
        error_messages={"invalid_choice": "There is no such state."},
    )

    def rows(self) -> QuerySet[ApiKey]:
        """The keys that match the filters; days are those on which they were made, in UTC."""
        data = self.cleaned_data
        chosen = {name: data[name] for name in ("user", "search", "state")}
        chosen["search"] = chosen["search"].removeprefix("…")
        return find_keys(**chosen).filter(on_days("created_at", data["from"], data["to"]))
