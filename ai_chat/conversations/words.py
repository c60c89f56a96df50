"""The words of a text as searches compare them: without accents and case. The database has the same
rules for what it keeps (`ai_chat_fold` in `ai_chat/sql/search.sql`); here they are those of what is
searched for, and of the places that are shown."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple
from unicodedata import normalize

#: Characters of a word that are compared.
WORD_CHARACTERS = 60
#: Accents, vowel points and what joins letters: of no account.
_MARKS = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u200c\u200d\u2060\u20d0-\u20ff\u3099\u309a\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]"
)
#: Letters that Unicode takes for no accented ones, and those that are one letter twice.
_LETTERS = str.maketrans(
    {"ς": "σ", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "ħ": "h", "ŧ": "t"}
    | {"ß": "ss", "æ": "ae", "œ": "oe"}
)
_SEPARATORS = re.compile(
    "[^a-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0588\u058a-\u05bd\u05bf\u05c1\u05c2\u05c4-\u060b"
    "\u060d-\u061a\u061c\u061d\u0620-\u0669\u066e-\u06d3\u06d5-\u0963\u0966-\u1360\u1369-\u167f\u1681-\u1fff"
    "\u2070-\u218f\u2400-\u24ff\u2600-\u2dff\u2e80-\u2fff\u3040-\u30fa\u30fc-\ud7ff\ue000-\ufffb"
    "\U00010000-\U0010ffff]"
)
#: Emoji, kana and ideographs are words each by itself: nothing stands between them in a text.
_ALONE = re.compile(
    "([\u2600-\u27bf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff])"
)


class _Folded(dict[int, str]):
    """What a character (by its number) becomes."""

    def __missing__(self, code: int) -> str:
        text = _MARKS.sub("", normalize("NFKD", chr(code)).lower()).translate(_LETTERS)
        self[code] = folded = _ALONE.sub(r" \1 ", _SEPARATORS.sub(" ", text))
        return folded


_folded = _Folded()


class Span(NamedTuple):
    """A word and where it stands in its text."""

    word: str
    start: int
    end: int


def words_of(text: str) -> list[str]:
    """The words of a text, in their order."""
    return [word[:WORD_CHARACTERS] for word in text.translate(_folded).split()]


def spans_of(text: str) -> Iterator[Span]:
    """The same with where each stands."""
    ends = _ends(text)
    for match in re.finditer(r"\S+", text.translate(_folded)):
        first = bisect_right(ends, match.start())
        last = bisect_right(ends, match.end() - 1)
        yield Span(match[0][:WORD_CHARACTERS], first, last + 1)


def first_place(text: str, words: Sequence[str]) -> int | None:
    """Where the first of these words begins in a text (the last of them may be the beginning of
    one); None if there is none."""
    if not words:
        return None
    *whole, last = words
    ended = [re.escape(word) + (r"(?!\S)" if len(word) < WORD_CHARACTERS else "") for word in whole]
    pattern = rf"(?<!\S)(?:{'|'.join([*ended, re.escape(last)])})"
    match = re.search(pattern, text.translate(_folded))
    return bisect_right(_ends(text), match.start()) if match else None


def _ends(text: str) -> list[int]:
    """Where each character ends in the folded text."""
    return [*accumulate(len(_folded[ord(character)]) for character in text)]
