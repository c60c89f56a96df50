"""Entries of a chat without anything to do, and without money: to be printed, and to be read by
others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from ai_chat.conversations.path import Entry
from ai_chat.models import Attachment, Image, Turn
from credits.models.catalogue import model_label


class Picture(NamedTuple):
    """A picture and its size in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class ReadOnlyEntry:
    """A question and what came of it. `turn` has the answer; None: pictures were asked for."""

    id: str
    at: datetime
    prompt: str
    #: Who answered, for people.
    model: str
    #: What there is to know of the answer besides, as that it was cut.
    note: str
    turn: Turn | None
    #: Names of the files that were sent with the question, and those of them that are pictures.
    files: Sequence[str] = ()
    sent: Sequence[Picture] = ()
    pictures: Sequence[Picture] = ()


def read_only(entry: Entry) -> ReadOnlyEntry:
    """An entry of `whole_path` as its owner reads it: pictures are at their own addresses."""
    sent, made = sent_and_made(entry)
    return ReadOnlyEntry(
        id=str(entry.pk),
        at=entry.created_at,
        prompt=entry.prompt,
        model=model_label(entry.answered_by or entry.model),
        note=note_of(entry),
        turn=entry if isinstance(entry, Turn) else None,
        files=[each.name for each in sent if not each.is_picture],
        sent=[_picture(each, "file") for each in sent if each.is_picture],
        pictures=[_picture(image, "image-file") for image in made],
    )


def _picture(image: Image | Attachment, name: str) -> Picture:
    return Picture(reverse(name, args=[image.pk]), image.width or 0, image.height or 0)


def sent_and_made(entry: Entry) -> tuple[Sequence[Attachment], Iterable[Image]]:
    """The files that were sent with an entry of `whole_path`, as far as they are still there, and
    the images that were made for it."""
    return (entry.files, ()) if isinstance(entry, Turn) else ((), entry.images.all())


def note_of(entry: Entry) -> str:
    """What there is to know of an entry's end, without money."""
    if not isinstance(entry, Turn):
        return "" if not entry.failure else "Not all pictures came"
    if entry.failure:
        return "The answer broke off" if entry.answer else "No answer came"
    if entry.state == Turn.State.STOPPED:
        return "Stopped"
    if entry.state == Turn.State.IMPORTED:
        return "Imported"  # Whoever has the file can write into it what they like.
    return entry.get_cut_display().capitalize() if entry.cut else ""
