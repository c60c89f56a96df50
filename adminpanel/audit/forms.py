"""What can be asked of the record."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from adminpanel.audit.record import actions
from adminpanel.forms import COMMAND, FilterForm, PersonField
from credits.models import AuditEntry
from credits.statement.days import on_days


class AuditForm(FilterForm):
    """Filters, and the place to go on from."""

    SHOWN = ("actor", "action", "user", "from", "to")

    actor = PersonField(label="Who", or_command=True)
    action = forms.CharField(label="Action", required=False, max_length=40, widget=forms.Select)
    user = PersonField(label="Whose account")

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        known: Any = self.fields["action"].widget
        known.choices = [("", "Everything"), *((action, action) for action in actions())]

    def rows(self) -> QuerySet[AuditEntry]:
        """What the filters let through; days are UTC, both included."""
        given = self.cleaned_data
        chosen = {name: given[name] for name in ("actor", "action", "user") if given[name]}
        if given["actor"] == COMMAND:
            chosen["actor"] = None
        days = on_days("created_at", given["from"], given["to"])
        return AuditEntry.objects.filter(days, **chosen)
