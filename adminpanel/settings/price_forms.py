"""What admins type into a price by tokens: credits per 1,000,000 tokens, as exact decimals."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from django import forms

from credits.catalogue.fields import REQUEST_PRICE, TOKEN_PRICE, TOKENS, CreditsText
from credits.catalogue.forms import CreditsField, RuleField
from credits.catalogue.token_prices import COLUMNS, PROVIDER, price_state
from credits.models import AIModel, TokenPrice

#: What the fields are called, by the names of JSON.
LABELS = {
    "input": "Input",
    "cached": "Input from a cache",
    "cacheWrite": "Input written to a cache",
    "output": "Output",
    "reasoning": "Reasoning",
    "request": "A request",
}
#: What embeddings do not have.
OUTPUT = ("output", "reasoning")
#: What is meant by an empty field.
EMPTY = {"cached": "as input", "cacheWrite": "as input", "reasoning": "as output", "request": "0"}

EMBEDDING_CHOICES = [("tokens", "By tokens"), ("message", "None: nobody can use it")]


def _amount(name: str, *, required: bool) -> RuleField:
    rule: CreditsText = REQUEST_PRICE if name == "request" else TOKEN_PRICE
    attrs = {"class": "f num", "size": 8, "inputmode": "decimal", "autocomplete": "off"}
    attrs |= {"placeholder": EMPTY[name]} if name in EMPTY else {}
    return RuleField(
        rule, label=LABELS[name], required=required, widget=forms.TextInput(attrs=attrs)
    )


class PriceForm(forms.Form):
    """A price by tokens from a moment on, or back to one per message (for embeddings: to none); and
    what the provider asks. `version` is that of the prices which the page showed."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)
    by = forms.ChoiceField(
        label="Price",
        choices=[("tokens", "By tokens"), ("message", "Per message, as the feature costs")],
        initial="tokens",
        widget=forms.RadioSelect,
    )
    max_input = CreditsField(
        TOKENS,
        label="Longest input, in tokens",
        required=False,
        help_text="For providers that ask more beyond it: longer calls are refused. Empty: any.",
    )
    valid_from = forms.DateTimeField(
        label="From when on",
        required=False,
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "f"}
        ),
        error_messages={"invalid": "Write a date and a time of this century."},
    )

    def __init__(self, data: Any = None, *, model: AIModel, **options: Any) -> None:
        super().__init__(data, auto_id="price-%s", **options)
        self.labels = dict(LABELS)
        if model.is_embedding:
            self.labels = {name: LABELS[name] for name in LABELS if name not in OUTPUT}
            cast(forms.ChoiceField, self.fields["by"]).choices = EMBEDDING_CHOICES
        by_message = self.is_bound and self.data.get("by") == "message"
        asked = any(str(self.data.get(PROVIDER + name, "")).strip() for name in COLUMNS)
        for name in self.labels:
            needed = name not in EMPTY
            self.fields[name] = _amount(name, required=needed and not by_message)
            self.fields[PROVIDER + name] = _amount(name, required=needed and asked)

    @classmethod
    def of(cls, row: TokenPrice | None, version: str, *, model: AIModel) -> "PriceForm":
        """With a price as it stands, to be changed from now on."""
        state = price_state(row) or {}
        asked = {PROVIDER + name: value for name, value in (state.get("provider") or {}).items()}
        initial = {**state, **asked, "max_input": state.get("maxInput"), "version": version}
        return cls(initial=initial, model=model)

    def clean_valid_from(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["valid_from"]
        if moment and not 2000 <= moment.year < 2100:
            raise forms.ValidationError(self.fields["valid_from"].error_messages["invalid"])
        return moment

    @property
    def prices(self) -> dict[str, Any] | None:
        """What the form says, as `set_token_price` takes it; None for a price per message."""
        values = self.cleaned_data
        if values["by"] == "message":
            return None
        asked = {name: values[PROVIDER + name] for name in self.labels if values[PROVIDER + name]}
        prices = {name: values[name] for name in self.labels if values[name]}
        if "output" not in self.labels:
            prices, asked = {"output": "0", **prices}, asked and {"output": "0", **asked}
        return {**prices, "maxInput": values["max_input"], "provider": asked or None}

    def rows(self) -> Iterator[tuple[str, forms.BoundField, forms.BoundField]]:
        """The fields of each kind of tokens: what it costs, and what the provider asks for it."""
        for name, label in self.labels.items():
            yield label, self[name], self[PROVIDER + name]
