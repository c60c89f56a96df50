"""What can be asked of a new batch of codes."""

from typing import Any

from django import forms

from adminpanel.users.forms import OnceForm, pack_choices
from credits.catalogue.fields import CODES, NOTE, PACK_CREDITS
from credits.catalogue.forms import CreditsField, RuleField
from credits.catalogue.packs import find_pack
from credits.models import Pack
from credits.statement.forms import DayField


class BatchForm(OnceForm):
    """A batch: of a pack, or of a worth of its own."""

    pack = forms.ChoiceField(required=False)
    worth = CreditsField(
        PACK_CREDITS,
        label="Credits of each code",
        required=False,
        help_text="Where no pack is chosen.",
    )
    count = CreditsField(CODES, label="How many codes")
    last_day = DayField("Last day")
    once_per_user = forms.BooleanField(
        required=False,
        initial=True,
        label="One for each account",
        help_text="Otherwise somebody who has several may redeem them all.",
    )
    reason = RuleField(
        NOTE,
        label="What they are for (optional)",
        required=False,
        help_text="Admins read it, nobody else.",
        widget=forms.TextInput(attrs={"class": "f", "autocomplete": "off"}),
    )

    def __init__(self, *data: Any, **options: Any) -> None:
        super().__init__(*data, **options)
        choices: Any = self.fields["pack"]
        choices.choices = [("", "None"), *pack_choices()]
        last_day = self.fields["last_day"]
        last_day.required = True
        last_day.error_messages["required"] = "Choose the last day."
        last_day.help_text = "They can be redeemed until it ends, in UTC. Credits do not expire."

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        worth, pack = data.get("worth"), self._pack(data)
        if pack and worth not in {None, pack.credits}:
            self.add_error("worth", f"{pack.name} is {pack.credits:,} credits.")
        elif not pack and worth is None and "worth" not in self.errors:
            self.add_error("worth", "Choose a pack, or write the credits of each code.")
        return {**data, "worth": pack.credits if pack else worth}

    def _pack(self, data: dict[str, Any]) -> Pack | None:
        return find_pack(int(data["pack"])) if data.get("pack") else None

    @property
    def batch(self) -> dict[str, Any]:
        """What `make_batch` takes of it."""
        data = self.cleaned_data
        return {
            "pack_id": int(data["pack"]) if data["pack"] else None,
            "last_day": f"{data['last_day']:%Y-%m-%d}",
            **{name: data[name] for name in ("worth", "count", "once_per_user", "reason")},
        }
