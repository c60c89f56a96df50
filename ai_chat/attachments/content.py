"""What a model is sent of the files of a conversation: the text of documents in a block before the
question that they came with, pictures as parts of it. Files whose text is known go as text to every
model: what is reserved for it is then known without reading them. What is not sent is named in a
line."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage

from ai_chat.models import Attachment
from ai_chat.providers.chat import Part
from config.text import cut, text_of_size
from credits.models import AIModel
from credits.sql import fetch_all

#: Of the text of a message's own files at least so many characters are sent, however long it is.
LEAST_CHARACTERS = 500
#: Of a line that names what is not sent.
LINE_CHARACTERS = 300

UNREADABLE = "this model does not read pictures"
NOT_AGAIN = "sent before, not sent again"
BELOW = "sent again below"
NO_TEXT = "no text could be read from it"
NO_ROOM = "left out, there is no room for it"
GONE = "no longer here"


class Content(NamedTuple):
    """What of the files of one question is sent."""

    text: str = ""
    pictures: Sequence[Part] = ()

    def before(self, question: str) -> str | list[Part]:
        """The content of a message that asks it."""
        text = "\n\n".join(filter(None, [self.text, question]))
        return [{"type": "text", "text": text}, *self.pictures] if self.pictures else text


class Excerpt(NamedTuple):
    """So many characters from the beginning of a file's text."""

    file: Attachment
    characters: int


@dataclass
class Room:
    """What there is room for in a call besides its questions and answers: `characters` altogether,
    of which files take at most `text`, and a picture as many as `picture`."""

    characters: int
    text: int
    picture: int
    #: Of pictures that were sent before.
    pictures_again: int = field(default_factory=lambda: settings.PICTURES_AGAIN)
    bytes_again: int = field(default_factory=lambda: settings.PICTURES_AGAIN_BYTES)

    def take_text(self, characters: int) -> None:
        self.text -= characters
        self.characters -= characters

    def take_picture(self, file: Attachment, *, is_own: bool) -> bool:
        """Whether a picture is sent: those of the message itself always are."""
        fits = (
            self.pictures_again > 0
            and file.bytes <= self.bytes_again
            and self.picture <= self.characters
        )
        if not (fits or is_own):
            return False
        self.characters -= self.picture
        self.bytes_again -= file.bytes
        self.pictures_again -= not is_own
        return True


def known_files(ids: Iterable[UUID], *, user_id: int) -> dict[UUID, Attachment]:
    """Those of these files of a user that are still there, without their text."""
    own = Attachment.objects.filter(user_id=user_id, pk__in=[*ids])
    return own.defer("text").in_bulk()


def contents_of(
    questions: Sequence[Sequence[UUID]],
    files: Mapping[UUID, Attachment],
    model: AIModel,
    room: Room,
    *,
    own: Iterable[UUID] = (),
    only_sizes: bool = False,
) -> list[Content]:
    """What of the files of these questions, oldest first, is sent with each: what the latest came
    with before the others, and each file once. `own` are those of the message itself. With
    `only_sizes` nothing is read: texts are as long as they would be, pictures are empty."""
    choosing = _Choosing(files, model, room, set(own))
    chosen = [choosing.choose(ids) for ids in reversed(questions)][::-1]
    excerpts = [each for group in chosen for each in group if isinstance(each, Excerpt)]
    texts = _texts(excerpts, only_sizes=only_sizes)
    return [_content(group, texts, only_sizes=only_sizes) for group in chosen]


def whole_text(file: Attachment) -> str:
    """All of a file's text, as models are sent it."""
    return _block(Excerpt(file, file.characters), file.text)


type Chosen = list[str | Excerpt | Attachment]


class _Choosing:
    def __init__(
        self, files: Mapping[UUID, Attachment], model: AIModel, room: Room, own: set[UUID]
    ) -> None:
        self._files, self._model, self._room, self._own = files, model, room, own
        self._seen: set[UUID] = set()

    def choose(self, ids: Sequence[UUID]) -> Chosen:
        """What is sent of the files of one question; later questions come first."""
        self._left_out: dict[tuple[str, str], list[str]] = {}
        is_own = not self._own.isdisjoint(ids)
        known = [self._files[each] for each in ids if each in self._files]
        if gone := len(ids) - len(known):
            self._left_out["files" if gone > 1 else "file", GONE] = [str(gone)]
        known.sort(key=lambda file: file.pk not in self._own)
        new = [file for file in known if not self._is_below(file)]
        pictures = [file for file in new if file.kind == file.Kind.PICTURE]
        sent = [file for file in pictures if self._takes(file)]
        others = [file for file in new if file.kind != file.Kind.PICTURE]
        documents = self._excerpts(others, is_own=is_own)
        return [*documents, *self._lines(always=is_own), *sent]

    def _is_below(self, file: Attachment) -> bool:
        if file.pk in self._seen:
            self._leave_out(file, BELOW)
            return True
        self._seen.add(file.pk)
        return False

    def _takes(self, file: Attachment) -> bool:
        if not self._model.reads_images:
            self._leave_out(file, UNREADABLE)
            return False
        if self._room.take_picture(file, is_own=file.pk in self._own):
            return True
        self._leave_out(file, NOT_AGAIN)
        return False

    def _excerpts(self, documents: Sequence[Attachment], *, is_own: bool) -> list[Excerpt]:
        room = min(self._room.text, self._room.characters)
        room = max(room, LEAST_CHARACTERS if is_own else 0)
        excerpts = []
        for file, characters in zip(
            documents, _shares([file.characters for file in documents], room), strict=True
        ):
            if characters:
                excerpts.append(Excerpt(file, characters))
                self._room.take_text(characters)
            else:
                self._leave_out(file, NO_ROOM if file.characters else NO_TEXT)
        return excerpts

    def _leave_out(self, file: Attachment, why: str) -> None:
        what = "picture" if file.kind == file.Kind.PICTURE else "file"
        self._left_out.setdefault((what, why), []).append(_name(file))

    def _lines(self, *, always: bool) -> list[str]:
        lines = []
        for (what, why), names in self._left_out.items():
            plural = "s" if len(names) > 1 else ""
            named = cut(f"[{what}{plural}: {', '.join(names)}", LINE_CHARACTERS)
            line = f"{named} — {why}]"
            if always or len(line) <= min(self._room.text, self._room.characters):
                self._room.take_text(len(line))
                lines.append(line)
        return lines


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """How many characters each of several texts gets: what it has where that is less than its equal
    share, and what they leave goes to the others."""
    shares = [0] * len(sizes)
    left = room
    for count, place in enumerate(sorted(range(len(sizes)), key=lambda place: sizes[place])):
        shares[place] = min(sizes[place], left // (len(sizes) - count))
        left -= shares[place]
    return shares


def _texts(excerpts: Sequence[Excerpt], *, only_sizes: bool) -> dict[UUID, str]:
    """The texts of excerpts, by file; read are those that are not in memory."""
    stored = [each for each in excerpts if "text" in each.file.get_deferred_fields()]
    texts = {
        each.file.pk: each.file.text[: each.characters] for each in excerpts if each not in stored
    }
    asked = [[each.file.pk for each in stored], [each.characters for each in stored]]
    column = "octet_length(left(a.text, c.most))" if only_sizes else "left(a.text, c.most)"
    query = f"""
        SELECT a.id, {column} FROM unnest(%s::uuid[], %s::integer[]) c (id, most)
        JOIN ai_chat_attachment a USING (id)
    """  # noqa: S608 -- a constant
    read = dict(fetch_all(query, asked)) if stored else {}
    for file, characters in stored:
        text = read.get(file.pk, 0 if only_sizes else "")
        texts[file.pk] = text_of_size(characters, text) if only_sizes else text
    return texts


def _content(group: Chosen, texts: Mapping[UUID, str], *, only_sizes: bool) -> Content:
    blocks: list[str] = []
    pictures: list[Part] = []
    for each in group:
        match each:
            case Excerpt():
                blocks.append(_block(each, texts[each.file.pk]))
            case Attachment():
                part = _picture(each, is_read=not only_sizes)
                blocks.append(f"[picture: {_name(each)}{'' if part else f' — {GONE}'}]")
                pictures += [part] if part else []
            case _:
                blocks.append(each)
    return Content("\n\n".join(blocks), pictures)


def _block(excerpt: Excerpt, text: str) -> str:
    file, shown = excerpt
    pages = f' pages="{file.pages}"' if file.pages else ""
    note = ""
    if shown < file.characters or file.is_cut:
        more = " or more" if file.is_cut else ""
        note = f"\n[the rest is left out: these are {shown} of {file.characters}{more} characters]"
    return f'<file name="{_name(file)}"{pages}>\n{text}{note}\n</file>'


def _name(file: Attachment) -> str:
    """As it can stand in a line, and between quotation marks."""
    return " ".join(file.name.split()).replace('"', "'")


def _picture(file: Attachment, *, is_read: bool) -> Part | None:
    """None where it is no longer in the storage."""
    content = b""
    if is_read:
        try:
            with closing(default_storage.open(file.file)) as stored:
                content = stored.read()
        except FileNotFoundError:
            return None
    url = f"data:{file.content_type};base64,{base64.b64encode(content).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
