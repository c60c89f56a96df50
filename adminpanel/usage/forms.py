"""What can be asked of everybody's journal."""

from datetime import UTC, date, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from adminpanel.forms import FilterForm, PersonField
from credits.features import Kind
from credits.models import SyncJob
from credits.models.catalogue import FEATURE_CHOICES
from credits.reports.journal import Filters, State, Way
from credits.statement.forms import RowField

LONGEST_TEXT = 500
NO_SYNC = "There is no such sync."
#: How far the ledger's clock and the one that dates syncs may be apart.
APART = timedelta(minutes=5)


def _choice(label: str, everything: str, choices: list[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=[("", everything), *choices],
        required=False,
        error_messages={"invalid_choice": "There is no such choice."},
    )


def _words(label: str, known: str) -> forms.CharField:
    """Any text; the page's list `known` offers some."""
    box = forms.TextInput(attrs={"list": known, "autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=LONGEST_TEXT, widget=box)


class UsageForm(FilterForm):
    """The filters of `/admin/usage` and the place to go on from; everything is optional."""

    SHOWN = ("user", "kind", "feature", "model", "reason", "from", "to", "state", "way", "row")

    user = PersonField(label="User")
    kind = _choice("Kind", "Everything", list(Kind.choices))
    feature = _choice("Feature", "All", FEATURE_CHOICES)
    model = _words("Model", "models")
    reason = _words("Refund reason", "reasons")
    state = _choice("State", "Any", list(State.choices))
    way = _choice("Way", "Either", list(Way.choices))
    row = RowField(
        widget=forms.TextInput(
            attrs={"class": "f num", "inputmode": "numeric", "size": 8, "autocomplete": "off"}
        )
    )  # fmt: skip
    sync = forms.UUIDField(required=False, error_messages={"invalid": NO_SYNC})

    def clean_sync(self) -> SyncJob | None:
        job_id = self.cleaned_data["sync"]
        job = SyncJob.objects.filter(pk=job_id).first() if job_id else None
        if job_id and job is None:
            raise forms.ValidationError(NO_SYNC)
        return job

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("reason") and data.get("kind") not in {"", None, Kind.REFUND, Kind.UNUSED}:
            self.add_error("reason", "Only refunds have a reason of this kind.")
        return data

    @property
    def filters(self) -> Filters:
        """What was asked for; call it on a valid form."""
        values = self.cleaned_data
        user, sync = values["user"], values["sync"]
        first, last = _days_of(sync, values["from"], values["to"])
        return Filters(
            user_id=user.pk if user else None,
            kind=values["kind"] or (Kind.ADJUSTMENT if sync else ""),
            first=first,
            last=last,
            sync=sync.pk if sync else None,
            **{
                name: values[name] for name in ("feature", "model", "reason", "state", "row", "way")
            },
        )


def _days_of(
    sync: SyncJob | None, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    """The days asked for, as far as the sync was running in them: rows of no other day are its."""
    if sync is None:
        return first, last
    began = (sync.created_at - APART).astimezone(UTC).date()
    ended = ((sync.finished_at or timezone.now()) + APART).astimezone(UTC).date()
    return max(first or began, began), min(last or ended, ended)
