"""Serializers that take exactly what they name."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.errors import MAX_ISSUES
from credits.amounts import as_decimal
from credits.catalogue.fields import Flag as FlagRule
from credits.catalogue.fields import Rule
from credits.statement.days import DAY_PATTERN, parse_day

#: Ids are bigints in the database.
MAX_ID = 2**63 - 1


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members it does not know: a misspelt field must not look as if it had worked. The
    schema says so with `additionalProperties: false`."""

    def to_internal_value(self, data: Any) -> Any:
        names = data if isinstance(data, Mapping) else ()
        unknown = islice((str(name) for name in names if name not in self.fields), MAX_ISSUES)
        if wrong := {name: ["This field is not known."] for name in unknown}:
            raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


class BoundedList(serializers.ListField):
    """A list whose length is judged before what it holds, and whose children are judged until
    MAX_ISSUES are wrong: a refusal costs no more than an acceptance."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > (self.max_length or 0):
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    def run_child_validation(self, data: Iterable[Any]) -> list[Any]:
        valid: list[Any] = []
        wrong: dict[Any, Any] = {}
        for place, value in enumerate(data):
            try:
                valid.append(self.child.run_validation(value))
            except serializers.ValidationError as error:
                wrong[place] = error.detail
                if len(wrong) == MAX_ISSUES:
                    break
        if wrong:
            raise serializers.ValidationError(wrong)
        return valid


class WholeNumber(serializers.IntegerField):
    """A JSON number without fraction; no bool, no string of digits."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class Text(serializers.CharField):
    """A JSON string as it is, with something in it; no number."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{12}$"})
class ExactCredits(serializers.CharField):
    """Pico-credits as credits, exactly: a decimal string."""

    def to_representation(self, value: Any) -> str:
        return as_decimal(int(value))


class RuleField(serializers.Field[Any, Any, Any, Any]):
    """What a rule accepts, as it is; anything else is answered with the rule's sentence."""

    rule: Rule

    def __init__(self, **options: Any) -> None:
        # DRF answers null before it asks the field.
        super().__init__(**{"allow_null": self.rule.accepts(None), **options})

    def to_internal_value(self, data: Any) -> Any:
        if not self.rule.accepts(data):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def field_of(rule: Rule) -> type[RuleField]:
    """A serializer field of this rule, with its schema."""
    members = {"rule": rule, "default_error_messages": {"invalid": rule.sentence}}
    return extend_schema_field(rule.schema)(type("RuleField", (RuleField,), members))


#: A JSON true or false; no number, no string.
Flag = field_of(FlagRule())


class QueryNumber(serializers.IntegerField):
    """A whole number in a query: ASCII digits only."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", str(data)):
            self.fail("invalid")
        return int(data)


@extend_schema_field({"type": "string", "format": "date", "pattern": DAY_PATTERN})
class QueryDate(serializers.DateField):
    """A day of a statement, in a query."""

    def to_internal_value(self, value: Any) -> Any:
        try:
            return parse_day(str(value))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class PageQuery(StrictSerializer):
    """What every list takes: where to go on, and how many rows."""

    cursor = QueryNumber(
        required=False, min_value=1, max_value=MAX_ID, help_text="`nextCursor` of the page before."
    )
    limit = QueryNumber(
        default=50, min_value=1, max_value=200, help_text="Rows of a page, 50 unless given."
    )
