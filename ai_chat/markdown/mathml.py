"""TeX as MathML, which browsers typeset themselves: https://www.w3.org/TR/mathml-core/."""

import re
from colorsys import rgb_to_hls
from dataclasses import dataclass, field

from ai_chat.markdown import converter
from config.text import is_blank

MAX_CHARS = 4_000
"""Of one formula."""
MAX_DEPTH = 100
"""Elements in elements of a result; browsers go up to about 500."""
MAX_SPACE = 20.0
"""Width of a space that a formula asks for, in em or rem."""

# Definitions may recurse, or expand exponentially.
_DEFINITION = re.compile(r"\\(?:[egx]?def|let|global|(?:re)?newcommand|providecommand)(?![A-Za-z])")
#: Environments that the library does not know, or numbers: one that has no number of its own would
#: be (1) in each formula.
_SAME_AS = {
    "align": "aligned",
    "alignat": "aligned",
    "alignedat": "aligned",
    "eqnarray": "aligned",
    "equation": "gathered",
    "flalign": "aligned",
    "gather": "gathered",
    "multline": "multline*",
    "smallmatrix": "matrix",
    "split": "aligned",
}
#: These can have numbers, or names, of the author's.
_TAGGED = {"align", "equation", "gather", "multline"}
_LABEL = re.compile(r"\\label\{[^{}]*\}")
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-z]+)\*?\}((?<=at\}|t\*\})\{\d+\})?")
_ROW_SPACE = re.compile(r"\\\\\[\s*-?[\d.]+\s*[a-z]{2}\s*\]")
_TEXT = re.compile(r"\\text\{([^{}]*\$[^{}]*)\}")

_STYLE = re.compile(r' style="([^"]*)"')
_TAG = re.compile(r"<(/?)[a-z]+[^>]*?(/?)>")
_HIDDEN = re.compile(r"<mphantom>.*?</mphantom>|</?math[^>]*>")
_SPACE = re.compile(r'width="(-?[\d.]+)r?em"')
_COLOUR = re.compile(r"color:#([0-9A-F]{6})")
_FONT = re.compile(r"</?span[^>]*>")
_STRIKES = re.compile(r'<menclose notation="([a-z ]+)">')
#: The library's inline styles, which the CSP forbids, as classes of `formulas.css`.
_CLASSES = {
    "width: 100%": "wide",
    "width: 50%": "half",
    "text-align: left": "left",
    "text-align: right": "right",
    "padding-left: 0": "to-left",
    "padding-right: 0": "to-right",
    "padding-left:1em": "apart",
    "margin-left:-0.16666667em": "closer",
    "border-left: 0.05em solid currentcolor": "line-left",
    "border-right: 0.05em solid currentcolor": "line-right",
    "border-top: 0.05em solid currentcolor": "line-top",
    "border-bottom: 0.05em solid currentcolor": "line-bottom",
    "border-left: 0.05em dashed currentcolor": "dash-left",
    "border-right: 0.05em dashed currentcolor": "dash-right",
    "border-top: 0.05em dashed currentcolor": "dash-top",
    "border-bottom: 0.05em dashed currentcolor": "dash-bottom",
}
#: Colours are reduced to six hues, which have a light and a dark variant.
_HUES = ("red", "yellow", "green", "teal", "blue", "purple")
_NOTATIONS = {
    "box": "box",
    "updiagonalstrike": "strike-up",
    "downdiagonalstrike": "strike-down",
    "updiagonalstrike downdiagonalstrike": "strike-both",
    "horizontalstrike": "strike",
}
CLASSES = {*_CLASSES.values(), *_HUES, *_NOTATIONS.values()}


@dataclass
class FormulaAllowance:
    """What an answer's formulas may still use: seconds of CPU, and characters of MathML, of which
    one character of TeX may become 50. Results are cached: an unfinished answer is rendered
    often."""

    seconds: float = 0.3
    chars: int = 600_000
    converted: dict[tuple[str, bool], str | None] = field(default_factory=dict)


def to_mathml(tex: str, *, is_display: bool, allowance: FormulaAllowance) -> str | None:
    """The formula as MathML with classes for styles, not sanitised yet, as `tex` is hostile. None
    if it is not supported, invisible, or exceeds a bound: then its source is to be shown."""
    key = tex, is_display
    if key not in allowance.converted:
        if len(tex) > MAX_CHARS or allowance.seconds <= 0 or _DEFINITION.search(tex):
            return None
        mathml, seconds = converter.convert(_prepared(tex), is_display=is_display)
        allowance.converted[key] = _classed(mathml) if mathml and _is_good(mathml) else None
        allowance.seconds -= seconds
    mathml = allowance.converted[key]
    if mathml is None or allowance.chars < len(mathml):
        return None
    allowance.chars -= len(mathml)
    return mathml


def _prepared(tex: str) -> str:
    """The formula with the environments and commands that the library supports."""
    tex = _LABEL.sub("", tex)
    is_tagged = "\\tag" in tex

    def environment(match: re.Match[str]) -> str:
        name = match[2]
        known = f"{name}*" if is_tagged and name in _TAGGED else _SAME_AS.get(name)
        return f"\\{match[1]}{{{known}}}" if known else match[0]

    tex = _ROW_SPACE.sub(r"\\\\", _ENVIRONMENT.sub(environment, tex))
    tex = _TEXT.sub(_formulas_in_text, tex)
    if is_tagged and not tex.lstrip().startswith("\\begin"):
        return rf"\begin{{equation*}}{tex}\end{{equation*}}"
    return tex


def _formulas_in_text(match: re.Match[str]) -> str:
    r"""`\text{if $x$}` without a formula in the text."""
    parts = match[1].split("$")
    texts = [part if place % 2 else rf"\text{{{part}}}" for place, part in enumerate(parts)]
    return f"{{{''.join(texts)}}}" if len(parts) % 2 else match[0]


def _is_good(mathml: str) -> bool:
    """Whether the result is visible, neither too wide nor too deep, and has no open references."""
    is_shown = not is_blank(_TAG.sub("", _HIDDEN.sub("", mathml)))
    widest = max((abs(float(width)) for width in _SPACE.findall(mathml)), default=0.0)
    is_small = widest <= MAX_SPACE and _depth(mathml) <= MAX_DEPTH
    return is_shown and is_small and "(??)" not in mathml


def _depth(mathml: str) -> int:
    depth = deepest = 0
    for match in _TAG.finditer(mathml):
        if not match[2]:
            depth += -1 if match[1] else 1
            deepest = max(deepest, depth)
    return deepest


def _classed(mathml: str) -> str:
    """The library's result without inline styles, and without `menclose`, which few draw."""
    mathml = _STRIKES.sub(lambda match: f'<mrow class="{_NOTATIONS.get(match[1], "box")}">', mathml)
    mathml = _FONT.sub("", mathml.replace("</menclose>", "</mrow>"))
    return _STYLE.sub(_as_classes, mathml).replace("<math", '<math dir="ltr"', 1)


def _as_classes(match: re.Match[str]) -> str:
    if colour := _COLOUR.match(match[1]):
        names = [_hue(colour[1])]
    else:
        names = [_CLASSES.get(style.strip(), "") for style in match[1].split(";")]
    shown = " ".join(filter(None, names))
    return f' class="{shown}"' if shown else ""


def _hue(colour: str) -> str:
    """The class of a colour, "" for one between black and white."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4))
    hue, _, saturation = rgb_to_hls(red, green, blue)
    return _HUES[round(hue * 6) % 6] if saturation > 0.2 else ""
