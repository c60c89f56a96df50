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

from ai_chat.markdown.highlight import CLASSES, highlight
from ai_chat.markdown.parser import OPTIONS, Allowance, clean, parse

_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_LINK = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_LANGUAGE = re.compile(r"\s*([A-Za-z0-9+#._-]{1,30})(?:\s|$)")
_TAGS = """
    a blockquote br code div em h3 h4 h5 h6 hr li ol p pre s span strong
    table tbody td th thead tr ul
"""
_ALIGN = {"align": {"left", "center", "right"}}

_cleaner = nh3.Cleaner(
    tags=set(_TAGS.split()),
    attributes={"a": {"href"}, "div": {"data-lang"}, "ol": {"start"}},
    tag_attribute_values={
        "div": {"tabindex": {"0"}, "role": {"group"}, "aria-label": {"Table"}},
        "pre": {"tabindex": {"0"}},
        "td": _ALIGN,
        "th": _ALIGN,
    },
    allowed_classes={"div": {"code", "scroll"}, "span": set(CLASSES.values())},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


def render(text: str) -> SafeString:
    """A complete answer (Markdown, hostile) as safe HTML. Its h1 is written h3, as the page's own
    outline ends at h2; a picture becomes its alternative text."""
    env: EnvType = {"allowance": Allowance()}
    return to_html(parse(clean(text), env), env)


def to_html(tokens: Sequence[Token], env: EnvType, *, colours: bool = True) -> SafeString:
    """Whole top-level blocks as safe HTML, their code in `colours` or plain. Takes from the
    `href_chars` and `colour_seconds` of `env["allowance"]`."""
    raw = _renderer.render(tokens, OPTIONS, {**env, "colours": colours})
    return SafeString(_cleaner.clean(raw))


class _Renderer(RendererHTML):
    """The library's renderer, where our pages differ: it calls the method named like a token."""

    def heading_open(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        return f"<{_HEADINGS[tokens[idx].tag]}>"

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

    def fence(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, env: EnvType) -> str:
        match = _LANGUAGE.match(tokens[idx].info)
        language = match[1] if match else ""
        label = f' data-lang="{escape(language)}"' if language else ""
        code = tokens[idx].content
        body = highlight(code, language, env["allowance"]) if env["colours"] else escape(code)
        return f'<div class="code"{label}><pre tabindex="0"><code>{body}</code></pre></div>\n'

    code_block = fence  # type: ignore[assignment]  # called by position

    def table_open(self, *_: object) -> str:
        return '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n'

    def table_close(self, *_: object) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, *_: object) -> str:
        # The parser asks for an inline style, which the CSP forbids.
        align = str(tokens[idx].attrs.get("style", "")).removeprefix("text-align:")
        return f'<{tokens[idx].tag} align="{align}">' if align else f"<{tokens[idx].tag}>"

    td_open = th_open


_renderer = _Renderer()
