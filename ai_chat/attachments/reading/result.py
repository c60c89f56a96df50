"""What reading a file comes to."""

from collections.abc import Iterable
from typing import NamedTuple, NotRequired, TypedDict

#: What a sentence on a file ends with that is of no kind that is read.
TAKEN = (
    "Pictures (PNG, JPEG, WebP, GIF), PDF, text, and office documents "
    "(docx, xlsx, pptx, odt, ods, odp) are taken."
)


class Limits(TypedDict):
    """What is read of a file, and kept."""

    pixels: int
    pages: int
    characters: int
    #: Bytes of everything that is packed in an office document.
    unpacked: int


class Reading(TypedDict):
    """What a file is; `kind` is one of `Attachment.Kind`."""

    kind: str
    content_type: str
    text: NotRequired[str]
    is_cut: NotRequired[bool]
    pages: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]


class Unreadable(Exception):
    """The file is not taken; the text says why, for people."""


class Kept(NamedTuple):
    """A text, and whether there was more."""

    text: str
    is_cut: bool


def kept(pieces: Iterable[str], most: int) -> Kept:
    """The first `most` characters of what the pieces make together, as PostgreSQL can keep it; no
    more pieces are made than that takes."""
    taken: list[str] = []
    room = most
    for piece in pieces:
        taken.append(_clean(piece)[: room + 1])
        room -= len(taken[-1])
        if room < 0:
            break
    text = "".join(taken)
    return Kept(text[:most].strip("\n"), len(text) > most)


def _clean(text: str) -> str:
    """Without NUL and halves of surrogate pairs, and with one kind of line ends."""
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode()
