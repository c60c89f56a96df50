"""What can be asked of the log of calls, on a page or in a file."""

from typing import Any
from uuid import UUID

from django import forms

from ai_chat.calls import log
from ai_chat.calls.log import CallFilter, Calls, Line, Outcome, call_id_of
from config.pagination import LATEST_KEY, InvalidCursor, Key, Page, key_of
from credits.catalogue.fields import MODEL_ID
from credits.statement.forms import KeysForm

#: Calls on one page.
SHOWN = 50


class CursorField(forms.Field):
    """The cursor of a list of jobs, the latest first."""

    def to_python(self, value: Any) -> Key | None:
        try:
            return key_of(value, *LATEST_KEY) if value else None
        except InvalidCursor:
            raise forms.ValidationError("There is no such page.") from None


class CallsForm(KeysForm):
    """Filters of an account's calls and the place to go on from; everything is optional. `page`
    and `rows` are of a valid form."""

    before: forms.Field = CursorField(required=False)
    after: forms.Field = CursorField(required=False)
    model = forms.CharField(
        label="Model",
        required=False,
        max_length=MODEL_ID.longest,
        widget=forms.TextInput(attrs={"list": "models", "autocomplete": "off"}),
    )
    outcome = forms.ChoiceField(
        label="Outcome",
        required=False,
        choices=[("", "Any"), *Outcome.choices],
        error_messages={"invalid_choice": "There is no such outcome."},
    )
    request = forms.CharField(
        label="Request",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "req_…", "autocomplete": "off"}),
    )

    def __init__(self, data: Any, *, account_id: int) -> None:
        # Without ids: each label stands around its field.
        super().__init__(data, account_id=account_id, auto_id=False)
        self._account_id = account_id
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "f")

    def clean_request(self) -> UUID | None:
        text = self.cleaned_data["request"]
        call_id = call_id_of(text)
        if text and call_id is None:
            raise forms.ValidationError("A request id is req_ and 32 letters and digits.")
        return call_id

    def page(self) -> Page[Line]:
        """The page of calls that is asked for."""
        values = self.cleaned_data
        return log.get_page(
            self.rows(), size=SHOWN, older_than=values["before"], newer_than=values["after"]
        )

    def rows(self) -> Calls:
        """The calls that the filters let through."""
        values = self.cleaned_data
        filters = CallFilter(
            key=values["key"],
            model=values["model"],
            outcome=values["outcome"],
            first=values["from"],
            last=values["to"],
            call_id=values["request"],
        )
        return filters.of(log.calls(user_id=self._account_id))
