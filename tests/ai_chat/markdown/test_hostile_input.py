"""Whatever a model writes becomes only what is allowed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_chat.markdown import render
from tests.ai_chat.markdown.hostile import HOSTILE, mutated
from tests.ai_chat.markdown.page import Page, streamed
from tests.strength import usually


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:40]))
def test_hostile_text_becomes_only_what_is_allowed(text: str) -> None:
    Page(render(text))
    for update in streamed(text, list(range(min(len(text), 200)))):
        Page(update.finished)
        Page(update.tail)


@settings(max_examples=usually(100, full=300), deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_arbitrary_text_becomes_only_what_is_allowed(text: str) -> None:
    Page(render(text))


@settings(max_examples=usually(120, full=400), deadline=None)
@given(mutated())
def test_mutated_hostile_text_becomes_only_what_is_allowed(text: str) -> None:
    Page(render(text))


@settings(max_examples=usually(40, full=100), deadline=None)
@given(mutated(), st.lists(st.integers(0, 300), max_size=6))
def test_no_open_end_shows_more_than_is_allowed(text: str, cuts: list[int]) -> None:
    for update in streamed(text, cuts):
        Page(update.finished)
        Page(update.tail)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see ![the **plan**](https://evil.example/?q=1) here", "see the **plan** here"),
        ("![a &amp; \\*b](x)", "a & *b"),
        ("![](https://evil.example)", "image"),
        ("![data](data:image/png;base64,AAAA)", "data"),
        ("![a][pic]\n\n[pic]: https://evil.example/", "a"),
        ("<img src=//evil.example>", "<img src=//evil.example>"),
    ],
)
def test_a_picture_is_its_alternative_text(text: str, shown: str) -> None:
    assert Page(render(text)).text.strip() == shown


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/sign-out", "#top", "ftp://x.y"],
)
def test_a_link_with_another_scheme_is_only_its_text(address: str) -> None:
    page = Page(render(f"before [click]({address}) after"))
    assert (page.links, page.text.strip()) == ([], "before click after")
    assert page.tags == ["p"]


def test_good_links_survive_with_a_rel_and_a_bad_one_beside_them_does_not() -> None:
    text = (
        "[a](https://x.example/?a=1&b=2) [b](javascript:x) <m@x.example> [c][r] [](http://y.z)\n\n"
    )
    page = Page(render(text + "[r]: HTTP://z.example 'title'"))
    assert page.links == ["https://x.example/?a=1&b=2", "mailto:m@x.example", "HTTP://z.example"]
    assert page.text.split() == ["a", "b", "m@x.example", "c"]


def test_a_linked_picture_keeps_the_link_and_has_a_name() -> None:
    page = Page(render("[![](https://evil.example/b.png)](https://good.example)"))
    assert (page.links, page.text.strip()) == (["https://good.example"], "image")


def test_raw_html_is_shown_as_it_was_written() -> None:
    text = "a <b onclick=x>bold</b> <script>alert(1)</script>"
    assert Page(render(text)).text.strip() == text


def test_control_and_override_characters_go_and_joiners_stay() -> None:
    joined = "\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f4bb"
    text = f"a\x00\x1b\x9f\u202eb\u2067c\ufeff {joined}\ud800"
    assert Page(render(text)).text.strip() == f"abc {joined}\ufffd"
