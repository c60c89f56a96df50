"""Text that nobody can see is blank."""

import pytest

from config.text import is_blank

BLANK = [
    "",
    " \t\r\n",
    "\x00\x1f\x7f",
    "\u00a0\u2003\u2028\u3000",
    "\u00ad",
    "\u200b\u200c\u200d\u2060\ufeff",
    "\u202e\u2066",
    "\u115f\u1160\u3164\uffa0\u2800",
    "\u034f\ufe0f\U000e0100",
    "\ud800",
    "\U000e0041",
]
VISIBLE = [
    "\ue000",
    "\U0001fae9",
    "a",
    "\u200ba\ufeff",
    ".",
    "\u0301",
    "😀",
    "👩\u200d🚀",
    "❤\ufe0f",
    "م",
    "한",
]


def test_text_that_nobody_can_see_is_blank(subtests: pytest.Subtests) -> None:
    for text in BLANK:
        with subtests.test(ascii(text)):
            assert is_blank(text)


def test_text_with_one_visible_character_is_not_blank(subtests: pytest.Subtests) -> None:
    for text in VISIBLE:
        with subtests.test(ascii(text)):
            assert not is_blank(text)
