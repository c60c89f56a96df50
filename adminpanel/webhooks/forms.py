"""What can be asked of the inbox."""

from functools import partial

from django import forms

from adminpanel.forms import FilterForm
from adminpanel.webhooks.inbox import OPEN, STATUSES
from credits.clerk.webhooks.replays import Which

#: A number that the page carries along; the highest is an id's.
Number = partial(forms.IntegerField, min_value=0, max_value=2**63 - 2)


def search_field(label: str, longest: int, **attrs: str) -> forms.CharField:
    """Text to search for; everything if there is none."""
    widget = forms.TextInput(attrs={"type": "search", **attrs})
    return forms.CharField(label=label, required=False, max_length=longest, widget=widget)


class InboxForm(FilterForm):
    """Filters, and where the page begins."""

    SHOWN = ("type", "payer", "from", "to")

    status = forms.ChoiceField(
        choices=[("", "All"), *STATUSES.items(), *OPEN.items()],
        required=False,
        error_messages={"invalid_choice": "There is no such status."},
    )
    type = search_field("Type", 100, list="types", placeholder="subscriptionItem")
    payer = search_field("Payer", 254, placeholder="user_… or e-mail")


class ReplayForm(forms.Form):
    """A replay of many, and how far it is: the numbers of the batches before are carried along, to
    be shown; what is done is read from the database."""

    which = forms.TypedChoiceField(choices=Which.choices, coerce=Which)
    up_to = Number()
    after = Number(required=False)
    total = Number()
    processed = Number(required=False)
    failed = Number(required=False)
