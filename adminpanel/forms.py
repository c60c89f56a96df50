"""Fields and filters that the forms of several pages share."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q

from credits.catalogue.fields import Rule, WholeNumber
from credits.models import User
from credits.statement.forms import RowsForm

#: Digits of an id of ours, as it can be searched for.
LONGEST_ID = 18
#: Who did what no person decided.
COMMAND = "command"
#: Where a page begins; no filter.
PLACE = ("before", "after")


class RuleField(forms.CharField):
    """Text that its rule accepts; blanks around it are dropped first."""

    def __init__(self, rule: Rule, **options: Any) -> None:
        super().__init__(error_messages={"required": rule.sentence}, **options)
        self.rule = rule

    def run_validators(self, value: Any) -> None:
        if value and not self.rule.accepts(value):
            raise ValidationError(self.rule.sentence, "invalid")


class CreditsField(forms.Field):
    """A whole number of credits in ASCII digits: `1.5` and `1e3` are none. It is typed as text: a
    browser's number field would throw away what is no number, and show nothing beside it."""

    def __init__(self, rule: WholeNumber, *, sentence: str = "", **options: Any) -> None:
        """`sentence` replaces the rule's own."""
        self.rule = rule
        attrs = {"class": "f num", "size": 6, "inputmode": "numeric", "autocomplete": "off"}
        options.setdefault("widget", forms.TextInput(attrs=attrs))
        messages = {
            "required": sentence or f"Write {rule.range}.",
            "invalid": sentence or rule.sentence,
        }
        super().__init__(error_messages=messages, **options)

    def to_python(self, value: object) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        number = int(text) if re.fullmatch("[0-9]{1,30}", text) else None
        if not self.rule.accepts(number):
            raise ValidationError(self.error_messages["invalid"], "invalid")
        return number


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
