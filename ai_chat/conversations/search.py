"""Searching a user's chats: titles, questions, answers, prompts of pictures and names of files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import BooleanField, F, Func, Value

from ai_chat.conversations.words import first_place, spans_of, words_of
from ai_chat.models import Attachment, Conversation, ImageRequest, SearchEntry, Turn
from config.errors import InvalidInput
from config.pagination import Key, Page, Reading, paginate
from config.text import cut

#: Of what is searched for.
SEARCH_CHARACTERS = 100
MATCHES_SHOWN = 20
#: Messages that are looked at one by one before the index of words is asked: in these stand the
#: words that are in one of twenty.
WALKED = 500
#: Beginnings of words with fewer characters are those of many words.
SHORT = 3
#: Titles first, then the latest.
ORDER = ("-is_title", "-created_at", "-entry")
KEY = (int, datetime, UUID)
#: Characters of a text that are shown of a place, and of those in front of it.
SHOWN, BEFORE = 180, 50


class InvalidSearch(InvalidInput):
    """That cannot be searched for; the text says why, for people."""

    path = ("q",)


class Piece(NamedTuple):
    """A part of a text that is shown; `is_match` for a word that was searched for."""

    text: str
    is_match: bool = False


@dataclass(frozen=True)
class Match:
    """Where a search matches: an entry of a conversation, or its title (no entry)."""

    conversation: Conversation
    created_at: datetime
    entry: UUID | None
    pieces: Sequence[Piece]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def find_matches(
    *,
    user_id: int,
    search: str,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    size: int = MATCHES_SHOWN,
) -> Page[Match]:
    """Where the user's chats have all words of a search, in any order, without accents and case; of
    the last word the beginning. Archived chats too, temporary ones never. Raises InvalidSearch."""
    if len(search) > SEARCH_CHARACTERS:
        raise InvalidSearch(f"Search for at most {SEARCH_CHARACTERS} characters.")
    words = words_of(search)
    if not words:
        return Page([])
    page = paginate(
        Searching(user_id, words).read,
        size=size, order=ORDER, older_than=older_than, newer_than=newer_than,
    )  # fmt: skip
    return page.map(lambda entries: list(_matches(entries, words)))


class Searching:
    """Reads the entries that have the words of a search. The planner is left no choice: as it knows
    the frequency of few words, it would walk through all that somebody wrote for a rare one, or
    sort all that has a frequent one."""

    def __init__(self, user_id: int, words: Sequence[str]) -> None:
        *whole, last = (f"'{user_id} {word}'" for word in words)
        query = " & ".join([*whole, f"{last}:*"])
        is_beginning_of_many = len(words[-1]) < SHORT and whole
        rows = SearchEntry.objects.defer("vector")
        # No index knows this function: it is asked of each row that is walked.
        has_words = _condition(query, "ts_match_vq(%(expressions)s::tsquery)", ", ")
        self._own = rows.filter(user_id=user_id, is_title=0)
        self._titles = rows.filter(has_words, user_id=user_id, is_title=1)
        self._walked = self._own.filter(has_words)
        # The sum is in no index: only that of words is left.
        self._by_words = rows.alias(owner=F("user_id") + 0).filter(
            _condition(
                " & ".join(whole) if is_beginning_of_many else query,
                "%(expressions)s::tsquery",
                " @@ ",
            ),
            has_words,
            owner=user_id,
            is_title=0,
        )

    def read(self, reading: Reading) -> list[SearchEntry]:
        return reading.of(self._read_titles, self._read_messages)

    def _read_titles(self, reading: Reading) -> list[SearchEntry]:
        part = _within(reading, is_title=1)
        return part.of(self._titles) if part else []

    def _read_messages(self, reading: Reading) -> list[SearchEntry]:
        """Enough of the next messages have a frequent word; few of all have a rare one."""
        part = _within(reading, is_title=0)
        if part is None:
            return []
        times = part.sorted(self._own).values_list("created_at", flat=True)
        last = times[WALKED - 1 : WALKED].first()
        if last is None:
            return part.of(self._walked)
        side = "lte" if part.backwards else "gte"
        rows = part.of(self._walked.filter(**{f"created_at__{side}": last}))
        return rows if len(rows) == part.limit else part.of(self._by_words)


def _within(reading: Reading, *, is_title: int) -> Reading | None:
    """The reading of titles or of messages alone, in an order of their own, so that the key bounds
    what is read of the index; None where all of them are in front of the key."""
    part, key = reading._replace(order=reading.order[1:], key=None), reading.key
    if key is None:
        return part
    if key[0] == is_title:
        return part._replace(key=key[1:])
    return part if bool(is_title) == reading.backwards else None


def _condition(query: str, template: str, joiner: str) -> Func:
    """That an entry's words are those of a query."""
    return Func(
        F("vector"), Value(query), template=template, arg_joiner=joiner,
        output_field=BooleanField(),
    )  # fmt: skip


def _matches(entries: Sequence[SearchEntry], words: Sequence[str]) -> Iterator[Match]:
    """What is shown of entries; one that is deleted meanwhile is left out."""
    ids = [each.entry for each in entries]
    own = Conversation.objects.select_related("folder")
    chats = own.in_bulk({each.conversation_id for each in entries})
    turns = Turn.objects.only("prompt", "answer", "attachments").in_bulk(ids)
    requests = ImageRequest.objects.only("prompt").in_bulk(ids)
    files = {file for turn in turns.values() for file in turn.attachments}
    names = dict(Attachment.objects.filter(pk__in=files).values_list("pk", "name"))
    for each in entries:
        if (chat := chats.get(each.conversation_id)) is None:
            continue
        if each.is_title:
            yield Match(chat, each.created_at, None, [*marked(chat.title, words)])
        elif turn := turns.get(each.entry):
            texts = [turn.prompt, turn.answer, *(names.get(file, "") for file in turn.attachments)]
            yield Match(chat, each.created_at, each.entry, excerpt(texts, words))
        elif request := requests.get(each.entry):
            yield Match(chat, each.created_at, each.entry, excerpt([request.prompt], words))


def excerpt(texts: Iterable[str], words: Sequence[str]) -> list[Piece]:
    """What stands around the first place with one of the words, in the text where most of them
    stand together; else the beginning of the first text."""
    return max((_around(text, words) for text in texts), key=_matched)


def _around(text: str, words: Sequence[str]) -> list[Piece]:
    start = _start(text, first_place(text, words) or 0)
    shown = cut(" ".join(text[start : start + 3 * SHOWN].split()), SHOWN)
    head = [Piece("…")] if start else []
    return [*head, *marked(shown, words)]


def _matched(pieces: Sequence[Piece]) -> int:
    """How many different words of a search they show."""
    return len({piece.text.casefold() for piece in pieces if piece.is_match})


def _start(text: str, place: int) -> int:
    """Where an excerpt begins, so that `place` is in it: at the beginning of a word if it can."""
    if place <= BEFORE:
        return 0
    blank = text.find(" ", place - BEFORE, place)
    return blank + 1 if blank >= 0 else place


def marked(text: str, words: Sequence[str]) -> Iterator[Piece]:
    """A text in pieces, with the words marked in it."""
    *whole, last = words
    exact, end = set(whole), 0
    for span in spans_of(text):
        if span.word in exact or span.word.startswith(last):
            if span.start > end:
                yield Piece(text[end : span.start])
            yield Piece(text[max(span.start, end) : span.end], is_match=True)
            end = span.end
    if text[end:]:
        yield Piece(text[end:])


def by_chat(matches: Iterable[Match]) -> list[list[Match]]:
    """The matches of a page together for each chat, in the order of its first one."""
    chats: dict[UUID, list[Match]] = {}
    for match in matches:
        chats.setdefault(match.conversation.pk, []).append(match)
    return [*chats.values()]
