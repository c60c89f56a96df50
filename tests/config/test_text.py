"""Text that nobody can see is blank; text that is cut has whole characters."""

import pytest

from config.text import cut, is_blank

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


#: A text, how much of it there is room for, and what is left.
CUT = [
    ("abc", 3, "abc"),
    ("abcd", 3, "ab…"),
    ("ab cd", 4, "ab…"),
    ("ae\u0301\u0323x", 3, "a…"),
    ("a👩\u200d👩\u200d👧b", 4, "a…"),
    ("👍🏽👍🏽", 3, "👍🏽…"),
    ("👍🏽👍🏽", 4, "👍🏽👍🏽"),
    ("👍🏽👍🏽x", 4, "👍🏽…"),
    ("🇨🇭🇫🇷🇩🇪", 4, "🇨🇭…"),
    ("🇨🇭🇫🇷🇩🇪", 5, "🇨🇭🇫🇷…"),
    ("❤\ufe0f❤\ufe0f", 3, "❤\ufe0f…"),
    ("🏴\U000e0067\U000e0062\U000e007f!", 4, "🏴\U000e0067\U000e0062…"),
    ("x1\ufe0f\u20e3y", 3, "x…"),
    ("क\u094dष x", 2, "क…"),
    ("ab\u1112\u1161\u11abx", 5, "ab…"),
    ("z" + "\u0301" * 500, 10, "z" + "\u0301" * 8 + "…"),
]


@pytest.mark.parametrize(("text", "most", "left"), CUT)
def test_a_cut_text_has_whole_characters(text: str, most: int, left: str) -> None:
    assert cut(text, most) == left
    assert len(left) <= most
