"""The form of a limit, for its user and for admins."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.http import QueryDict

from config.errors import DomainError, InvalidInput
from credits.catalogue.exceptions import ChangedMeanwhile
from credits.catalogue.fields import LIMIT_CREDITS, PERCENT, one_line
from credits.catalogue.forms import CreditsField, RuleField
from credits.limits.setting import ALERT_AT, NEW, limit_version
from credits.models import Limit

#: Percentages that are offered; others can be written.
OFFERED = (50, 80, 90, 100)
PERIODS = [
    (Limit.Period.DAY, "A day"),
    (Limit.Period.WEEK, "A week, from Monday"),
    (Limit.Period.MONTH, "A month"),
    (Limit.Period.EVER, "In all, from today"),
]
#: The fields of the form by the names that JSON has for them.
NAMES = {"alertAt": "alert_at"}


class LimitForm(forms.Form):
    """What a limit allows. `was` is the version that the page showed, empty for a new one."""

    was = forms.CharField(required=False, widget=forms.HiddenInput)
    period = forms.ChoiceField(label="For", choices=PERIODS)
    credits = CreditsField(LIMIT_CREDITS, label="Credits")
    hard = forms.ChoiceField(
        label="When it is reached",
        choices=[("1", "Stop"), ("0", "Only tell")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one of the two."},
    )
    alert_at = forms.TypedMultipleChoiceField(
        label="Tell at", coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    other = CreditsField(PERCENT, label="and at", required=False)
    restart = forms.BooleanField(label="Count from today anew", required=False)

    #: The answer is a sentence beside the field, also where a browser would refuse by itself.
    use_required_attribute = False

    def __init__(self, data: Any = None, *, limit: Limit | None = None) -> None:
        self.limit = limit
        super().__init__(data, initial=_initial(limit))
        percents = sorted({*OFFERED, *(limit.alert_at if limit else ())})
        alerts: Any = self.fields["alert_at"]
        alerts.choices = [(percent, f"{percent} %") for percent in percents]
        if limit:  # The period says which limit it is, and stays.
            del self.fields["period"]
        if limit is None or limit.period != Limit.Period.EVER:
            del self.fields["restart"]

    @property
    def values(self) -> dict[str, Any]:
        """What `set_limit` takes."""
        cleaned = self.cleaned_data
        other = cleaned["other"]
        return {
            "period": self.limit.period if self.limit else cleaned["period"],
            "credits": cleaned["credits"],
            "hard": cleaned["hard"] == "1",
            "alert_at": sorted({*cleaned["alert_at"], *([other] if other else [])}),
            "restart": cleaned.get("restart", False),
            "member_id": self.limit and self.limit.member_id,
            "key_id": self.limit and self.limit.api_key_id,
            "expected_version": cleaned["was"] if self.limit else NEW,
        }

    def refuse(self, error: DomainError) -> None:
        """Shows what the service said. What was changed meanwhile stands beside the form: sent once
        more, this is what is to be."""
        name = str(error.path[0]) if isinstance(error, InvalidInput) else None
        self.add_error(NAMES.get(name, name) if name else None, str(error))
        if isinstance(error, ChangedMeanwhile):
            renewed = cast(QueryDict, self.data).copy()
            renewed["was"] = error.members["version"]
            self.data = renewed


class ReasonForm(forms.Form):
    """Why an admin does it; `was` is the version that the page showed."""

    was = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = RuleField(one_line(500, "Say why, in"), label="Reason", help_text="For the audit.")

    use_required_attribute = False


class AdminLimitForm(LimitForm):
    """The same for an admin, who says why."""

    reason = ReasonForm.base_fields["reason"]

    @property
    def values(self) -> dict[str, Any]:
        return {**super().values, "reason": self.cleaned_data["reason"], "by_admin": True}


def _initial(limit: Limit | None) -> dict[str, Any]:
    if limit is None:
        alerts: Sequence[int] = ALERT_AT
        return {"period": Limit.Period.MONTH, "hard": "1", "alert_at": list(alerts)}
    return {
        "credits": limit.credits,
        "hard": "1" if limit.hard else "0",
        "alert_at": limit.alert_at,
        "was": limit_version(limit),
    }
