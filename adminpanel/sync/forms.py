"""The options of a sync, as the contract names them."""

from typing import Any

from django import forms

from credits.clerk.api.serializers import MAX_CREDITS
from credits.clerk.client import PAGE
from credits.clerk.sync.jobs import SyncOptions


def _number(label: str, **options: Any) -> forms.IntegerField:
    words = {"invalid": "Write a whole number."}
    return forms.IntegerField(label=label, error_messages=words, **options)


class SyncForm(forms.Form):
    """What to sync. `key` names the dry run that the button starts: pressed twice, it is one."""

    syncUsers = forms.BooleanField(  # noqa: N815 - the contract's names
        label="People", required=False, initial=True, help_text="Names, addresses, bans."
    )
    syncPlans = forms.BooleanField(  # noqa: N815
        label="Subscriptions", required=False, initial=True,
        help_text="By the same rules as webhooks: what was lost is caught up, nothing comes twice.",
    )  # fmt: skip
    setCredits = forms.BooleanField(  # noqa: N815
        label="Set balances", required=False,
        help_text="Of everybody with an active subscription, to the plan's credits; never to less "
        "than what is left of their packs.",
    )  # fmt: skip
    overrideCredits = _number(  # noqa: N815
        "To this many credits", required=False, min_value=0, max_value=MAX_CREDITS,
        help_text="In place of the plan's. Empty: the plan's.",
    )  # fmt: skip
    reason = forms.CharField(
        label="Reason", required=False, max_length=500,
        help_text="People see it in their statement when their balance is set.",
    )  # fmt: skip
    pageSize = _number("Rows a page", initial=PAGE, min_value=1, max_value=PAGE)  # noqa: N815
    maxPages = _number(  # noqa: N815
        "Pages at most", required=False, min_value=1, max_value=10_000, help_text="Empty: all."
    )
    debug = forms.BooleanField(
        label="Debug", required=False, help_text="Show why each row failed, not only which."
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not (data.get("syncUsers") or data.get("syncPlans") or data.get("setCredits")):
            self.add_error("syncUsers", "Choose something to do.")
        if data.get("overrideCredits") is not None and not data.get("setCredits"):
            self.add_error("overrideCredits", "Only with “Set balances”.")
        if data.get("setCredits") and not data.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Say why balances are set.")
        return data

    @property
    def options(self) -> SyncOptions:
        """Of a dry run with these options."""
        asked = self.cleaned_data
        return SyncOptions(
            sync_users=asked["syncUsers"],
            sync_plans=asked["syncPlans"],
            set_credits=asked["setCredits"],
            override_credits=asked["overrideCredits"],
            page_size=asked["pageSize"],
            max_pages=asked["maxPages"],
            debug=asked["debug"],
            dry_run=True,
            reason=asked["reason"],
        )
