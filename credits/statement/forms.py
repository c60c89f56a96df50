"""What can be asked of the statement."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from credits.features import FEATURES, Kind
from credits.statement.days import today

FIRST_DAY = date(2020, 1, 1)
LAST_DAY = date(2100, 12, 31)
MAX_DAYS = 3660
ROW_ERRORS = ("invalid", "min_value", "max_value")

KINDS = [
    ("", "Everything"),
    *((key, f"{feature.label} charges") for key, feature in FEATURES.items()),
    (Kind.REFUND, "Refunds"),
    (Kind.GRANT, "Grants"),
    (Kind.ADJUSTMENT, "Adjustments"),
    (Kind.EXPIRY, "Expired credits"),
]


def day_field(label: str) -> forms.DateField:
    within = [
        MinValueValidator(FIRST_DAY, f"There is nothing before {FIRST_DAY.year}."),
        MaxValueValidator(LAST_DAY, f"There is nothing after {LAST_DAY.year}."),
    ]
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        validators=within,
        error_messages={"invalid": "Write a day as 2026-11-30."},
        widget=forms.DateInput(
            format="%Y-%m-%d",
            attrs={"type": "date", "min": f"{FIRST_DAY}", "max": f"{LAST_DAY}"},
        ),
    )


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

    before = RowField()
    after = RowField()

    @property
    def place(self) -> dict[str, Any]:
        """What `config.pagination.paginate` takes: no place if it is not right."""
        asked = getattr(self, "cleaned_data", {})
        before, after = asked.get("before"), asked.get("after")
        return {
            "older_than": (before,) if before else None,
            "newer_than": (after,) if after else None,
        }


class RowsForm(PageForm):
    """Which days of a list of rows (UTC, both included), and the place to go on from."""

    to = day_field("To")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `from` is no name that Python can assign to.
        self.fields["from"] = day_field("From")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("from"), data.get("to")
        if first and last and first > last:
            raise forms.ValidationError("The first day is after the last one.")
        return data

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with the label of its field."""
        errors = self.errors.get_json_data().items()
        labels = {name: str(field.label or name) for name, field in self.fields.items()}
        return [
            (labels.get(name, ""), str(each["message"])) for name, all_ in errors for each in all_
        ]


class StatementForm(RowsForm):
    """Filters and the place to go on from. `days` is the range asked for, both ends included."""

    kind = forms.ChoiceField(
        label="Show",
        choices=KINDS,
        required=False,
        error_messages={"invalid_choice": "There is no such kind of row."},
    )
    row = RowField()

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        first, last = data.get("from"), data.get("to")
        if first and (last or today()) - first > timedelta(days=MAX_DAYS):
            raise forms.ValidationError("A statement covers ten years at most.")
        return data

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
        kind = self.cleaned_data["kind"] if self.is_valid() else ""
        return {
            "kind": Kind.CHARGE if kind in FEATURES else kind,
            "feature": kind if kind in FEATURES else "",
        }

    @property
    def place(self) -> dict[str, Any]:
        """Where the page begins: at the row that is asked for, if one is."""
        if not self.is_valid():
            return {}
        row = self.cleaned_data["row"]
        return {"older_than": (row + 1,)} if row else super().place
