"""What can be asked of the record."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from credits.forms import RowField, day_field
from credits.models import AuditEntry, User
from credits.people import LONGEST_ID

#: Who did what no person decided.
COMMAND = "command"
FILTERS = ("actor", "action", "user", "from", "to")


class PersonField(forms.CharField):
    """Somebody by e-mail, Clerk id or id, exactly; `command` for nobody, where that is allowed."""

    def __init__(self, *, or_command: bool = False, **kwargs: Any) -> None:
        self.or_command = or_command
        super().__init__(required=False, max_length=254, **kwargs)

    def clean(self, value: Any) -> User | str | None:
        text = super().clean(value)
        if not text or (self.or_command and text == COMMAND):
            return text or None
        found = Q(email=text.lower()) | Q(clerk_id=text)
        if text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID:
            found |= Q(pk=int(text))
        person = User.objects.filter(found).order_by("pk").first()
        if person is None:
            raise ValidationError("Nobody has this e-mail address or id.")
        return person


class AuditForm(forms.Form):
    """Filters, and the place to go on from."""

    actor = PersonField(label="Who", or_command=True)
    action = forms.CharField(label="Action", required=False, max_length=40)
    user = PersonField(label="Whose account")
    to = day_field("To")
    before = RowField()
    after = RowField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `from` is no name that Python can assign to.
        self.fields["from"] = day_field("From")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("from") and data.get("to") and data["from"] > data["to"]:
            raise ValidationError("The first day is after the last one.")
        return data

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with the label of its field."""
        labels = {name: str(field.label or "") for name, field in self.fields.items()}
        return [
            (labels.get(name, ""), str(message))
            for name, found in self.errors.items()
            for message in found
        ]

    @property
    def asked(self) -> dict[str, str]:
        """The filters as they were typed, for links that show the same again."""
        return {name: self.data[name] for name in FILTERS if self.data.get(name)}

    def rows(self) -> QuerySet[AuditEntry]:
        """What the filters let through; days are UTC, both included."""
        chosen = self.cleaned_data
        rows = AuditEntry.objects.all()
        if chosen["actor"]:
            rows = rows.filter(actor=None if chosen["actor"] == COMMAND else chosen["actor"])
        if chosen["action"]:
            rows = rows.filter(action=chosen["action"])
        if chosen["user"]:
            rows = rows.filter(user=chosen["user"])
        if chosen["from"]:
            rows = rows.filter(created_at__gte=datetime.combine(chosen["from"], time.min, UTC))
        if chosen["to"]:
            rows = rows.filter(created_at__lte=datetime.combine(chosen["to"], time.max, UTC))
        return rows
