"""What can be asked of everybody's journal."""

from datetime import UTC, date, timedelta
from typing import Any

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.db.models import Q
from django.utils import timezone

from adminpanel.usage.rows import Filters, State, Way
from credits.clerk.models import SyncJob
from credits.features import FEATURES
from credits.forms import RowField, day_field
from credits.history import Kind
from credits.models import User

#: An id of ours, as it can be asked for.
LONGEST_ID = 18
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


def _text(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=LONGEST_TEXT,
        validators=[ProhibitNullCharactersValidator("Null characters are in no row.")],
    )


class UsageForm(forms.Form):
    """The filters of `/admin/usage` and the place to go on from; everything is optional."""

    user = _text("User")
    kind = _choice("Kind", "Everything", list(Kind.choices))
    feature = _choice("Feature", "All", [(key, one.label) for key, one in FEATURES.items()])
    model = _text("Model")
    reason = _text("Refund reason")
    to = day_field("To")
    state = _choice("State", "Any", list(State.choices))
    way = _choice("Way", "Either", list(Way.choices))
    row = RowField()
    sync = forms.UUIDField(required=False, error_messages={"invalid": NO_SYNC})
    before = RowField()
    after = RowField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `from` is no name that Python can assign to.
        self.fields["from"] = day_field("From")

    def clean_user(self) -> User | None:
        """Somebody by id, e-mail or Clerk id."""
        asked = self.cleaned_data["user"]
        if not asked:
            return None
        if asked.isascii() and asked.isdecimal() and len(asked) <= LONGEST_ID:
            found = User.objects.filter(pk=int(asked)).first()
        else:
            found = User.objects.filter(Q(email=asked.lower()) | Q(clerk_id=asked)).first()
        if found is None:
            raise forms.ValidationError("Nobody has this id or e-mail.")
        return found

    def clean_sync(self) -> SyncJob | None:
        asked = self.cleaned_data["sync"]
        job = SyncJob.objects.filter(pk=asked).first() if asked else None
        if asked and job is None:
            raise forms.ValidationError(NO_SYNC)
        return job

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("from"), data.get("to")
        if first and last and first > last:
            raise forms.ValidationError("The first day is after the last one.")
        if data.get("reason") and data.get("kind") not in {"", None, Kind.REFUND}:
            self.add_error("reason", "Only refunds have a reason of this kind.")
        return data

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with the label of its field."""
        found = self.errors.get_json_data().items()
        labels = {name: str(field.label or name) for name, field in self.fields.items()}
        return [(labels.get(name, ""), str(one["message"])) for name, all_ in found for one in all_]

    @property
    def filters(self) -> Filters:
        """What was asked for; call it on a valid form."""
        asked = self.cleaned_data
        user, sync = asked["user"], asked["sync"]
        first, last = _days_of(sync, asked["from"], asked["to"])
        return Filters(
            user_id=user.pk if user else None,
            kind=asked["kind"] or (Kind.ADJUSTMENT if sync else ""),
            feature=asked["feature"],
            model=asked["model"],
            reason=asked["reason"],
            first=first,
            last=last,
            state=asked["state"],
            row=asked["row"],
            way=asked["way"],
            sync=sync,
        )

    @property
    def place(self) -> dict[str, Any]:
        """Where the page begins."""
        return {"before": self.cleaned_data["before"], "after": self.cleaned_data["after"]}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for: the page shows everything there is."""
        return not any(self.data.get(name) for name in self.fields)


def _days_of(
    sync: SyncJob | None, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    """The days asked for, as far as the sync was running in them: rows of no other day are its."""
    if sync is None:
        return first, last
    began = (sync.created_at - APART).astimezone(UTC).date()
    ended = ((sync.finished_at or timezone.now()) + APART).astimezone(UTC).date()
    return max(first or began, began), min(last or ended, ended)
