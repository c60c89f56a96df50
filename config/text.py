"""What text shows to people, whatever characters it consists of."""

import unicodedata

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


def is_blank(text: str) -> bool:
    """Whether nobody can see anything of `text`: it has only blanks, control and format characters
    (U+200B, U+FEFF, U+00AD, U+202E, …) and letters that draw nothing."""
    return all(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _DRAWN_AS_NOTHING
        for character in text
    )
