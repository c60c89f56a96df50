"""Keeping instructions and presets: a user's own, and those that admins publish."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from ai_chat.conversations.instructions import MAX_CHARACTERS
from ai_chat.models import ChatPreferences, Conversation, Preset, Setup
from config.errors import InvalidInput
from config.text import as_written, is_blank
from credits.catalogue.fields import one_line

PRESET_NAME = one_line(60)
#: Of one user, and published.
MOST_PRESETS = 100
#: As providers have it.
MAX_TEMPERATURE = 2.0


class InvalidSetup(InvalidInput):
    """Instructions, a preset or a temperature cannot be taken; the text says why, for people."""


def checked_instructions(text: str) -> str:
    """Instructions as they are kept: empty where there is nothing to see. Raises InvalidSetup."""
    text = as_written(text)
    if is_blank(text):
        return ""
    if len(text) > MAX_CHARACTERS:
        raise InvalidSetup(
            f"Instructions have at most {MAX_CHARACTERS:,} characters; these have {len(text):,}.",
            ("instructions",),
        )
    return text


def checked_temperature(value: float | None) -> float | None:
    """Raises InvalidSetup for what is not from 0 to MAX_TEMPERATURE."""
    if value is not None and not 0 <= value <= MAX_TEMPERATURE:
        raise InvalidSetup("A temperature is a number from 0 to 2.", ("temperature",))
    return value


def account_instructions(*, user_id: int) -> str:
    """What a user has the models of all chats told."""
    own = ChatPreferences.objects.filter(user_id=user_id)
    return own.values_list("instructions", flat=True).first() or ""


def save_account_instructions(*, user_id: int, text: str) -> None:
    """From the next message on. Raises InvalidSetup."""
    text = checked_instructions(text)
    ChatPreferences.objects.update_or_create(user_id=user_id, defaults={"instructions": text})


def presets_of(user_id: int | None) -> QuerySet[Preset]:
    """A user's own presets, or (None) the published ones, by their names."""
    return Preset.objects.filter(user=user_id).order_by("name", "pk")


def presets_for(user_id: int) -> QuerySet[Preset]:
    """What a user can choose, by their names: their own presets, and the published ones."""
    return Preset.objects.filter(Q(user_id=user_id) | Q(user=None)).order_by("name", "pk")


def find_preset(preset_id: UUID | None, *, user_id: int) -> Preset | None:
    """The preset with this id that a user can choose."""
    return presets_for(user_id).filter(pk=preset_id).first() if preset_id else None


@transaction.atomic
def save_preset(*, preset: Preset, **values: Any) -> Preset:
    """Adds a preset, or changes it: name, instructions, model and temperature. It holds in the
    chats that use it from their next message on. Raises InvalidSetup."""
    for name, value in values.items():
        setattr(preset, name, value)
    if not PRESET_NAME.accepts(preset.name):
        raise InvalidSetup(PRESET_NAME.sentence, ("name",))
    preset.instructions = checked_instructions(preset.instructions)
    checked_temperature(preset.temperature)
    if presets_of(preset.user_id).exclude(pk=preset.pk).count() >= MOST_PRESETS:
        raise InvalidSetup(f"There are {MOST_PRESETS} presets already. Delete one first.", ())
    try:
        with transaction.atomic():
            preset.save()
    except IntegrityError as error:
        raise InvalidSetup("There is a preset of this name already.", ("name",)) from error
    return preset


@transaction.atomic
def delete_preset(*, preset: Preset) -> None:
    """Deletes a preset; the chats that use it go on without."""
    # A chat that is set up with it at this moment is waited for (`ai_chat_place`).
    for each in Preset.objects.select_for_update().filter(pk=preset.pk):
        each.delete()


@transaction.atomic
def set_up(*, conversation: Conversation, setup: Setup) -> None:
    """Sets up a chat anew, from its next message on: a preset that it had not brings its model.
    Raises InvalidSetup, also for a preset that its user cannot choose."""
    own = presets_for(conversation.user_id).select_for_update()
    preset = own.filter(pk=setup.preset_id).first() if setup.preset_id else None
    if setup.preset_id and preset is None:
        raise InvalidSetup("There is no such preset any more.", ("preset",))
    columns: dict[str, Any] = checked_setup(setup)._asdict()
    if preset and preset.model and preset.pk != conversation.preset_id:
        columns["text_model"] = preset.model
    Conversation.objects.filter(pk=conversation.pk).update(**columns)


def checked_setup(setup: Setup) -> Setup:
    """The same as it is kept. Raises InvalidSetup."""
    text = checked_instructions(setup.instructions)
    return setup._replace(instructions=text, temperature=checked_temperature(setup.temperature))
