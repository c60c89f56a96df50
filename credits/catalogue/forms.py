"""Form fields that ask the rules of `credits.catalogue.fields`."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from credits.catalogue.fields import Rule, WholeNumber


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
