"""What an answer may cost: time, size, depth."""

import pytest

from ai_chat.markdown import highlight, parser, render
from tests.ai_chat.markdown.page import Page


def bomb(columns: int) -> str:
    """Tables whose empty rows the parser would fill with 250 times as many cells."""
    head = "|" + "a|" * columns + "\n|" + "-|" * columns + "\n"
    return (head + "|\n" * 250 + "\n") * 10


PATHOLOGICAL = {
    "quotes": ">" * 20_000,
    "spaced quotes": "> " * 20_000,
    "brackets": "[" * 20_000,
    "bracket words": "[a" * 19_000,
    "pictures": "![" * 9_999,
    "half links": "[a](" * 16_000,
    "links in links": "[" * 8_000 + "a" + "](b)" * 8_000,
    "stars": "*" * 20_000,
    "star words": "*a " * 19_000,
    "mixed emphasis": "*_" * 9_999,
    "deep emphasis": "*a " * 9_000 + "a* " * 9_000,
    "backticks": "`" * 20_000,
    "backtick runs": " ".join("`" * length for length in range(1, 190)),
    "tildes": "~" * 20_000,
    "entities": "&" * 20_000,
    "wide table": "|" + "a|" * 10_000 + "\n|" + "-|" * 10_000 + "\n|" + "b|" * 10_000,
    "table of empty rows": bomb(250),
    "list in list": "- " * 20_000,
    "quotes and lists": "> - " * 15_000,
    "lazy quote": ">" * 19 + "a\n" + "b\n" * 2_900,
    "lines": "a\n" * 32_000,
    "list items": "- a\n" * 2_999,
    "definitions": "[a]: b\n" * 9_000,
    "open definition": "[a\n" * 2_999,
    "definition used often": f"[a]: http://x.example/{'z' * 9_000}\n\n" + "[a] " * 9_000,
    "fences": "```\n" * 2_999,
    "headings": "# " * 30_000,
    "spaces": "a" + " " * 60_000 + "b",
}


@pytest.mark.parametrize("text", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_pathological_text_stays_in_bounds(text: str) -> None:
    html = render(text)
    Page(html)
    assert len(html) < 1_500_000


@pytest.mark.parametrize(
    "text",
    ["[" * (parser.MAX_MARKERS + 1), "a\n" * (parser.MAX_LINES + 1), "a " * parser.MAX_CHARS],
    ids=["markers", "lines", "characters"],
)
def test_text_beyond_the_bounds_is_plain(text: str) -> None:
    page = Page(render(text))
    assert page.tags == ["div", "pre", "code"]
    assert page.text.strip() == text.strip()


def test_a_table_is_cut_when_the_answer_has_had_its_cells() -> None:
    page = Page(render(bomb(250)))
    assert page.tags.count("td") + page.tags.count("th") <= parser.Allowance().table_cells
    small = Page(render("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 1_000))
    assert small.tags.count("td") == 2_000


def test_a_long_address_is_not_repeated_for_ever() -> None:
    page = Page(render(PATHOLOGICAL["definition used often"]))
    assert 0 < sum(map(len, page.links)) <= parser.Allowance().href_chars
    assert page.text.split() == ["a"] * 9_000


def test_colours_end_with_the_time_for_them_and_no_code_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(highlight, "thread_time", lambda: next(ticks) / 100)
    code = "x = 1\n" * 500
    page = Page(render(f"```python\n{code}```\n\n```python\n{code}```"))
    assert 0 < page.tags.count("span") < 40
    assert page.text == f"{code}\n{code}\n"


@pytest.mark.parametrize("language", ["matlab", "nonsense", "../etc", ""])
def test_code_in_other_languages_is_plain(language: str) -> None:
    page = Page(render(f"```{language}\nif x: pass\n```"))
    assert page.tags == ["div", "pre", "code"]


def test_a_very_long_block_is_plain() -> None:
    code = "x = 1\n" * (highlight.MAX_CODE_CHARS // 6 - 800)
    assert "<span" in render(f"```python\n{code}```")
    assert "<span" not in render(f"```python\n{'y = 2000000000\n' * 1_500}```")
