"""The program of the process that converts formulas (see `converter.py`): of TeX and whether it is
displayed its MathML, or null."""

from math_core import LatexError, LatexToMathML

MACROS = {
    "mbox": r"\text{#1}",
    "hbox": r"\text{#1}",
    "smash": "#1",
    "pmb": r"\boldsymbol{#1}",
    "mathbbm": r"\mathbb{#1}",
    "abs": r"\left|#1\right|",
    "norm": r"\left\|#1\right\|",
}

_converter = LatexToMathML(
    macros=MACROS, fancy_error=False, allow_unreliable_rendering=True, max_expansions=500
)


def answer(request: tuple[str, bool]) -> str | None:
    """The MathML; None if the library refuses the formula."""
    tex, is_display = request
    try:
        mathml: str = _converter.convert_with_local_state(tex, displaystyle=is_display)
    except LatexError:
        return None
    return mathml
