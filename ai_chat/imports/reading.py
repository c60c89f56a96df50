"""Reading an export: a ZIP or a JSON file, as a sequence of JSON values, one for each chat. Nothing
is written to a disk, and no name in a ZIP is used for a path."""

import json
import re
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo

#: Bytes that are read at once.
PIECE = 1 << 18
#: Bytes of JSON in a file, all of it together, and characters of one chat.
MOST_BYTES = 200_000_000
MOST_CHARACTERS = 20_000_000
#: Lists and objects in one chat, and how deep they stand in each other: in memory each is much
#: larger than the two bytes that it takes in a file.
MOST_CONTAINERS = 500_000
DEEPEST = 60
#: Files in a ZIP.
MOST_FILES = 50_000
#: What is read of a ZIP: of ChatGPT and Claude one file or a numbered few, of us one for each chat.
CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:-\d{1,4})?\.json")
OUR_CHATS = re.compile(r"(?:.*/)?chats/[^/]+\.json")
#: What bounds lists and objects. A string that has no end yet is a lone quotation mark.
TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)

type Chat = dict[str, Any]
type Progress = Callable[[int, int], None]


class Unreadable(Exception):
    """The file is no export that can be read; the text says why, for people."""


def chats_in(file: IO[bytes], *, progress: Progress) -> Iterator[Chat | None]:
    """The chats of an export as JSON objects, None for one that is too large. `progress` is told
    the bytes that were read and that there are. Raises Unreadable."""
    if is_zip(file):
        yield from _in_zip(file, progress)
        return
    size = file.seek(0, 2)
    file.seek(0)
    reader = _Bounded(progress, size)
    yield from _values(reader.pieces(file))


def is_zip(file: IO[bytes]) -> bool:
    """Whether a file begins as a ZIP does. Leaves it at its beginning."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    return start == b"PK\x03\x04"


def is_json(file: IO[bytes]) -> bool:
    """Whether a file begins as a list or an object does. Leaves it at its beginning."""
    file.seek(0)
    start = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
    file.seek(0)
    return start[:1] in {b"[", b"{"}


def _in_zip(file: IO[bytes], progress: Progress) -> Iterator[Chat | None]:
    try:
        with ZipFile(file) as archive:
            members = _members(archive)
            reader = _Bounded(progress, sum(each.file_size for each in members))
            for member in members:
                with archive.open(member) as content:
                    yield from _values(reader.pieces(content))
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise Unreadable("The ZIP is damaged, or encrypted.") from error


def _members(archive: ZipFile) -> list[ZipInfo]:
    """What is read of a ZIP."""
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise Unreadable(f"The ZIP holds more than {MOST_FILES:,} files.")
    for pattern in (CONVERSATIONS, OUR_CHATS):
        if members := [each for each in infos if pattern.fullmatch(each.filename)]:
            return members
    raise Unreadable(
        "There are no chats in this ZIP: neither conversations.json, as ChatGPT and Claude export "
        "it, nor the folder chats of an archive of this site."
    )


class _Bounded:
    """Reads files as text, and no more than MOST_BYTES of all together, whatever a ZIP says."""

    def __init__(self, progress: Progress, size: int) -> None:
        self.progress, self.size = progress, size
        self.read = 0

    def pieces(self, file: IO[bytes]) -> Iterator[str]:
        decoder = getincrementaldecoder("utf-8-sig")("replace")
        while piece := file.read(PIECE):
            self.read += len(piece)
            if self.read > MOST_BYTES:
                raise Unreadable(
                    f"It holds more than {MOST_BYTES // 10**6} MB of chats. What was read before "
                    "that is here."
                )
            self.progress(self.read, max(self.size, self.read))
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


def _values(pieces: Iterator[str]) -> Iterator[Chat | None]:
    """The objects of a list, or the one object, as values."""
    for text in _objects(pieces):
        if text is None:
            yield None
            continue
        try:
            yield json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unreadable("It is not JSON, or it is damaged.") from error


def _objects(pieces: Iterator[str]) -> Iterator[str | None]:
    """The text of each object that stands in no other; None for one that is too large."""
    splitter = _Splitter()
    for piece in pieces:
        yield from splitter.feed(piece)
    if splitter.depth or splitter.is_list is None:
        raise Unreadable("It is not JSON, or it breaks off.")


class _Splitter:
    """Finds where objects begin and end in text that comes in pieces."""

    def __init__(self) -> None:
        #: What is not looked at yet, and, of an object that has begun, what was.
        self.rest = ""
        self.held: list[str] | None = None
        self.length = self.containers = self.depth = 0
        #: Whether the file is a list of objects; None until it has begun.
        self.is_list: bool | None = None

    def feed(self, piece: str) -> Iterator[str | None]:
        text = self.rest + piece
        begun = place = 0
        for match in TOKEN.finditer(text):
            mark = match[0]
            if mark == '"':
                break  # Its end is in a later piece.
            place = match.end()
            if len(mark) > 1:
                continue
            if mark in "[{":
                if self._open(mark):
                    begun = match.start()
                    self.held, self.length, self.containers = [], 0, 0
            elif self._close():
                yield self._text(text[begun:place])
                begun = place
        else:
            place = len(text)
        if self.held is not None:
            self._hold(text[begun:place])
        self.rest = text[place:]
        if len(self.rest) > MOST_CHARACTERS:
            raise Unreadable("It holds a text that is longer than a whole chat may be.")

    def _open(self, mark: str) -> bool:
        """Counts the beginning of a list or an object; returns whether a chat begins."""
        if self.is_list is None:
            self.is_list = mark == "["
            if self.is_list:
                self.depth = 1
                return False
        self.depth += 1
        self.containers += 1
        if self.depth > DEEPEST:
            raise Unreadable("It is nested more deeply than an export is.")
        if self.held is None and mark == "[":
            raise Unreadable("It is not an export of chats.")
        return self.held is None

    def _close(self) -> bool:
        """Counts the end of one; returns whether a chat ends."""
        self.depth -= 1
        if self.depth < 0:
            raise Unreadable("It is not JSON, or it is damaged.")
        return self.held is not None and self.depth == int(bool(self.is_list))

    def _hold(self, text: str) -> None:
        self.length += len(text)
        if self.held is not None and self._fits():
            self.held.append(text)

    def _fits(self) -> bool:
        return self.length <= MOST_CHARACTERS and self.containers <= MOST_CONTAINERS

    def _text(self, text: str) -> str | None:
        self._hold(text)
        whole = "".join(self.held or ()) if self._fits() else None
        self.held = None
        return whole
