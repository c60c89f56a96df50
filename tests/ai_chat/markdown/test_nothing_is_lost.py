"""Every word that a model writes is on the page."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_chat.markdown import render
from tests.ai_chat.markdown.page import Page, streamed
from tests.strength import usually


def words_of(text: str) -> list[str]:
    return re.findall(r"w\d+z?", text)


def nested(levels: int, bullet: str) -> str:
    width = len(bullet)
    items = [f"{' ' * width * level}{bullet}w{level}" for level in range(levels)]
    return "\n".join(items) + "\n\nw999"


@pytest.mark.parametrize("bullet", ["- ", "1. "])
@pytest.mark.parametrize("levels", [9, 12, 13, 20, 60])
def test_lists_in_lists_are_whole(levels: int, bullet: str) -> None:
    text = nested(levels, bullet)
    page = Page(render(text))
    assert words_of(page.text) == words_of(text)
    assert page.tags.count("li") == min(levels, 12)
    assert page.tags[-1] == "p", "the text after the list is not in it"


@pytest.mark.parametrize(
    "text",
    [
        "> " * 40 + "w1\n\nw2",
        "> - " * 20 + "w1\n\nw2",
        "[^a]: " * 30 + "w1\n\nw2",
        "| w1 | w2 |\n|---|---|\n| w3 | w4 | w5 | w6 |\n| w7 |",
        "| w1 |\n|---|\n| w2 | w3 |",
        "```w1 w2 w3",
        "~~~ w1 w2\n~~~",
        "A w1.[^1]\n\n[^1]: w2",
        "A w1.[^1]\n[^1]: w2 *w3*\n\n    w4\n\nw5",
        "[^1]: w1\n\n[^1]: w2\n\n[^x]: w3",
        "w1 [^1]\n\n- a\n\n  [^1]: w2\n\n> [^2]: w3 w4",
        "w1[^none] w2",
        "<div>w1</div>\n\n<w2>\n\n<!-- w3 -->\n\n<?w4?>",
        "![w1 *w2*](w)",
    ],
)
def test_text_is_whole(text: str) -> None:
    page = Page(render(text))
    assert sorted(words_of(page.text)) == sorted(words_of(text))
    finished = "".join(update.finished for update in streamed(text, [3, 8, 20]))
    assert sorted(words_of(Page(finished).text)) == sorted(words_of(text))


LINES = [
    "{}", "- {}", "  - {}", "    - {}", "        - {}", "1. {}", "   2. {}", "> {}", "> > {}",
    ">     - {}", "# {}", "| {} | {} |\n|---|---|\n| {} | {} | {} |", "| {} |", "<b>{}</b>", "<{}>",
    "[{}](https://x.example)",
    "[{}][r]", "![{}](x)", "[^1]: {}", "{} [^1]", "    {}", "```\n{}\n```",
    "**{}", "`{}", "$${}$$", "\\({}\\)", "$$\n{}", "\\[\n{}", "\t{}", "&{};", "\\{}", "{}\n===",
    "{}\n---", "",
]  # fmt: skip


@st.composite
def structured(draw: st.DrawFn) -> str:
    """Lines of every kind with words that are all different."""
    words = (f"w{number}z" for number in range(10_000))
    lines = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=30))
    deeper = draw(st.lists(st.integers(0, 30), min_size=len(lines), max_size=len(lines)))
    filled = [re.sub(r"\{\}", lambda _: next(words), line) for line in lines]
    return "\n".join(" " * indent + line for indent, line in zip(deeper, filled, strict=True))


@settings(
    max_examples=usually(120, full=500), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(structured())
def test_every_word_of_generated_text_is_shown(text: str) -> None:
    page = Page(render(text))
    # A formula's letters and digits are elements of their own, without anything between them.
    assert sorted(words_of(page.text)) == sorted(words_of(text))


def test_marks_and_notes_are_numbered_in_the_order_of_the_marks() -> None:
    html = render("a[^b] c[^a] d[^b]\n\n[^a]: second\n[^b]: first\n[^c]: third")
    assert "a<sup>1</sup> c<sup>2</sup> d<sup>1</sup>" in html
    notes = re.findall(r'<div class="footnote"><sup>(\d)</sup><div>\s*<p dir="auto">(\w+)', html)
    assert notes == [("1", "first"), ("2", "second"), ("3", "third")]


def test_notes_have_no_ids_or_links() -> None:
    page = Page(render("a[^1]\n\n[^1]: b"))
    assert page.links == []
    assert page.tags == ["p", "sup", "div", "sup", "div", "p"]


def test_each_block_has_its_own_direction_and_code_none() -> None:
    html = render(
        "مرحبا\n\nHello\n\n- أ\n- b\n\n> ج\n\n# د\n\n| a |\n|---|\n| و |\n\n`x`\n\n```\ny\n```"
    )
    assert html.count('<p dir="auto">') == 3
    assert html.count('<li dir="auto">') == 2
    for part in (
        '<blockquote dir="auto">\n<p>ج',
        '<h3 dir="auto">د',
        '<table dir="auto">',
        '<td dir="auto">و',
        '<code dir="ltr">x',
        '<div class="code" dir="ltr">',
    ):
        assert part in html
