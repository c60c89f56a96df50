"""From Markdown tokens to the HTML that the page may show."""

import re
from collections.abc import Sequence

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString
from markdown_it.common.utils import unescapeAll
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from ai_chat.markdown import mathml
from ai_chat.markdown.blocks import with_notes_last
from ai_chat.markdown.formulas import PIPE, source
from ai_chat.markdown.highlight import CLASSES, highlight
from ai_chat.markdown.parser import OPTIONS, Allowance, clean, parse

RENDERER_VERSION = 2
"""Goes up with each change of what `render` makes of a text: pages keep its HTML."""

_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_LINK = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_LANGUAGE = re.compile(r"\s*([A-Za-z0-9+#._-]{1,30})(?:\s|$)")
_TAGS = """
    a blockquote br code div em h3 h4 h5 h6 hr li ol p pre s span strong sup
    table tbody td th thead tr ul
"""
#: What browsers typeset, without actions, links, annotations or styles: https://www.w3.org/TR/mathml-core/
_MATH_TAGS = """
    math mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace msqrt
    msub msubsup msup mtable mtd mtext mtr munder munderover b i
"""
_MATH_ATTRIBUTES = {
    "math": {"data-tex", "dir", "display"},
    "mfrac": {"displaystyle", "linethickness", "scriptlevel"},
    "mi": {"mathvariant"},
    "mo": {"form", "lspace", "maxsize", "minsize", "movablelimits", "rspace", "stretchy"},
    "mover": {"accent"},
    "mpadded": {"height", "voffset", "width"},
    "mrow": {"displaystyle", "scriptlevel"},
    "mspace": {"width"},
    "mtable": {"displaystyle", "scriptlevel"},
    "munder": {"accentunder"},
}
_ALIGN = {"align": {"left", "center", "right"}}
_DIR = {"dir": {"auto", "ltr"}}
_BOX = {"tabindex": {"0"}, "role": {"group"}}
#: Blocks that have a direction of their own. One that begins an item or a quotation shares that
#: one's: `dir=auto` looks past elements with a direction.
_DIRECTED = {"p", "li", "blockquote", "table", "td"}
_SHARES = {"list_item_open", "blockquote_open"}
_LONG_FORMULA = 60
"""An inline formula with more characters scrolls in a box of its own, as a displayed one does."""

_cleaner = nh3.Cleaner(
    tags={*_TAGS.split(), *_MATH_TAGS.split()},
    attributes={"a": {"href"}, "div": {"data-lang"}, "ol": {"start"}, **_MATH_ATTRIBUTES},
    tag_attribute_values={
        "div": {**_BOX, **_DIR, "aria-label": {"Table"}},
        "pre": {"tabindex": {"0"}},
        "span": {**_BOX, "aria-label": {"Formula"}},
        "td": {**_ALIGN, **_DIR},
        "th": _ALIGN,
        **dict.fromkeys(("blockquote", "code", "h3", "h4", "h5", "h6", "li", "p", "table"), _DIR),
    },
    allowed_classes={
        "code": {"tex"},
        "div": {"code", "footnote", "scroll"},
        "span": {*CLASSES.values(), "formula", "long"},
        **dict.fromkeys(("mrow", "mspace", "mtable", "mtd"), mathml.CLASSES),
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


def render(text: str, allowance: Allowance | None = None) -> SafeString:
    """A complete answer (Markdown, hostile) as safe HTML, within an `allowance` of its own. Its h1
    is written h3, as the page's own outline ends at h2; a picture becomes its alternative text."""
    env: EnvType = {"allowance": allowance or Allowance()}
    return to_html(with_notes_last(parse(clean(text), env)), env)


def to_html(tokens: Sequence[Token], env: EnvType, *, colours: bool = True) -> SafeString:
    """Whole top-level blocks as safe HTML, their code in `colours` or plain. Takes from the
    `href_chars`, `colour_seconds` and `formulas` of `env["allowance"]`."""
    raw = _renderer.render(tokens, OPTIONS, {**env, "colours": colours})
    return SafeString(_cleaner.clean(raw.replace(PIPE, "|")))


class _Renderer(RendererHTML):
    """The library's renderer, where our pages differ: it calls the method named like a token."""

    def renderToken(  # noqa: N802 -- the library's name
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[idx]
        if token.nesting == 1 and token.tag in _DIRECTED and not _shares_direction(tokens, idx):
            token.attrs = {"dir": "auto", **token.attrs}
        return super().renderToken(tokens, idx, options, env)

    def heading_open(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        direction = "" if _shares_direction(tokens, idx) else ' dir="auto"'
        return f"<{_HEADINGS[tokens[idx].tag]}{direction}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f"</{_HEADINGS[tokens[idx].tag]}>\n"

    def link_open(
        self, tokens: Sequence[Token], idx: int, _options: OptionsDict, env: EnvType
    ) -> str:
        href = str(tokens[idx].attrs["href"])
        env["allowance"].href_chars -= len(href)
        # A link without text could be focused but not named.
        named = tokens[idx + 1].type != "link_close"
        env["linked"] = named and env["allowance"].href_chars > 0 and bool(_LINK.match(href))
        return f'<a href="{escape(href)}">' if env["linked"] else ""

    def link_close(
        self, _tokens: Sequence[Token], _idx: int, _options: OptionsDict, env: EnvType
    ) -> str:
        return "</a>" if env["linked"] else ""

    def image(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        # Asking another host for a picture tells it whatever the model wrote into the address.
        return escape(unescapeAll(tokens[idx].content).strip() or "image")

    def code_inline(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f'<code dir="ltr">{escape(tokens[idx].content)}</code>'

    def fence(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, env: EnvType) -> str:
        info, code = tokens[idx].info.strip(), tokens[idx].content.replace(PIPE, "|")
        if not code.strip() and len(info.split()) > 1:
            info, code = "", info  # An open fence with its text on the first line.
        match = _LANGUAGE.match(info)
        language = match[1] if match else ""
        label = f' data-lang="{escape(language)}"' if language else ""
        body = highlight(code, language, env["allowance"]) if env["colours"] else escape(code)
        code = f'<pre tabindex="0"><code>{body}</code></pre>'
        return f'<div class="code" dir="ltr"{label}>{code}</div>\n'

    code_block = fence  # type: ignore[assignment]  # called by position

    def table_open(self, *_: object) -> str:
        box = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
        return f'{box}<table dir="auto">\n'  # Its order is that of its head.

    def table_close(self, *_: object) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        # The parser asks for an inline style, which the CSP forbids.
        align = str(tokens[idx].attrs.get("style", "")).removeprefix("text-align:")
        direction = ' dir="auto"' if tokens[idx].tag == "td" else ""
        aligned = f' align="{align}"' if align else ""
        return f"<{tokens[idx].tag}{aligned}{direction}>"

    td_open = th_open

    def formula(
        self, tokens: Sequence[Token], idx: int, _options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[idx]
        tex, is_display = token.content.replace(PIPE, "|"), token.meta["is_display"]
        allowance = env["allowance"].formulas
        is_open = token.meta.get("is_open")
        shown = (
            None if is_open else mathml.to_mathml(tex, is_display=is_display, allowance=allowance)
        )
        written = escape(source(token))
        if shown is None:
            shown = f'<code class="tex" dir="ltr">{written}</code>'
        else:  # To be copied: static/ai_chat/formulas.js.
            shown = shown.replace("<math", f'<math data-tex="{written}"', 1)
        if not is_display and (len(tex) <= _LONG_FORMULA or is_open):
            return shown
        css = "formula" if is_display else "formula long"
        return f'<span class="{css}" tabindex="0" role="group" aria-label="Formula">{shown}</span>'

    def softbreak(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        # A displayed formula has lines of its own.
        beside = tokens[max(idx - 1, 0) : idx + 2]
        is_needed = not any(token.meta.get("is_display") for token in beside)
        return super().softbreak(tokens, idx, options, env) if is_needed else "\n"

    def note_mark(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f"<sup>{tokens[idx].meta['number']}</sup>"

    def footnote_reference_open(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f'<div class="footnote"><sup>{tokens[idx].meta["number"]}</sup><div>\n'

    def footnote_reference_close(self, *_: object) -> str:
        return "</div></div>\n"


def _shares_direction(tokens: Sequence[Token], idx: int) -> bool:
    return idx > 0 and tokens[idx - 1].type in _SHARES


_renderer = _Renderer()
