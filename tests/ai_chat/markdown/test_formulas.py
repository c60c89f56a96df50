"""TeX in answers becomes MathML; prices, code and what is not known stay as they were written."""

import os
import re
import signal

import pytest

from ai_chat.markdown import Allowance, converter, mathml, render
from tests.ai_chat.markdown.page import Page, streamed, tail_of

FRACTION = "<mfrac><mi>a</mi><mi>b</mi></mfrac>"

FORMULAS = [
    r"\(a_1 \cdot b_1\)",
    r"\[\frac{a}{b}\]",
    "$a*b*c$",
    "$$\na*b*c\n$$",
    r"$\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}$",
    "\\[\nx\n= y\n- z\n+ 1\n# 2\n\\]".replace("#", "\\#"),
    "\\begin{align}\na &= b \\\\\n- c &= d\n\\end{align}",
    "\\begin{align*}a &= b \\\\[2pt] c &= d\\end{align*}",
    r"\begin{equation}\begin{split}a&=b\\&=c\end{split}\label{eq:a}\end{equation}",
    r"$$x \tag{3}$$",
    r"\[\text{if $x>0$}\]",
    r"\[\begin{cases}a & x<0\\b & \text{otherwise}\end{cases}\]",
    r"$\boxed{x}+\cancel{y}$",
    r"$\color{red}x$",
    r"$n \bmod 3 \pmod 5$",
    r"$\widetilde{ab}$",
]
PLAIN = [
    "$5 to $10",
    "US$5 and $6",
    "costs $20-$30",
    "between $5 and 10$ each",
    "($5)–($10)",
    "$5/$10 or $5M/$10M",
    "$HOME/bin:$PATH",
    "$ x $",
    r"\$a\$",
    "$: cheap, $$: fair",
    "$$$",
    "$",
    "$$",
    "a $`b$",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_typeset(text: str) -> None:
    html = render(f"Let {text} be.")
    page = Page(html)
    assert page.tags.count("math") == 1, html
    assert not set(page.tags) & {"em", "code", "ul", "h3", "br"}
    assert "\\" not in page.text
    assert "$" not in page.text


@pytest.mark.parametrize("text", PLAIN)
def test_dollars_that_are_no_formula_stay(text: str) -> None:
    page = Page(render(text))
    assert "math" not in page.tags
    assert page.text.strip() == text.replace("\\", "")


@pytest.mark.parametrize(
    "text",
    [
        "**{}**",
        "# {}",
        "- a {}\n  - b",
        "> {}",
        "| {} |\n|---|\n| b |",
        "[{}](https://x.example)",
        "3{}3",
        "1. a\n\n   {}\n\n   b",
        "a[^1]\n\n[^1]: {}",
    ],
)
@pytest.mark.parametrize("formula", [r"\(\frac ab\)", r"$\frac ab$", r"\[\frac ab\]"])
def test_a_formula_may_stand_in_any_text(text: str, formula: str) -> None:
    assert FRACTION in render(text.format(formula))


@pytest.mark.parametrize("text", ["`{}`", "```\n{}\n```", "    {}", "```latex\n{}"])
def test_code_is_left_alone(text: str) -> None:
    formula = r"\(a\) $b$ \[c\] $$d$$"
    page = Page(render(text.format(formula)))
    assert "math" not in page.tags
    assert page.text.strip() == formula


def test_bars_in_a_tables_formula_do_not_end_the_cell_and_elsewhere_stay_bars() -> None:
    page = Page(render("| $P(A|B)$ | b |\n|---|---|\n| $|x|$ | c |\n"))
    assert page.tags.count("math") == 2
    assert (page.tags.count("th"), page.tags.count("td")) == (2, 2)
    assert "|" in page.text
    code = "| echo $a|tr $b|x\n| $a|b$"
    assert Page(render(f"```python\n{code}\n```")).text.strip() == code


def test_a_displayed_formula_is_as_wide_as_its_lines_allow() -> None:
    html = render("Solve:\n\\[\nx\n\\]\nDone.")
    assert "<br>" not in html
    assert '<span class="formula" tabindex="0" role="group" aria-label="Formula"><math' in html


def test_a_list_goes_on_after_a_formula_at_the_margin() -> None:
    page = Page(render("1. Solve:\n\\[\nx\n- y\n\\]\n2. Next"))
    assert (page.tags.count("li"), page.tags.count("math")) == (2, 1)


@pytest.mark.parametrize(
    "tex",
    [
        r"\ce{H_2O} *a*",
        r"\href{javascript:alert(1)}{x}",
        r"\class{btn}{x}",
        r"\style{position:fixed}{x}",
        r"\includegraphics{//evil.example}",
        r"\begin{matrix}a",
        r"\newcommand{\x}{\x\x}\x",
        r"\def\x{\x}\x",
        r"\hspace{9999em}x",
        r"\phantom{x}",
        r"\eqref{a}",
        "%",
        "x" * (mathml.MAX_CHARS + 1),
    ],
)
def test_what_is_not_known_is_shown_as_it_was_written(tex: str) -> None:
    page = Page(render(rf"a \({tex}\) b"))
    assert set(page.tags) <= {"p", "span", "code"}
    assert page.text.strip() == rf"a \({tex}\) b"


@pytest.mark.parametrize(
    "tex",
    [
        r"\text{<script>alert(1)</script>}",
        "<img src=x onerror=alert(1)>",
        r"\text{</math><style>@import url(//evil.example)</style>}",
        r"\mathrm{</mi><a href=javascript:alert(1)>x</a>}",
        r"\tag{<b>}x",
        r"\label{" + '"onclick=alert(1)' + "}x",
        r"\color{red;position:fixed}x",
        r"\textrm{a}\texttt{b}\textbf{c}",
    ],
)
@pytest.mark.parametrize("form", [r"\({}\)", r"\[{}\]", "${}$"])
def test_hostile_formulas_become_only_what_is_allowed(tex: str, form: str) -> None:
    page = Page(render(form.replace("{}", tex)))
    assert page.links == []


KILLERS = {
    "phantoms": r"\phantom{" * 390 + "x" + "}" * 390,
    "roots": r"\sqrt " * 600 + "x",
    "parentheses": "(" * 40 + "1",
    "brackets": "[a" * 60,
    "mixed": r"(\langle\{" * 12,
}


@pytest.mark.parametrize("tex", KILLERS.values(), ids=KILLERS)
def test_a_formula_that_the_library_cannot_bear_is_its_source_and_the_next_is_typeset(
    tex: str,
) -> None:
    first, second = Page(render(f"${tex}$")), Page(render("$a$"))
    assert "math" not in first.tags
    assert first.text.strip() == f"${tex}$"
    assert "math" in second.tags


def test_formulas_end_with_the_time_for_them_and_none_is_lost() -> None:
    texts = [f"$({'(' * 40}{number}$" for number in range(30)]
    allowance = Allowance()
    page = Page(render("\n\n".join(texts), allowance))
    assert page.text.split() == texts
    assert -converter.SECONDS <= allowance.formulas.seconds <= 0


def test_formulas_end_with_the_characters_for_them() -> None:
    texts = [f"$a{chr(39) * 3_000}{number}$" for number in range(30)]
    html = render("\n\n".join(texts))
    assert 0 < Page(html).tags.count("math") < len(texts)
    assert len(html) < 1_500_000
    assert f"{texts[-1]}".replace("'", "&#x27;") in html or texts[-1] in Page(html).text


def test_two_thousand_formulas_are_typeset() -> None:
    assert render(" ".join(f"$a_{{{n}}}$" for n in range(2_000))).count("<math") == 2_000


def test_a_killed_process_of_the_converter_takes_no_formula_with_it() -> None:
    render("$a$")
    process = converter.process._process
    assert process
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert "<math" in render("$b$")


@pytest.mark.parametrize("text", ["\\[\na*b*c\n- d\n+ e\n\\]", "\\(a*b*c + d\\) is", "$a*b*c$ is"])
def test_a_formula_that_is_coming_is_shown_as_its_source(text: str) -> None:
    for length in range(4, len(text)):
        tail = tail_of(text[:length])
        page = Page(tail)
        assert not set(page.tags) & {"em", "ul", "h3"}, tail
        shown = re.sub(r"\s", "", page.text)
        assert shown in re.sub(r"\s", "", text[:length]) or "math" in page.tags, tail


def test_a_price_that_is_coming_is_no_formula() -> None:
    assert tail_of("It costs $5 and **that") == (
        '<p dir="auto">It costs $5 and <strong>that</strong></p>\n'
    )


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_streams_to_what_it_is_in_the_end(text: str) -> None:
    whole = f"Before.\n\nLet {text} be.\n\n- {text}\n\nAfter {text}"
    for cuts in ([3, 9, 17, 21, 30, 41, 55, 70], list(range(len(whole)))):
        assert "".join(update.finished for update in streamed(whole, cuts)) == render(whole)
