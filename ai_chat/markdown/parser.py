"""From text to Markdown tokens, with bounds on what an answer may cost: CommonMark with tables,
strikethrough, notes and formulas; a line break stays one, as models write poems and addresses that
way."""

import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.token import Token
from markdown_it.utils import EnvType

from ai_chat.markdown import blocks, formulas
from ai_chat.markdown.mathml import FormulaAllowance

MAX_CHARS = 100_000
MAX_LINES = 3_000
MAX_MARKERS = 20_000
"""Beyond these an answer is shown as plain text: each `[` or line may cost 30 to 100 µs."""

MARKERS = "[]*_`<>&!~|\\$"

# Control characters mean nothing in HTML, a byte order mark is noise, and the bidirectional
# overrides let text (above all code that people copy) read differently from what it is.
# Joiners and the plain left-to-right and right-to-left marks stay: emoji and Persian need them.
# Isolates go too, as one without an end reaches over what follows; each block has a direction.
_DROPPED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufdd0-\ufdef]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class Allowance:
    """What an answer may still use: a table's missing cells are filled in, so that 600 characters
    make 10,000; a reference repeats its address; some lexers are quadratic on hostile code."""

    table_cells: int = 10_000
    href_chars: int = 200_000
    colour_seconds: float = 0.3
    formulas: FormulaAllowance = field(default_factory=FormulaAllowance)


def clean(text: str) -> str:
    """Return `text` with `\\n` line ends and without characters that only confuse or deceive."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _LONE_SURROGATE.sub("\ufffd", _DROPPED.sub("", text))


def parse(text: str, env: EnvType) -> list[Token]:
    """The tokens of cleaned `text`; a plain code block if it is beyond the bounds. `env` holds the
    `allowance`, and takes and gives the link `references` and the notes."""
    fits = len(text) <= MAX_CHARS and text.count("\n") <= MAX_LINES
    if not fits or sum(map(text.count, MARKERS)) > MAX_MARKERS:
        return [Token("code_block", "code", 0, content=text, block=True)]
    env["formula_lines"] = formulas.may_have_lines(text)
    tokens = _markdown.parse(formulas.with_pipes_held(text), env)
    blocks.number_notes(tokens, env)
    return tokens


def parse_inline(text: str, env: EnvType) -> list[Token]:
    """Return the inline tokens of one paragraph's `text`."""
    return _markdown.parseInline(text, env)[0].children or []


def _build() -> MarkdownIt:
    options = {"html": False, "breaks": True, "xhtmlOut": False, "maxNesting": blocks.MAX_DEPTH + 6}
    markdown = MarkdownIt("commonmark", options)
    markdown.enable(["table", "strikethrough"])
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference"]}
    ruler = markdown.block.ruler
    ruler.at("table", blocks.table_rule, interrupts)
    ruler.at("blockquote", blocks.quote_rule, {"alt": [*interrupts["alt"], "blockquote", "list"]})
    ruler.at("list", blocks.list_rule, {"alt": [*interrupts["alt"], "blockquote"]})
    ruler.before("reference", "note", blocks.note_rule, interrupts)
    ruler.before("lheading", "formula_paragraph", formulas.paragraph_rule)
    markdown.inline.ruler.before("escape", "formula", formulas.formula_rule)
    markdown.inline.ruler.before("link", "note_mark", blocks.note_mark_rule)
    # The renderer decides which addresses become links. Refusing here would leave the source of
    # a refused link or picture standing in the text, megabytes of `data:` included.
    markdown.validateLink = bool  # type: ignore[method-assign, assignment]
    # The rule tables are compiled at the first use, and half-compiled ones are visible to other
    # threads: do it now, while there is only one.
    markdown.parse("warm", {"allowance": Allowance()})
    return markdown


_markdown = _build()
OPTIONS = _markdown.options
