"""Whether an answer shows anything to its reader."""

import re
from html import unescape

from ai_chat.markdown.html import render
from config.text import is_blank

#: A line that begins with a letter or digit is text, wherever it stands, but for the title of a
#: link's address (`[a]: b`), which is not shown.
_LINE_OF_TEXT = re.compile(r"^[^\W_]", re.MULTILINE)
_ADDRESS = "]:"
_TAG = re.compile(r"<[^>]*>")


def has_visible_text(text: str) -> bool:
    """Whether a visible character stands on the page when `text` (Markdown) is rendered. The number
    or bullet of a list's item is one: "4." is an answer."""
    if _ADDRESS not in text and any(
        not is_blank(match[0]) for match in _LINE_OF_TEXT.finditer(text)
    ):
        return True  # Nearly every answer: it need not be rendered for this.
    html = render(text)
    return "<li" in html or not is_blank(unescape(_TAG.sub("", html)))
