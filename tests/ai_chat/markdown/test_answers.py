"""What a good answer looks like."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_chat.markdown import highlight, parser, render
from tests.ai_chat.markdown.page import Page
from tests.strength import usually

CSS = Path(__file__).parents[3] / "static/ai_chat/highlight.css"


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
        '<li dir="auto">d</li>',
        "<p>e<br>\nf</p>",
        "<hr>",
    ):
        assert part in html


def test_a_table_scrolls_in_a_box_that_keys_can_reach() -> None:
    html = render("| a | b |\n|---|--:|\n| `x` | 1 |")
    assert html.startswith(
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table dir="auto">'
    )
    assert (
        '<td dir="auto"><code dir="ltr">x</code></td>\n<td align="right" dir="auto">1</td>' in html
    )
    assert html.endswith("</table></div>\n")


def test_code_is_coloured_with_classes_and_names_its_language() -> None:
    assert render("```python\ndef f():\n    return 'x'\n# y\n```") == (
        '<div class="code" dir="ltr" data-lang="python"><pre tabindex="0"><code>'
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


@settings(max_examples=usually(50, full=150), deadline=None)
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
