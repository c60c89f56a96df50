"""From text to Markdown tokens, with bounds on what an answer may cost: CommonMark with tables and
strikethrough; a line break stays one, as models write poems and addresses that way."""

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token
from markdown_it.utils import EnvType

MAX_CHARS = 100_000
MAX_LINES = 3_000
MAX_MARKERS = 20_000
"""Beyond these an answer is shown as plain text: each `[` or line may cost 30 to 100 µs."""

MARKERS = "[]*_`<>&!~|\\"

# Control characters mean nothing in HTML, a byte order mark is noise, and the bidirectional
# overrides let text (above all code that people copy) read differently from what it is.
# Joiners and the plain left-to-right and right-to-left marks stay: emoji and Persian need them.
_DROPPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class Allowance:
    """What an answer may still use: a table's missing cells are filled in, so that 600 characters
    make 10,000; a reference repeats its address; some lexers are quadratic on hostile code."""

    table_cells: int = 10_000
    href_chars: int = 200_000
    colour_seconds: float = 0.3


def clean(text: str) -> str:
    """Return `text` with `\\n` line ends and without characters that only confuse or deceive."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _LONE_SURROGATE.sub("\ufffd", _DROPPED.sub("", text))


def parse(text: str, env: EnvType) -> list[Token]:
    """The tokens of cleaned `text`; a plain code block if it is beyond the bounds. `env` holds the
    `allowance`, and takes and gives the link `references`."""
    fits = len(text) <= MAX_CHARS and text.count("\n") <= MAX_LINES
    if not fits or sum(map(text.count, MARKERS)) > MAX_MARKERS:
        return [Token("code_block", "code", 0, content=text, block=True)]
    return _markdown.parse(text, env)


def parse_inline(text: str, env: EnvType) -> list[Token]:
    """Return the inline tokens of one paragraph's `text`."""
    return _markdown.parseInline(text, env)[0].children or []


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """The library's table rule, ended early when the answer has had its share of cells."""
    allowance: Allowance = state.env["allowance"]
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    rows = allowance.table_cells // columns
    is_table = rows > 0 and table(state, start, min(end, start + 1 + rows), silent)
    if is_table and not silent:
        allowance.table_cells -= columns * (state.line - start)
    return is_table


def _build() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "xhtmlOut": False})
    markdown.enable(["table", "strikethrough"])
    markdown.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
    # The renderer decides which addresses become links. Refusing here would leave the source of
    # a refused link or picture standing in the text, megabytes of `data:` included.
    markdown.validateLink = bool  # type: ignore[method-assign, assignment]
    # The rule tables are compiled at the first use, and half-compiled ones are visible to other
    # threads: do it now, while there is only one.
    markdown.parse("warm", {"allowance": Allowance()})
    return markdown


_markdown = _build()
OPTIONS = _markdown.options
