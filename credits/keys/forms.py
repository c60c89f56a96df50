"""The forms of a key: making or changing it, rolling it, and an admin's reason to revoke it."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.http import QueryDict

from config.errors import DomainError, InvalidInput
from credits.catalogue.fields import KEY_NAME, KEY_OVERLAP_DAYS, KEY_RATE, LIMIT_CREDITS
from credits.catalogue.forms import CreditsField, RuleField
from credits.catalogue.models import OFFERED, listed_models
from credits.limits.forms import ReasonForm
from credits.models import ApiKey, Limit
from credits.statement.days import midnight
from credits.statement.forms import DayField

#: The periods as the form names its fields, each with what stands behind the number.
PERIODS = dict(Limit.Period.choices)
#: Which models: all, or those that are chosen.
ALL, ONLY = "all", "only"
DAY = timedelta(days=1)


class SecretForm(forms.Form):
    """Makes a secret, which the answer shows. `latest` names the one made last: when that page is
    loaded again, the form comes again, and is refused as it names the one before (`was`)."""

    was = forms.CharField(required=False, widget=forms.HiddenInput)

    made_since = (
        "A key was made since this form was opened, and its secret was shown then. If that is lost,"
        " make a new one on the key's page. Send the form again to make another key."
    )

    def __init__(self, data: Any = None, *, latest: str = "", **options: Any) -> None:
        super().__init__(data, **options)
        self.latest = latest
        self.initial["was"] = latest

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.data.get("was", self.latest) != self.latest:
            renewed = cast(QueryDict, self.data).copy()
            renewed["was"] = self.latest
            self.data = renewed
            self.add_error(None, self.made_since)
        return data


class KeyForm(SecretForm):
    """What a key is to be. With a `key` it changes that; `limits` are the credits that its account
    has set for it, by period."""

    name = RuleField(
        KEY_NAME,
        label="Name",
        help_text="What it is for: a program, a machine, a person.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "maxlength": 100}),
    )
    which = forms.ChoiceField(
        label="Models",
        choices=[(ALL, "All, those to come too"), (ONLY, "Only these")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one of the two."},
    )
    models = forms.MultipleChoiceField(
        label="Only these models",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "%(value)s is no model that is offered."},
    )
    last_day = DayField("Last day (optional)")
    calls_per_minute = CreditsField(KEY_RATE, label="Calls a minute (optional)", required=False)

    #: The answer is a sentence beside the field, also where a browser would refuse by itself.
    use_required_attribute = False

    def __init__(
        self,
        data: Any = None,
        *,
        latest: str = "",
        key: ApiKey | None = None,
        limits: dict[str, int] | None = None,
    ) -> None:
        self.key = key
        super().__init__(data, latest=latest, initial=_initial(key, limits or {}))
        for period, words in PERIODS.items():
            self.fields[period] = CreditsField(LIMIT_CREDITS, label=words, required=False)
        models: Any = self.fields["models"]
        models.choices = _choices(key)
        self.fields["last_day"].help_text = "It works until that day ends, in UTC."
        most = f"{settings.API_CALLS_PER_MINUTE:,}"
        self.fields["calls_per_minute"].help_text = f"All your keys together have {most}."

    @property
    def periods(self) -> list[forms.BoundField]:
        """The fields of the limits."""
        return [self[period] for period in PERIODS]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("which") == ONLY and not data.get("models") and "models" not in self.errors:
            self.add_error("models", "Choose at least one model.")
        return data

    @property
    def values(self) -> dict[str, Any]:
        """What `make_key` and `change_key` take."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "models": data["models"] if data["which"] == ONLY else None,
            "expires_at": self._expires_at(),
            "calls_per_minute": data["calls_per_minute"],
            "limits": {period: data[period] for period in PERIODS if data[period] is not None},
        }

    def _expires_at(self) -> datetime | None:
        """The end of the last day; the moment that is set already, where that is on this day."""
        day = self.cleaned_data["last_day"]
        if self.key and day == _last_day(self.key):
            return self.key.expires_at
        return midnight(day + DAY, UTC) if day else None

    def refuse(self, error: DomainError) -> None:
        """Shows what the service said."""
        names = {"expiresAt": "last_day", "callsPerMinute": "calls_per_minute"}
        name = str(error.path[0]) if isinstance(error, InvalidInput) else None
        name = names.get(name, name) if name else None
        self.add_error(name if name in self.fields else None, str(error))


def _last_day(key: ApiKey) -> Any:
    """The last day (UTC) on which a key works, at least in part."""
    end = key.expires_at
    return (end.astimezone(UTC) - timedelta(microseconds=1)).date() if end else None


def _choices(key: ApiKey | None) -> list[tuple[str, str]]:
    """The models that are offered, and those that the key names already."""
    models = listed_models().filter(OFFERED)
    choices = dict(models.values_list("name", "label"))
    for name in (key.only_models if key else None) or ():
        choices.setdefault(name, f"{name} (not offered now)")
    return list(choices.items())


def _initial(key: ApiKey | None, limits: dict[str, int]) -> dict[str, Any]:
    if key is None:
        return {"which": ALL}
    return {
        "name": key.name,
        "which": ALL if key.only_models is None else ONLY,
        "models": key.only_models or [],
        "last_day": _last_day(key),
        "calls_per_minute": key.calls_per_minute,
        **limits,
    }


def _overlap(days: int) -> str:
    """What becomes of the present secret."""
    return f"works for {days} more day{'s' if days > 1 else ''}" if days else "ends at once"


class RollForm(SecretForm):
    """For how many days the present secret still works."""

    made_since = (
        "A new secret was made since this page was opened, and it was shown then."
        " Send the form again to make another."
    )

    overlap_days = forms.TypedChoiceField(
        label="The present secret",
        coerce=int,
        initial=1,
        choices=[(days, _overlap(days)) for days in range(KEY_OVERLAP_DAYS.high + 1)],
    )


class RevokeForm(ReasonForm):
    """Why an admin revokes a key, and whether calls in its name end too."""

    stop = forms.BooleanField(required=False, label="End calls that are going on too")
