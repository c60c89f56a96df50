"""What text shows to people, whatever characters it consists of."""

import unicodedata
from uuid import UUID

#: Separators, control and format characters, and halves of a character. Private-use and unassigned
#: ones are not among them: they are drawn as a box, or are an emoji newer than our tables.
_INVISIBLE_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"})
#: Other characters that draw nothing: fillers of Hangul, the empty Braille pattern, and what only
#: changes a neighbour (Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt).
_DRAWN_AS_NOTHING = frozenset(
    [
        *"\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0",
        *map(chr, range(0x180B, 0x1810)),
        *map(chr, range(0xFE00, 0xFE10)),
        *map(chr, range(0xFFF0, 0xFFF9)),
        *map(chr, range(0xE0000, 0xE1000)),
    ]
)


def as_uuid(text: str) -> UUID | None:
    """The id that a text says; None if it says none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def as_written(text: str) -> str:
    """A text that somebody wrote, as the database takes it: with one kind of line ends, without NUL
    and blanks around it."""
    return text.replace("\0", "").replace("\r\n", "\n").strip()


def on_one_line(text: str) -> str:
    """The words of a text with one blank between them, without NUL."""
    return " ".join(text.replace("\0", " ").split())


#: Characters that turn what stands around them, in either direction.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Control characters, halves of a character and separators of lines.
_UNFIT_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def plain_line(text: str) -> str:
    """The words of a text on one line, without what controls how they are shown."""
    shown = (
        " " if unicodedata.category(character) in _UNFIT_CATEGORIES else character
        for character in text
        if character not in _TURNING
    )
    return " ".join("".join(shown).split())


def text_of_size(characters: int, octets: int) -> str:
    """A text with so many characters, and as nearly as they can so many bytes of UTF-8."""
    wide, rest = divmod(min(max(octets - characters, 0), 3 * characters), 3)
    text = "\U0001f600" * wide + ("", "é", "€")[rest]
    return text + "x" * (characters - len(text))


def is_blank(text: str) -> bool:
    """Whether nobody can see anything of `text`: it has only blanks, control and format characters
    (U+200B, U+FEFF, U+00AD, U+202E, …) and letters that draw nothing."""
    return all(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _DRAWN_AS_NOTHING
        for character in text
    )


#: Joins the characters around it into one: the zero-width joiner of emoji sequences.
_JOINER = "\u200d"
#: Colours of skin, and the letters and the end of flags such as Scotland's.
_MODIFIERS = frozenset(map(chr, [*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)]))
_REGIONAL = frozenset(map(chr, range(0x1F1E6, 0x1F200)))
#: The combining class of a virama, which ties two consonants of an Indic script.
_VIRAMA = 9


def cut(text: str, most: int, end: str = "…") -> str:
    """The text in at most `most` characters (code points), with `end` where it was longer. It is
    never cut inside what a reader sees as one character: an emoji with its modifiers, a flag, a
    letter with its accents (after Unicode's UAX #29). A single one that is longer is cut anyhow."""
    if len(text) <= most:
        return text
    room = max(most - len(end), 0)
    place = room
    while place and _is_inside(text, place):
        place -= 1
    return text[: place or room].rstrip() + end


def _is_inside(text: str, place: int) -> bool:
    """Whether a cut in front of `text[place]` would go through one visible character."""
    before, after = text[place - 1], text[place]
    if after == _JOINER or after in _MODIFIERS or unicodedata.category(after).startswith("M"):
        return True
    if before == _JOINER or unicodedata.combining(before) == _VIRAMA or before + after == "\r\n":
        return True
    if before in _REGIONAL and after in _REGIONAL:
        flags = place - len(text[:place].rstrip("".join(_REGIONAL)))
        return flags % 2 == 1
    return _is_syllable(before, after)


def _is_syllable(before: str, after: str) -> bool:
    """Whether both are parts of one Hangul syllable that is written in its letters."""
    lead, vowel = "\u1100" <= before <= "\u115f", "\u1160" <= after <= "\u11a7"
    tail = "\u11a8" <= after <= "\u11ff"
    is_block = "\uac00" <= before <= "\ud7a3"
    return (
        (lead and (vowel or "\u1100" <= after <= "\u115f" or "\uac00" <= after <= "\ud7a3"))
        or ((is_block or "\u1160" <= before <= "\u11a7") and (vowel or tail))
        or ("\u11a8" <= before <= "\u11ff" and tail)
    )
