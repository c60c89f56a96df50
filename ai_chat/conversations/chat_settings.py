"""What admins decide about all chats: reading and changing it. Each change stands in the record of
what admins do."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from ai_chat.conversations.presets import (
    InvalidSetup,
    checked_instructions,
    delete_preset,
    save_preset,
)
from ai_chat.models import ChatSettings, Preset
from credits import audit
from credits.catalogue.fields import WholeNumber
from credits.catalogue.history import check_version, version_of
from credits.features import TEXT
from credits.models import AIModel, User

#: As pages name sizes (`filesizeformat`).
MEGABYTE = 2**20
#: Of files and made pictures that an account may keep; with none, it may send no files.
STORAGE_MEGABYTES = WholeNumber(0, 10_000_000)
#: After which files are deleted; None is never.
ATTACHMENT_DAYS = WholeNumber(1, 36_500)


def read_settings(*, lock: bool = False) -> ChatSettings:
    """The settings, with their defaults where nobody changed any. With `lock` nobody else changes
    them before this transaction ends."""
    if lock:
        ChatSettings.objects.get_or_create(pk=1)
        return ChatSettings.objects.select_for_update().get(pk=1)
    return ChatSettings.current()


def settings_state(row: ChatSettings) -> dict[str, Any]:
    """The settings as forms and the record have them."""
    model = row.title_model
    return {
        "houseRule": row.house_rule,
        "titleModel": model.name if model else "",
        "storageMegabytes": row.storage_bytes // MEGABYTE,
        "attachmentDays": row.attachment_days,
    }


@transaction.atomic
def change_settings(
    *, actor: User | None, changes: Mapping[str, Any], expected_version: str | None = None
) -> None:
    """Changes what `changes` names, by the names of `settings_state`. Raises ChangedMeanwhile,
    InvalidSetup."""
    row = read_settings(lock=True)
    before = settings_state(row)
    check_version(version_of(before), expected_version)
    if "houseRule" in changes:
        row.house_rule = checked_instructions(changes["houseRule"])
    if "titleModel" in changes:
        row.title_model = _text_model(changes["titleModel"])
    if "storageMegabytes" in changes:
        _check(STORAGE_MEGABYTES, changes, "storageMegabytes")
        row.storage_bytes = changes["storageMegabytes"] * MEGABYTE
    if "attachmentDays" in changes:
        if changes["attachmentDays"] is not None:
            _check(ATTACHMENT_DAYS, changes, "attachmentDays")
        row.attachment_days = changes["attachmentDays"]
    after = settings_state(row)
    if after != before:
        row.save()
        audit.record(actor=actor, action="chats.change", before=before, after=after)


def _check(rule: WholeNumber, changes: Mapping[str, Any], name: str) -> None:
    if not rule.accepts(changes[name]):
        raise InvalidSetup(rule.sentence, (name,))


def _text_model(name: str) -> AIModel | None:
    if not name:
        return None
    model = AIModel.objects.filter(name=name, feature=TEXT, active=True).first()
    if model is None:
        raise InvalidSetup("There is no such model any more.", ("titleModel",))
    return model


def preset_state(preset: Preset) -> dict[str, Any]:
    """A preset as the record has it."""
    names = ("name", "instructions", "model", "temperature")
    return {name: getattr(preset, name) for name in names}


@transaction.atomic
def publish_preset(*, actor: User | None, preset: Preset, **values: Any) -> Preset:
    """Adds or changes a preset for everybody. Raises InvalidSetup."""
    stored = Preset.objects.select_for_update().filter(pk=preset.pk, user=None).first()
    before = preset_state(stored) if stored else None
    preset = save_preset(preset=preset, **values)
    verb = "change" if before else "add"
    audit.record(
        actor=actor,
        action=f"preset.{verb}",
        target=preset.name,
        before=before,
        after=preset_state(preset),
    )
    return preset


@transaction.atomic
def withdraw_preset(*, actor: User | None, preset: Preset) -> None:
    """Deletes a published preset; the chats that use it go on without."""
    before = preset_state(preset)
    delete_preset(preset=preset)
    audit.record(actor=actor, action="preset.remove", target=preset.name, before=before)
