"""What can be asked of the inbox."""

from typing import Any

from django import forms

from adminpanel.webhooks.inbox import OPEN, STATUSES
from credits.clerk.replays import Which
from credits.forms import RowField, day_field

MAX_ID = 2**63 - 2


class InboxForm(forms.Form):
    """Filters, and where the page begins."""

    status = forms.ChoiceField(
        choices=[("", "All"), *STATUSES.items(), *OPEN.items()],
        required=False,
        error_messages={"invalid_choice": "There is no such status."},
    )
    type = forms.CharField(label="Type", required=False, max_length=100)
    payer = forms.CharField(label="Payer", required=False, max_length=254)
    to = day_field("To")
    before = RowField()
    after = RowField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `from` is no name that Python can assign to.
        self.fields["from"] = day_field("From")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("from"), data.get("to")
        if first and last and first > last:
            self.add_error("to", "This is before the first day.")
        return data

    @property
    def filters(self) -> dict[str, Any]:
        """What `inbox.matching` takes: all that is right of what was asked."""
        self.is_valid()
        asked = self.cleaned_data
        return {
            "kind": asked.get("type", ""),
            "payer": asked.get("payer", ""),
            "first": asked.get("from"),
            "last": asked.get("to"),
        }

    @property
    def is_filtered(self) -> bool:
        return any(self.filters.values()) or bool(self.cleaned_data.get("status"))


class ReplayForm(forms.Form):
    """A replay of many, and how far it is: the figures of the batches before are carried along, to
    be told; what is done is read from the database."""

    which = forms.ChoiceField(choices=Which.choices)
    up_to = forms.IntegerField(min_value=0, max_value=MAX_ID)
    after = forms.IntegerField(min_value=0, max_value=MAX_ID, required=False)
    total = forms.IntegerField(min_value=0, max_value=MAX_ID)
    processed = forms.IntegerField(min_value=0, max_value=MAX_ID, required=False)
    failed = forms.IntegerField(min_value=0, max_value=MAX_ID, required=False)
