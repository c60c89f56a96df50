"""Colours for code, as CSS classes (the CSP forbids inline styles): see `highlight.css`."""

from collections.abc import Iterator
from itertools import groupby
from time import thread_time

from django.utils.html import escape
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import Token, _TokenType

from ai_chat.markdown.parser import Allowance

MAX_CODE_CHARS = 20_000
"""A longer block is shown without colours."""

CLASSES: dict[_TokenType, str] = {
    Token.Comment: "c",
    Token.Keyword: "k",
    Token.Keyword.Constant: "m",
    Token.Keyword.Type: "nb",
    Token.Operator.Word: "k",
    Token.Literal.String: "s",
    Token.Literal.Number: "m",
    Token.Name.Attribute: "na",
    Token.Name.Builtin: "nb",
    Token.Name.Class: "nf",
    Token.Name.Decorator: "na",
    Token.Name.Exception: "nb",
    Token.Name.Function: "nf",
    Token.Name.Tag: "k",
    Token.Name.Variable: "na",
    Token.Generic.Deleted: "gd",
    Token.Generic.Heading: "gh",
    Token.Generic.Inserted: "gi",
    Token.Generic.Subheading: "gh",
}
"""Pygments' token types in few groups: less HTML to send, fewer colours to tell apart."""

# Only lexers that got through 10,000 characters of hostile repetition in short steps, so that
# the clock in `_tokens` can stop them. A single step of `console` took more than 5 s, of `matlab`
# 2.5 s, of `ini` 1.1 s.
_NAMES = """
    bash c cpp csharp css dart diff docker elixir go graphql haskell html java javascript json jsx
    julia kotlin latex lua make objective-c perl php postgresql powershell python r ruby rust scala
    scss sql swift terraform toml tsx typescript xml yaml
"""
LEXERS = frozenset(_NAMES.split())
#: Other names: Pygments' own for these lexers, and languages that look alike.
ALIASES = {
    alias: name
    for _, aliases, *_ in get_all_lexers(plugins=False)
    for name in LEXERS.intersection(aliases)
    for alias in aliases
}
ALIASES |= {"cfg": "toml", "conf": "toml", "console": "bash", "ini": "toml", "jsonc": "json"}
ALIASES |= {"kt": "kotlin", "svg": "xml"}


def highlight(code: str, language: str, allowance: Allowance) -> str:
    """Return `code` as HTML, in colours while the answer's `colour_seconds` last."""
    name = ALIASES.get(language.lower(), language.lower())
    if name not in LEXERS or len(code) > MAX_CODE_CHARS:
        return escape(code)
    spans = groupby(_tokens(code, name, allowance), key=lambda token: token[0])
    return "".join(_span(css, "".join(part for _, part in parts)) for css, parts in spans)


def _tokens(code: str, name: str, allowance: Allowance) -> Iterator[tuple[str, str]]:
    """Yield (class, text) pairs; what is left when the time is up comes out as one plain text."""
    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    started = thread_time()
    done = 0
    for kind, part in lexer.get_tokens(code):
        if thread_time() - started > allowance.colour_seconds:
            yield "", code[done:]
            break
        yield _css_class(kind), part
        done += len(part)
    allowance.colour_seconds -= thread_time() - started


def _css_class(kind: _TokenType) -> str:
    while kind.parent and kind not in CLASSES:
        kind = kind.parent
    return CLASSES.get(kind, "")


def _span(css: str, text: str) -> str:
    return f'<span class="{css}">{escape(text)}</span>' if css and text.strip() else escape(text)
