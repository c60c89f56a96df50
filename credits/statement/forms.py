"""What can be asked of the statement."""

from datetime import date
from typing import Any, cast

from django import forms

from config.errors import InvalidInput, issue
from credits.features import ALL_FEATURES, Kind
from credits.models import ApiKey
from credits.statement.days import FIRST_DAY, LAST_DAY, parse_day, range_problem, today

ROW_ERRORS = ("invalid", "min_value", "max_value")

KINDS = [
    ("", "Everything"),
    *((key, f"{feature.label} charges") for key, feature in ALL_FEATURES.items()),
    (Kind.REFUND, "Refunds"),
    (Kind.GRANT, "Grants"),
    (Kind.ADJUSTMENT, "Adjustments"),
    (Kind.EXPIRY, "Expired credits"),
]


class DayField(forms.DateField):
    """A day of a statement, or none."""

    def __init__(self, label: str) -> None:
        attrs = {"type": "date", "min": f"{FIRST_DAY}", "max": f"{LAST_DAY}"}
        widget = forms.DateInput(format="%Y-%m-%d", attrs=attrs)
        super().__init__(label=label, required=False, widget=widget)

    def to_python(self, value: Any) -> date | None:
        try:
            return parse_day(value) if value else None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class RowField(forms.IntegerField):
    """The id of a journal row."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False,
            min_value=1,
            max_value=2**63 - 2,
            error_messages=dict.fromkeys(ROW_ERRORS, "There is no such row."),
            **options,
        )


class PageForm(forms.Form):
    """Where a page of a list begins that has the newest rows first."""

    before: forms.Field = RowField()
    after: forms.Field = RowField()

    @property
    def place(self) -> dict[str, Any]:
        """What `config.pagination.paginate` takes: no place if it is not right."""
        values = getattr(self, "cleaned_data", {})
        before, after = values.get("before"), values.get("after")
        return {
            "older_than": (before,) if before else None,
            "newer_than": (after,) if after else None,
        }


class RowsForm(PageForm):
    """Which days of a list of rows (UTC, both included), and the place to go on from."""

    to = DayField("To")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `from` is no name that Python can assign to.
        self.fields["from"] = DayField("From")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if problem := range_problem(data.get("from"), data.get("to")):
            self.add_error("from", problem)
        return data

    @property
    def refusal(self) -> InvalidInput:
        """The error that names each wrong field, for answers that are not the page."""
        return InvalidInput.of(
            [
                issue((name,) if name in self.fields else (), str(error["message"]))
                for name, errors in self.errors.get_json_data().items()
                for error in errors
            ]
        )

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with the label of its field."""
        errors = self.errors.get_json_data().items()
        labels = {name: str(field.label or name) for name, field in self.fields.items()}
        return [
            (labels.get(name, ""), str(each["message"])) for name, all_ in errors for each in all_
        ]


class KeysForm(RowsForm):
    """The same, of rows that may be by one of an account's API keys (`key`: its public id)."""

    key = forms.ChoiceField(
        label="Key",
        required=False,
        widget=forms.Select(attrs={"class": "f"}),
        error_messages={"invalid_choice": "There is no such key."},
    )

    def __init__(self, data: Any, *, account_id: int, **options: Any) -> None:
        super().__init__(data, **options)
        # Those that were revoked too, the newest first.
        keys = ApiKey.objects.filter(account_id=account_id).order_by("-pk")
        self.keys = {key.public_id: key for key in keys}
        choices = [("", "All"), *((name, _label(key)) for name, key in self.keys.items())]
        cast(forms.ChoiceField, self.fields["key"]).choices = choices


def _label(key: ApiKey) -> str:
    """A key among the others: those that were replaced often have the same name."""
    return f"{key.label} (revoked)" if key.revoked_at else key.label


class StatementForm(KeysForm):
    """Filters and the place to go on from. `days` is the range asked for, both ends included."""

    kind = forms.ChoiceField(
        label="Show",
        choices=KINDS,
        required=False,
        error_messages={"invalid_choice": "There is no such kind of row."},
    )
    row = RowField()

    @property
    def days(self) -> tuple[date, date] | None:
        """The range asked for, completed when one end is missing; None when both are."""
        first, last = self.cleaned_data["from"], self.cleaned_data["to"]
        if first:
            return first, last or max(first, today())
        return (last.replace(day=1), last) if last else None

    @property
    def kinds(self) -> dict[str, Any]:
        """Which rows are asked for, as `history.filter_rows` takes it."""
        if not self.is_valid():
            return {}
        kind = self.cleaned_data["kind"]
        return {
            "key": self.cleaned_data["key"],
            "kind": Kind.CHARGE if kind in ALL_FEATURES else kind,
            "feature": kind if kind in ALL_FEATURES else "",
        }

    @property
    def place(self) -> dict[str, Any]:
        """Where the page begins: at the row that is asked for, if one is."""
        if not self.is_valid():
            return {}
        row = self.cleaned_data["row"]
        return {"older_than": (row + 1,)} if row else super().place
