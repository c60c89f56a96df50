"""/admin/settings/chats: the house rule, the model of titles, and presets for everybody."""

from uuid import uuid4

import pytest
from django.test import Client

from adminpanel.settings.chat_views import ChatsForm
from ai_chat.attachments.storage import storage_of
from ai_chat.conversations.chat_settings import change_settings, read_settings, settings_state
from ai_chat.models import Conversation, Preset
from credits.models import AIModel, AuditEntry, User
from tests.ai_chat.turns import MODEL, text_model

pytestmark = pytest.mark.django_db
CHATS = "/admin/settings/chats"
DEFAULTS = {"houseRule": "", "titleModel": "", "storageMegabytes": 1024, "attachmentDays": None}


def seen() -> str:
    """The state that an open page shows, as its form sends it back."""
    return str(ChatsForm.of(settings_state(read_settings())).initial["was"])


def form_of(**fields: str) -> dict[str, str]:
    shown = {"house_rule": "", "title_model": "", "storage_megabytes": "1024"}
    return {"was": seen(), **shown, "attachment_days": "", **fields}


def test_the_house_rule_and_the_model_of_titles_are_kept_and_recorded(
    desk: Client, admin: User
) -> None:
    model = text_model()
    answer = desk.post(CHATS, form_of(house_rule=" Be kind.\r\n", title_model=MODEL))
    assert answer.status_code == 302
    row = read_settings()
    assert (row.house_rule, row.title_model) == ("Be kind.", model)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == (admin, "chats.change")
    assert entry.before == DEFAULTS
    assert entry.after == {**DEFAULTS, "houseRule": "Be kind.", "titleModel": MODEL}
    assert "Be kind." in desk.get(CHATS).text
    desk.post(CHATS, form_of(house_rule="Be kind.", title_model=MODEL))
    assert AuditEntry.objects.count() == 1


def test_storage_and_days_of_files_are_kept_and_recorded(desk: Client, alice: User) -> None:
    page = desk.get(CHATS).text
    assert "Files and storage" in page
    assert 'value="1024"' in page
    form = form_of(storage_megabytes="25", attachment_days="30")
    assert desk.post(CHATS, form).status_code == 302
    row = read_settings()
    assert (row.storage_bytes, row.attachment_days) == (25 * 2**20, 30)
    assert storage_of(user_id=alice.pk).limit == 25 * 2**20
    entry = AuditEntry.objects.get()
    assert entry.after == {**DEFAULTS, "storageMegabytes": 25, "attachmentDays": 30}
    desk.post(CHATS, form_of(storage_megabytes="0", attachment_days=""))
    row = read_settings()
    assert (row.storage_bytes, row.attachment_days) == (0, None)


@pytest.mark.parametrize(
    "wrong",
    [{"house_rule": "x" * 4001}, {"title_model": "unknown"}, {"title_model": "retired"},
     {"storage_megabytes": ""}, {"storage_megabytes": "1.5"}, {"storage_megabytes": "10000001"},
     {"attachment_days": "0"}, {"attachment_days": "-1"}, {"attachment_days": "soon"}],
)  # fmt: skip
def test_what_is_wrong_is_refused(desk: Client, wrong: dict[str, str]) -> None:
    retired = text_model()
    AIModel.objects.filter(pk=retired.pk).update(name="retired", active=False)
    assert desk.post(CHATS, form_of(**wrong)).status_code == 422
    assert settings_state(read_settings()) == DEFAULTS
    assert not AuditEntry.objects.exists()


def test_what_another_admin_did_meanwhile_is_not_undone(desk: Client) -> None:
    text_model()
    form = form_of(title_model=MODEL)
    change_settings(actor=None, changes={"houseRule": "Be kind."})
    answer = desk.post(CHATS, form)
    assert answer.status_code == 409
    assert "Somebody changed these settings" in answer.text
    assert "Be kind.</textarea>" in " ".join(answer.text.split())
    assert f'value="{MODEL}" selected' in answer.text
    assert read_settings().title_model is None


def test_presets_are_published_changed_and_deleted(desk: Client, admin: User, alice: User) -> None:
    text_model()
    form = {"name": "Poet", "instructions": "Rhyme.", "model": MODEL, "temperature": "1.2"}
    assert desk.post(f"{CHATS}/presets/new", form).status_code == 302
    preset = Preset.objects.get()
    assert (preset.user, preset.name, preset.temperature) == (None, "Poet", 1.2)
    assert desk.post(f"{CHATS}/presets/new", form).status_code == 422
    place = f"{CHATS}/presets/{preset.pk}"
    desk.post(place, {**form, "instructions": "Do not rhyme."})
    Conversation.objects.create(user=alice, title="Verses", preset=preset)
    assert "1 chat uses it, and goes on without it." in desk.get(f"{place}/delete").text
    desk.post(f"{place}/delete")
    assert not Preset.objects.exists()
    entries = AuditEntry.objects.order_by("pk")
    assert [entry.action for entry in entries] == ["preset.add", "preset.change", "preset.remove"]
    assert {entry.actor for entry in entries} == {admin}
    assert entries[1].before["instructions"] == "Rhyme."
    assert entries[2].before["instructions"] == "Do not rhyme."


def test_presets_of_users_are_theirs(desk: Client, alice: User) -> None:
    own = Preset.objects.create(user=alice, name="Her own")
    assert "Her own" not in desk.get(CHATS).text
    for path in (f"{CHATS}/presets/{own.pk}", f"{CHATS}/presets/{uuid4()}"):
        assert desk.get(path).status_code == 404
        assert desk.post(path, {"name": "Mine"}).status_code == 404
        assert desk.post(f"{path}/delete").status_code == 404


def test_the_settings_lead_there(desk: Client) -> None:
    assert f'href="{CHATS}"' in desk.get("/admin/settings").text
