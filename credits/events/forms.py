"""The forms of webhooks."""

from django import forms

from config.errors import InvalidInput
from config.text import is_blank
from credits.events.addresses import LONGEST


class EndpointForm(forms.Form):
    """Where a webhook is, and what its owner calls it."""

    url = forms.CharField(
        label="Address",
        max_length=LONGEST,
        help_text="A public https address that takes POST requests.",
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://…"}),
    )
    description = forms.CharField(label="Description (optional)", max_length=150, required=False)

    def clean_description(self) -> str:
        text: str = self.cleaned_data["description"]
        return "" if is_blank(text) else text

    def refuse(self, error: InvalidInput) -> None:
        """Shows what a service said of the input."""
        self.add_error(str(error.path[0]), str(error))
