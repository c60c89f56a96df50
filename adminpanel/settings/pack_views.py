"""Packs: added, changed and retired."""

from typing import Any

from django.http import HttpResponse

from adminpanel.settings.editing import Editing
from adminpanel.settings.forms import PackForm
from credits.catalogue.history import Subject, pack_state
from credits.catalogue.packs import change_pack, create_pack, find_pack
from credits.http import AuthenticatedHttpRequest
from credits.models import Pack, User
from credits.users.permissions import admin_form


class PackEditing(Editing[Pack, PackForm]):
    template = "adminpanel/pack.html"
    subject = Subject.PACK
    name_field = "name"

    def find(self) -> Pack | None:
        return find_pack(self.key)

    def name(self) -> str:
        return self.row.name if self.row else ""

    def state(self, row: Pack) -> dict[str, Any]:
        return pack_state(row)

    def form(self, data: Any = None) -> PackForm:
        return PackForm(data)

    def shown(self, row: Pack) -> PackForm:
        return PackForm.of(pack_state(row))

    def create(self, actor: User, form: PackForm) -> Pack:
        return create_pack(actor=actor, values=form.values)

    def change(self, actor: User, form: PackForm, expected_version: str) -> Pack:
        return change_pack(
            actor=actor, pack_id=self.key, changes=form.changes, expected_version=expected_version
        )


@admin_form
def edit_pack(request: AuthenticatedHttpRequest, pack_id: int = 0) -> HttpResponse:
    """A pack, or a new one."""
    return PackEditing(request, pack_id).respond()
