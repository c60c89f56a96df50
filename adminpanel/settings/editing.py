"""A page that adds or changes one row of the catalogue: a plan, a model or a provider."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.differences import differences
from adminpanel.settings.forms import StateForm
from config.errors import DomainError, InvalidInput
from credits.approvals import ApprovalPending
from credits.catalogue.exceptions import ChangedMeanwhile
from credits.catalogue.history import Subject, latest_change, version_of
from credits.http import AuthenticatedHttpRequest
from credits.models import User


class Editing[Row, Form: StateForm]:
    """One request for such a page; `key` is what its address names, empty for a new row."""

    template: ClassVar[str]
    subject: ClassVar[Subject]
    #: What the row is called by: the field that a duplicate is an error of.
    name_field: ClassVar[str]

    def __init__(self, request: AuthenticatedHttpRequest, key: Any = "") -> None:
        self.request = request
        self.key = key
        self.row = self.find() if key else None

    @abstractmethod
    def find(self) -> Row | None:
        """The row that the address names."""

    @abstractmethod
    def state(self, row: Row) -> Mapping[str, Any]:
        """The row as its history keeps it."""

    @abstractmethod
    def form(self, data: Any = None) -> Form:
        """The form, empty or with what was sent."""

    @abstractmethod
    def shown(self, row: Row) -> Form:
        """The form of a row as it stands."""

    @abstractmethod
    def create(self, actor: User, form: Form) -> Row:
        """Adds the row."""

    @abstractmethod
    def change(self, actor: User, form: Form, expected_version: str) -> Row:
        """Changes what was touched."""

    def name(self) -> str:
        """What the history calls the row."""
        return str(self.key)

    def context(self, form: Form) -> dict[str, Any]:
        """What the page shows besides."""
        return {}

    def done(self, saved: Row) -> str:
        """What else to say of the row that was saved."""
        return ""

    def respond(self) -> HttpResponse:
        if self.request.method != "POST":
            if self.key and self.row is None:
                raise Http404
            return self.page(self.shown(self.row) if self.row else self.form())
        form = self.form(self.request.POST)
        return self.save(form) if form.is_valid() else self.page(form, status=422)

    def save(self, form: Form) -> HttpResponse:
        try:
            if self.key:
                version = version_of(form.seen)
                saved = self.change(self.request.user, form, version)
            else:
                saved = self.create(self.request.user, form)
        except ApprovalPending:
            raise
        except InvalidInput as error:
            return self.refused(form, error)
        except DomainError as error:
            if self.key and (isinstance(error, ChangedMeanwhile) or error.status == 404):
                return self.changed_meanwhile(form)
            form.add_error(self.name_field, str(error))
            return self.page(form, status=error.status)
        if form.changes or not self.key:
            verb = "changed" if self.key else "added"
            messages.success(self.request, f"{saved} is {verb}.{self.done(saved)}")
        else:
            messages.info(self.request, "Nothing was changed.")
        return redirect("admin-settings")

    def refused(self, form: Form, error: InvalidInput) -> HttpResponse:
        for issue in error.issues:
            name = form.NAMES.get(str(issue["path"][-1])) if issue["path"] else None
            form.add_error(name if name in form.fields else None, issue["message"])
        return self.page(form, status=422)

    def changed_meanwhile(self, form: Form) -> HttpResponse:
        """What the other admin changed, and on top of it the values that were typed. If the row was
        renamed or removed, the values are kept, to be added again if that is wanted."""
        newer = latest_change(self.subject, self.name())
        self.row = self.find()
        if self.row is None:
            return self.page(form, status=409, removed=True, newer=newer)
        state = self.state(self.row)
        moved = differences(form.seen, state)
        again = self.form(form.with_untouched(state))
        return self.page(again, status=409, moved=moved, newer=newer)

    def page(self, form: Form, *, status: int = 200, **more: Any) -> HttpResponse:
        context = {"form": form, "row": self.row, **self.context(form), **more}
        return render(self.request, self.template, context, status=status)
