"""Fields and filters that the forms of several pages share."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Model, Q

from credits.models import User
from credits.statement.forms import RowsForm

#: Digits of an id of ours, as it can be searched for.
LONGEST_ID = 18
#: Who did what no person decided.
COMMAND = "command"
#: Where a page begins; no filter.
PLACE = ("before", "after")


class PersonField(forms.CharField):
    """Somebody by e-mail, Clerk id or id, exactly; `command` for nobody, where that is allowed."""

    def __init__(self, *, or_command: bool = False, **options: Any) -> None:
        self.or_command = or_command
        attrs = {"placeholder": "e-mail or id", "autocomplete": "off"}
        super().__init__(
            required=False, max_length=254, widget=forms.TextInput(attrs=attrs), **options
        )

    def clean(self, value: Any) -> User | str | None:
        text = super().clean(value)
        if not text or (self.or_command and text == COMMAND):
            return text or None
        named = Q(email=text.lower()) | Q(clerk_id=text)
        if text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID:
            named |= Q(pk=int(text))
        person = User.objects.filter(named).order_by("pk").first()
        if person is None:
            raise forms.ValidationError("Nobody has this id or e-mail.")
        return person


class FilterForm(RowsForm):
    """The filters of a list; `adminpanel/filters.html` draws those of SHOWN, in this order."""

    SHOWN: ClassVar[Sequence[str]]

    def __init__(self, data: Any) -> None:
        # Without ids: each label stands around its field.
        super().__init__(data, auto_id=False)
        for name in self.SHOWN:
            self.fields[name].widget.attrs.setdefault("class", "f")

    @property
    def shown(self) -> list[forms.BoundField]:
        return [self[name] for name in self.SHOWN]

    @property
    def in_use(self) -> dict[str, str]:
        """The filters in use, as the record keeps them: people by id, for an address may go."""
        chosen = {name: self.cleaned_data[name] for name in self.fields if name not in PLACE}
        return {
            name: str(value.pk if isinstance(value, Model) else value)
            for name, value in chosen.items()
            if value
        }

    @property
    def is_filtered(self) -> bool:
        """Whether anything was asked for; else the page shows everything there is."""
        return any(self.data.get(name) for name in self.fields)
