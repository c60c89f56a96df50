"""What files are called."""

import re
import unicodedata

from config.text import cut, is_blank

LONGEST = 255
#: Characters of an ending that is kept where a name is cut.
LONGEST_ENDING = 16


def clean_name(name: str) -> str:
    """A name as it is kept and shown: the last part of a path, without characters that control a
    terminal or turn the direction of writing, at most LONGEST characters long."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    visible = (" " if each.isspace() else each for each in last if _is_drawn(each))
    last = " ".join("".join(visible).split()).lstrip(".")
    if is_blank(last):
        return "file"
    stem, dot, ending = last.rpartition(".")
    if len(last) <= LONGEST or not stem or len(ending) > LONGEST_ENDING:
        return cut(last, LONGEST)
    return cut(stem, LONGEST - len(ending) - 1) + dot + ending


def _is_drawn(character: str) -> bool:
    return character.isspace() or not unicodedata.category(character).startswith("C")
