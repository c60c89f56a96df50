"""The options of a sync, as the contract names them."""

from typing import Any

from django import forms

from credits.clerk.sync.options import (
    MAX_REASON,
    OPTIONS,
    Option,
    SyncOptions,
    lacks_set_credits,
    options_of,
)


class SyncForm(forms.Form):
    """What to sync. `key` names the dry run that the button starts: pressed twice, it is one."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for option in OPTIONS:
            if option.name != "dryRun":
                self.fields[option.name] = _field(option)

    @property
    def options(self) -> SyncOptions:
        """Of a dry run with these options."""
        return options_of({**self.cleaned_data, "dryRun": True})

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        options = self.options
        if not (options.sync_users or options.sync_plans or options.set_credits):
            self.add_error("syncUsers", "Choose something to do.")
        if lacks_set_credits(options):
            self.add_error("overrideCredits", "Only with “Set plan credits”.")
        if options.set_credits and not options.reason and "reason" not in self.errors:
            self.add_error("reason", "Say why plan credits are set.")
        return data


def _field(option: Option) -> forms.Field:
    described: dict[str, Any] = {
        "label": option.label, "help_text": option.help, "initial": option.default,
        "required": option.is_number and option.default is not None,
    }  # fmt: skip
    if option.is_flag:
        return forms.BooleanField(**described)
    if not option.is_number:
        return forms.CharField(max_length=MAX_REASON, **described)
    return forms.IntegerField(
        min_value=option.low,
        max_value=option.high,
        error_messages={"invalid": "Write a whole number."},
        **described,
    )
