"""What can be asked of the inbox."""

from typing import Any

from django import forms

from adminpanel.forms import FilterForm
from adminpanel.webhooks.inbox import OPEN, STATUSES
from credits.clerk.webhooks.replays import Which

MAX_ID = 2**63 - 2


class InboxForm(FilterForm):
    """Filters, and where the page begins."""

    SHOWN = ("type", "payer", "from", "to")

    status = forms.ChoiceField(
        choices=[("", "All"), *STATUSES.items(), *OPEN.items()],
        required=False,
        error_messages={"invalid_choice": "There is no such status."},
    )
    type = forms.CharField(
        label="Type",
        required=False,
        max_length=100,
        widget=forms.TextInput(
            attrs={"type": "search", "list": "types", "placeholder": "subscriptionItem"}
        ),
    )
    payer = forms.CharField(
        label="Payer",
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "user_… or e-mail"}),
    )

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


class ReplayForm(forms.Form):
    """A replay of many, and how far it is: the figures of the batches before are carried along to
    be shown; what is done is read from the database."""

    which = forms.ChoiceField(choices=Which.choices)
    up_to = forms.IntegerField(min_value=0, max_value=MAX_ID)
    after = forms.IntegerField(min_value=0, max_value=MAX_ID, required=False)
    total = forms.IntegerField(min_value=0, max_value=MAX_ID)
    processed = forms.IntegerField(min_value=0, max_value=MAX_ID, required=False)
    failed = forms.IntegerField(min_value=0, max_value=MAX_ID, required=False)
