"""Reading a page as people do."""

import re
from html import unescape
from typing import Any


def words(answer: Any) -> str:
    """The page's text, without tags and with single blanks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)))


def value_of(answer: Any, name: str) -> str:
    """What a field of the page holds."""
    tag = re.search(rf'<input[^>]* name="{re.escape(name)}"[^>]*>', answer.text)
    assert tag, f"There is no field {name}."
    found = re.search(r' value="([^"]*)"', tag[0])
    return unescape(found[1]) if found else ""
