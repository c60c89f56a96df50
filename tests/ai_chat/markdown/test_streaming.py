"""An answer while it streams."""

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ai_chat.markdown import StreamRenderer, render, stream
from tests.ai_chat.markdown.hostile import mutated
from tests.ai_chat.markdown.page import Page, streamed, tail_of
from tests.strength import usually

PIECES = [
    *["a", "Text ", "b|c", "- ", "* ", "+ ", "1. ", "2) ", "> ", "# ", "## ", "\n", "\n\n", "   "],
    *[
        "    ",
        "\t",
        "```",
        "```py\n",
        "~~~",
        "`",
        "``",
        "**",
        "*",
        "_",
        "~~",
        "---",
        "===",
        "-",
        "=",
    ],
    *[
        "|",
        "|-|-|\n",
        "a | b\n--|--\n",
        "[x](http://y.z)",
        "[x]",
        "![",
        "](",
        ")",
        "\\",
        "<b>",
        "&amp;",
    ],
    *[
        "\r",
        "\r\n",
        "x = 1\n",
        "é",
        "\x00",
        "- a\n\n  b\n",
        "1. a\n   ```\n   c\n   ```\n",
        "> a\nb\n",
    ],
    *[
        "$",
        "$$",
        "\\[",
        "\\]",
        "\\(",
        "\\)",
        "\\\\",
        "$a|b$",
        "\\frac",
        "\\begin{align}",
        "\\end{align}",
        "[^1]",
    ],
]


@st.composite
def structured(draw: st.DrawFn) -> str:
    """Text with many beginnings and ends of blocks, and without link definitions."""
    return "".join(draw(st.lists(st.sampled_from(PIECES), max_size=40)))


@settings(
    max_examples=usually(200, full=1_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(structured() | mutated() | st.text(max_size=80), st.lists(st.integers(0, 150), max_size=12))
@example("foo\n#bar\n", [5])
@example("foo\na|b\n-|-x\n", [11])
@example("foo\n```x`\n", [8])
@example("foo\n\nbar\n```x`\n", [13])
@example("- a\n\n- b\n\ntext", [5, 6])
@example("- a\n\n-b", [6])
@example("- a\n\n  b", [7])
@example("1. a\n\n12. b", [7, 8])
@example("- ```\n\na", [8])
@example("a\r\n\r\nb\r\rc", [2, 4, 8])
@example("```\na\n\n```x\n\nb", [10])
@example("a\n\n    b\n\n    c\n\nd", [10, 16])
def test_a_stream_ends_as_the_whole_answer_would(text: str, cuts: list[int]) -> None:
    assume("]:" not in text)
    assert "".join(update.finished for update in streamed(text, cuts)) == render(text)


@settings(max_examples=usually(40, full=100), deadline=None)
@given(structured())
def test_a_stream_of_single_characters_ends_as_the_whole_answer_would(text: str) -> None:
    every = list(range(len(text)))
    assert "".join(update.finished for update in streamed(text, every)) == render(text)


def test_a_definition_serves_the_blocks_after_it() -> None:
    text = "[r]: http://x.example\n\nFirst [r].\n\nSecond [r].\n\nThird [s].\n\nEnd.\n\n[s]: http://y.example/abc"
    updates = list(streamed(text, list(range(len(text)))))
    assert Page("".join(update.finished for update in updates)).links == ["http://x.example"] * 2
    assert not any("y.example" in update.finished for update in updates), "half an address may stay"


def test_a_definition_whose_title_is_still_coming_is_not_cut_in_two() -> None:
    text = 'Text.\n\n[r]: http://x.example\n"a\ntitle"\n\n[r]'
    for cut in range(len(text)):
        finished = "".join(update.finished for update in streamed(text, [cut]))
        assert finished == render(text)


def test_finished_blocks_leave_the_tail() -> None:
    renderer = StreamRenderer()
    answer = "".join(f"Block {number}.\n\n- x\n- y\n\n" for number in range(30))
    for character in answer + "The end":
        update = renderer.feed(character)
        assert len(update.tail) < 100
    assert update.tail == '<p dir="auto">The end</p>\n'


def test_code_is_coloured_once_when_it_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured: list[str] = []

    def note(code: str, *_: object) -> str:
        coloured.append(code)
        return code

    monkeypatch.setattr("ai_chat.markdown.html.highlight", note)
    text = "Look:\n\n```python\nx = 1\n```\n\nAnd then.\n\n```python\ny = 2\n```"
    list(streamed(text, list(range(len(text)))))
    assert coloured == ["x = 1\n", "y = 2\n"]


def test_a_costly_tail_is_drawn_at_longer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000_000))
    cost = stream.FLUSH_SECONDS * 9.5
    monkeypatch.setattr(stream, "thread_time", lambda: next(clock) * cost)
    renderer = StreamRenderer()
    tails = [renderer.feed("- item\n").tail for _ in range(101)]
    assert len({id(tail) for tail in tails}) == 11
    assert renderer.close().finished == render("- item\n" * 101)


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("an **open", '<p dir="auto">an <strong>open</strong></p>\n'),
        ("an **open*", '<p dir="auto">an <strong>open</strong></p>\n'),
        ("an **", '<p dir="auto">an</p>\n'),
        ("some `co", '<p dir="auto">some <code dir="ltr">co</code></p>\n'),
        ("no ~~lon", '<p dir="auto">no <s>lon</s></p>\n'),
        ("so 2 ** 3", '<p dir="auto">so 2 ** 3</p>\n'),
        ("see [the docs](https://exam", '<p dir="auto">see the docs</p>\n'),
        ("see ![a picture](https://evil", '<p dir="auto">see a picture</p>\n'),
        ("Here:\n-", '<p dir="auto">Here:</p>\n'),
        (
            "Here:\n- **a",
            '<p dir="auto">Here:</p>\n<ul>\n<li dir="auto"><strong>a</strong></li>\n</ul>\n',
        ),
        (
            "```\nif **x `y\n``",
            '<div class="code" dir="ltr"><pre tabindex="0"><code>if **x `y\n</code></pre></div>\n',
        ),
    ],
)
def test_an_open_end_looks_as_it_will_when_closed(text: str, tail: str) -> None:
    assert tail_of(text) == tail


def test_an_open_end_that_did_not_change_is_the_same_object() -> None:
    renderer = StreamRenderer()
    renderer.feed("- item\n" * 2_000)
    assert renderer.feed("- item\n").tail is renderer.feed("").tail
