"""Formulas, directions, notes and deep lists in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from ai_chat.models import Conversation
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits

ANSWER = (
    r"""
The roots of $ax^2+bx+c=0$ are \[x_{1,2}=\frac{-b\pm\sqrt{b^2-4ac}}{2a}\] for $5 to $10.

\begin{align}
\nabla\cdot\mathbf{E} &= \frac{\rho}{\varepsilon_0} \\
- \nabla\times\mathbf{E} &= \frac{\partial\mathbf{B}}{\partial t} \tag{4}
\end{align}

\[\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}\boxed{x}\cancel{y}\bcancel{z}
\color{red}{r}\color{blue}{b}
\begin{array}{c|c}a&b\\\hline c&d\end{array}\begin{cases}1&x>0\\0&\text{if $x=0$}\end{cases}\]

$$\sum_{i=1}^{n} a_i = a_1 + a_2 + a_3 + a_4 + a_5 + a_6 + a_7 + a_8 + a_9
+ a_{10} + a_{11} + a_{12} + a_{13} + \overline{AB}$$

An unknown one: \(\ce{H2O} *x*\).

| set | $P(A|B)$ |
|---|---|
| a | \(\frac12\) |

هذا نص عربي مع `code` و $x^2$ وكلمة English.

1. أولا
2. ثانيا
   - فرع

> اقتباس

An English paragraph.[^1] Another.[^b]

[^1]: Smith, *A book*, 1999.
[^b]: كتاب
"""
    + "\n".join("  " * level + f"- level {level}" for level in range(15))
    + "\n\nEND"
)


@pytest.fixture
def page(window: Window, alice: User, size: Size, scheme: Scheme) -> Page:
    conversation = Conversation.objects.create(user=alice, title="مرحبا بالعالم")
    make_turn(conversation, "مرحبا\nHello", ANSWER)
    page = window(alice, size=size, scheme=scheme)
    page.goto(f"/ai-chat/{conversation.pk}")
    return page


def direction(page: Page, selector: str, text: str) -> str:
    element = page.locator(selector).filter(has_text=text).last
    value: str = element.evaluate("element => getComputedStyle(element).direction")
    return value


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_formulas_notes_and_directions(page: Page, size: Size, scheme: Scheme) -> None:
    formulas = page.locator(".formula math")
    assert formulas.count() == 4
    fraction = page.locator("mfrac").first
    top, bottom = fraction.locator("> *").nth(0), fraction.locator("> *").nth(1)
    tops = [each.bounding_box() for each in (top, bottom)]
    assert tops[0] and tops[1]
    assert tops[0]["y"] < tops[1]["y"], "it is typeset"
    sides = [page.locator("math .right, math .left").nth(place).bounding_box() for place in (0, 1)]
    assert sides[0] and sides[1]
    assert abs(sides[0]["x"] + sides[0]["width"] - sides[1]["x"]) < 2, "aligned at the sign"
    expect(page.locator("code.tex")).to_have_text(r"\(\ce{H2O} *x*\)")
    expect(page.locator(".footnote > sup")).to_have_text(["1", "2"])
    assert direction(page, ".footnote p", "كتاب") == "rtl"
    number, note = (page.locator(f".footnote {part}").last.bounding_box() for part in ("sup", "p"))
    assert number and note
    assert number["x"] > note["x"], "the number stands where the note begins"
    family = formulas.first.evaluate("formula => getComputedStyle(formula).fontFamily")
    assert family.endswith("math")
    expect(page.locator("math mtext").filter(has_text="(")).to_have_text(["(4)"])
    expect(page.locator(".md")).to_contain_text("level 14")
    expect(page.locator(".md > p", has_text="END")).to_be_visible()
    assert direction(page, ".md > p", "عربي") == "rtl"
    assert direction(page, ".md > p", "English paragraph") == "ltr"
    assert direction(page, ".md li", "أولا") == "rtl"
    assert direction(page, ".md blockquote", "اقتباس") == "rtl"
    assert direction(page, ".me", "مرحبا") == "rtl"
    assert direction(page, "h1", "مرحبا") == "rtl"
    assert direction(page, ".md p code", "code") == "ltr"
    fits(page)
    axe(page)
