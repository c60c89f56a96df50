"""What counts as an answer: something that its reader can see."""

import pytest

from ai_chat.markdown import has_visible_text

INVISIBLE = [
    "",
    " \n\t\n",
    "\u200b",
    "\ufeff\u00ad",
    "\u3164",
    "```\n```",
    "```python\n\n   \n```",
    "    \n",
    "~~~",
    "**\u200b**",
    "&nbsp;&#8203;&ZeroWidthSpace;",
    "[](https://example.com)",
    "[a]: https://example.com\n'title\nmore title'",
    ">",
    "#",
    "---",
]
VISIBLE = [
    "Yes",
    "4.",
    "-",
    "你好",
    "مرحبا",
    "😀",
    "`x`",
    "```\nx\n```",
    "**a**",
    "&lt;",
    "<b></b>",
    "![](https://example.com/a.png)",
    "[a]: https://example.com\n\nText",
    "| a |\n|---|",
    "\u200b.",
]


def test_what_nobody_can_see_is_no_answer(subtests: pytest.Subtests) -> None:
    for text in INVISIBLE:
        with subtests.test(ascii(text)):
            assert not has_visible_text(text)


def test_one_visible_character_is_an_answer(subtests: pytest.Subtests) -> None:
    for text in VISIBLE:
        with subtests.test(ascii(text)):
            assert has_visible_text(text)
