"""Packs on /admin/settings: added, changed, retired, with a history and undo; and in JSON."""

from typing import Any

import pytest
from django.test import Client

from adminpanel.settings.forms import PackForm
from credits.catalogue.exceptions import CannotUndo
from credits.catalogue.history import pack_state
from credits.catalogue.packs import change_pack, create_pack, pack_version
from credits.catalogue.undo import undo_change
from credits.models import AuditEntry, Pack, SettingsChange, User
from tests.api import Api, assert_problem
from tests.credits.packs.making import make_pack

pytestmark = pytest.mark.django_db
PACKS = "/api/admin/packs"


def form_of(**fields: str) -> dict[str, str]:
    return {"name": "Small", "credits": "50", "price": "€5", "position": "1", "active": "on",
            **fields}  # fmt: skip


def seen(pack: Pack) -> str:
    return str(PackForm.of(pack_state(pack)).initial["was"])


def test_it_is_added_and_listed(desk: Client, admin: User) -> None:
    done: Any = desk.post("/admin/settings/packs/new", form_of())
    assert done.url == "/admin/settings"
    pack = Pack.objects.get()
    assert pack_state(pack) == {
        "name": "Small", "credits": 50, "price": "€5", "active": True, "position": 1,
    }  # fmt: skip
    page = desk.get("/admin/settings").text
    assert "Small added" in page and "on sale" in page and "€5" in page
    change = SettingsChange.objects.get()
    assert (change.subject, change.before, change.after) == ("pack", None, pack_state(pack))
    assert AuditEntry.objects.get().action == "pack.add"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 101}, {"name": "a\nb"}, {"credits": "0"}, {"credits": "-5"},
        {"credits": "1e3"}, {"credits": "1000000001"}, {"credits": ""}, {"price": "x" * 61},
        {"position": "10000"},
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(desk: Client, wrong: dict[str, str]) -> None:
    answer = desk.post("/admin/settings/packs/new", form_of(**wrong))
    assert answer.status_code == 422
    assert not Pack.objects.exists()


def test_a_name_is_one_pack_s(desk: Client) -> None:
    make_pack()
    answer = desk.post("/admin/settings/packs/new", form_of())
    assert answer.status_code == 409
    assert "There is a pack Small already." in answer.text


def test_it_is_changed_and_both_admins_changes_stand(desk: Client, admin: User) -> None:
    pack = make_pack()
    was = seen(pack)
    change_pack(actor=admin, pack_id=pack.pk, changes={"price": "€6"})
    path = f"/admin/settings/packs/{pack.pk}"
    told = desk.post(path, form_of(name="Tiny", was=was, position="0"))
    assert told.status_code == 409
    assert "€6" in told.text and "Tiny" in told.text
    pack.refresh_from_db()
    again = form_of(name="Tiny", price="€6", was=seen(pack), position="0", active="")
    assert desk.post(path, again).status_code == 302
    pack.refresh_from_db()
    assert (pack.name, pack.price, pack.active) == ("Tiny", "€6", False)


class TestUndo:
    def test_a_change_a_name_and_an_addition(self, admin: User) -> None:
        pack = create_pack(actor=admin, values={"name": "Small", "credits": 50})
        change_pack(actor=admin, pack_id=pack.pk, changes={"name": "Tiny", "credits": 60})
        added, renamed = SettingsChange.objects.order_by("pk")
        with pytest.raises(CannotUndo, match="changed since"):
            undo_change(actor=admin, change_id=added.pk)
        undo_change(actor=admin, change_id=renamed.pk)
        pack.refresh_from_db()
        assert (pack.name, pack.credits) == ("Small", 50)
        undo_change(actor=admin, change_id=added.pk)
        pack.refresh_from_db()
        assert not pack.active
        with pytest.raises(CannotUndo):
            undo_change(actor=admin, change_id=added.pk)

    def test_on_its_page(self, desk: Client, admin: User) -> None:
        pack = make_pack()
        change_pack(actor=admin, pack_id=pack.pk, changes={"credits": 60})
        path = f"/admin/settings/history/{SettingsChange.objects.latest('pk').pk}/undo"
        assert "60" in desk.get(path).text
        assert desk.post(path).status_code == 302
        pack.refresh_from_db()
        assert pack.credits == 50

    def test_not_when_another_has_the_name(self, admin: User) -> None:
        pack = make_pack()
        change_pack(actor=admin, pack_id=pack.pk, changes={"name": "Tiny"})
        renamed = SettingsChange.objects.latest("pk")
        make_pack()
        with pytest.raises(CannotUndo, match="There is a pack Small already"):
            undo_change(actor=admin, change_id=renamed.pk)


class TestApi:
    def test_add_list_and_change(self, admin: User) -> None:
        api = Api(admin)
        made = api.send("post", PACKS, {"name": "Small", "credits": 50, "price": "€5"})
        pack = Pack.objects.get()
        assert (made.status_code, made.json()) == (201, {
            "id": pack.pk, "name": "Small", "credits": 50, "price": "€5", "active": True,
            "position": 0, "version": pack_version(pack),
        })  # fmt: skip
        assert api.get(PACKS).json() == {"packs": [made.json()]}
        path = f"{PACKS}/{pack.pk}"
        changed = api.send("put", path, {"credits": 60, "version": made.json()["version"]})
        assert (changed.status_code, changed.json()["credits"]) == (200, 60)
        stale = api.send("put", path, {"credits": 70, "version": made.json()["version"]})
        assert_problem(stale, 409, "changed_meanwhile")
        assert_problem(api.send("post", PACKS, {"name": "Small", "credits": 1}), 409, "duplicate")
        assert_problem(api.send("put", f"{PACKS}/{2**62}", {}), 404, "not_found")

    @pytest.mark.parametrize(
        "body",
        [{}, {"name": "x"}, {"name": "x", "credits": 0}, {"name": "x", "credits": "5"},
         {"name": "", "credits": 5}, {"name": "x", "credits": 5, "price": None},
         {"name": "x", "credits": 5, "currency": "EUR"}],
    )  # fmt: skip
    def test_what_it_refuses(self, admin: User, body: dict[str, Any]) -> None:
        assert_problem(Api(admin).send("post", PACKS, body), 400, "invalid")
        assert not Pack.objects.exists()
