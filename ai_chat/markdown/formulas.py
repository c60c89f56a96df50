r"""Where formulas stand in Markdown: `\(…\)`, `\[…\]`, `$…$`, `$$…$$` and LaTeX's environments.

A formula ends in its paragraph. Each pattern stops at the next delimiter of its kind, so that
thousands of open ones are not each searched to the end of the text."""

import re
from collections.abc import Sequence

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_NAMES = "align|alignat|eqnarray|equation|flalign|gather|multline|[bBpvV]?matrix|cases|array"
_BEGIN = rf"\\begin\{{(?P<name>(?:{_NAMES})\*?)\}}"
_CHAR = r"[^\\$\n] | \n(?![ \t>]*\n)"
_FORMULA = re.compile(
    rf"""
    \\\[ (?P<bracket> (?: {_CHAR} | \$ | \\[^\[\]] )++ ) \\\]
  | \\\( (?P<paren> (?: {_CHAR} | \$ | \\[^()] )++ ) \\\)
  | (?<!\$) \$\$ (?!\$) (?P<double> (?: {_CHAR} | \\. | \$(?!\$) )++ ) \$\$ (?!\$)
  | (?<!\$) \$ (?=[^\s$]) (?P<single> (?: (?!`) (?: {_CHAR} | \\. ) )++ ) (?<!\s) \$ (?!\$)
  | (?P<env> {_BEGIN} (?: {_CHAR} | \$ | \\(?! (?:begin|end)\{{(?P=name)\}} ) . )++
    \\end\{{(?P=name)\}} )
    """,
    re.VERBOSE | re.DOTALL,
)
#: What a formula of several lines begins with, and what keeps it from beginning.
_START = re.compile(r"\\\\|\\\$|`[^`\n]*`|(?P<open>\\[\[(]|\$\$|\\begin\{)")
#: The same for any formula; `open` is one that has no end yet. A price is none.
_SCAN = re.compile(
    rf"""\\\\ | \\\$ | `[^`]*` | (?P<formula> {_FORMULA.pattern} )
    | (?P<open> \\[\[(] | \$\$ | \\begin\{{(?:{_NAMES})\*?\}}
      | \$(?=[^\s\d$])(?=[^\n$`]{{1,80}}\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)
_DELIMITERS = {"bracket": "\\[", "paren": "\\(", "double": "$$", "single": "$", "env": ""}
_CLOSERS = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$", "": ""}
_INLINE = {"paren", "single"}
_WORD = re.compile(r"(?<![\\\w{])[A-Za-z]{3,}(?![\w}])")
_UNDERLINE = re.compile(r"\s*(?:=+|-+)\s*")

#: Stands for a `|` in a formula in a table's row, where it would end the cell. The text itself has
#: none: it is a noncharacter, and these are dropped.
PIPE = "\ufdd0"
_ROW = re.compile(r"^[ \t>]*\|.*$", re.MULTILINE)


def with_pipes_held(text: str) -> str:
    """The text with PIPE for each `|` in a formula in a line that begins with `|`."""
    if "|" not in text or ("$" not in text and "\\(" not in text):
        return text
    return _ROW.sub(lambda row: _SCAN.sub(_hold_pipes, row[0]), text)


def _hold_pipes(match: re.Match[str]) -> str:
    is_formula = match["formula"] and not _is_money(match)
    return match[0].replace("|", PIPE) if is_formula else match[0]


def may_have_lines(text: str) -> bool:
    """Whether a formula of the text can have several lines."""
    return "\\[" in text or "\\(" in text or "$$" in text or "\\begin{" in text


def formula_rule(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 -- markdown-it's
    """A formula as a token with its TeX as content; before the rule that takes backslashes away."""
    if state.src[state.pos] not in "\\$":
        return False
    match = _FORMULA.match(state.src, state.pos, state.posMax)
    if match is None or _is_money(match):
        return False
    kind = match.lastgroup or ""
    if not match[kind].strip():
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = match[kind]
        token.markup = _DELIMITERS[kind]
        token.meta = {"is_display": kind not in _INLINE}
    state.pos = match.end()
    return True


def _is_money(match: re.Match[str]) -> bool:
    """Whether the dollars are prices or variables of a shell: no formula is followed by a digit or
    a capital, unless it is a command as in `3$\\times$3`, and one that begins with a digit has no
    words. Otherwise Pandoc's rules hold: no blank within the dollars."""
    tex = match["single"]
    if tex is None:
        return False
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() :][:1]
    if tex.startswith("\\"):
        return False
    follows = "0" <= after <= "9" or "A" <= after <= "Z" or after in {"_", "{"}
    is_amount = tex[0].isdigit()
    return follows or (is_amount and (before.isalpha() or bool(_WORD.search(tex))))


def paragraph_rule(state: StateBlock, start: int, _end: int, silent: bool) -> bool:  # noqa: FBT001
    """A paragraph with a formula of several lines: in it no line begins a list, a heading or
    anything else. All other paragraphs are left to the library."""
    if silent or not state.env.get("formula_lines"):
        return False
    parent, state.parentType = state.parentType, "paragraph"
    line = _end_of_paragraph(state, start)
    state.parentType = parent
    if line is None:
        return False
    state.line = line
    token = state.push("paragraph_open", "p", 1)
    token.map = [start, line]
    token = state.push("inline", "", 0)
    token.content = state.getLines(start, line, state.blkIndent, False).strip()  # noqa: FBT003
    token.map = [start, line]
    token.children = []
    state.push("paragraph_close", "p", -1)
    return True


def _end_of_paragraph(state: StateBlock, start: int) -> int | None:
    """The line after the paragraph; None if none of its formulas has several lines."""
    rules = state.md.block.ruler.getRules("paragraph")
    end_of_formula, line, is_ours = 0, start, False
    while line < state.lineMax and not state.isEmpty(line):
        begin, end = state.bMarks[line], state.eMarks[line]
        if end_of_formula > begin:
            is_ours = True
        elif line > start and 0 <= state.sCount[line] <= state.blkIndent + 3:
            if not is_ours and _UNDERLINE.fullmatch(state.src, begin, end):
                return None
            if any(rule(state, line, state.lineMax, True) for rule in rules):  # noqa: FBT003
                break
        end_of_formula = _end_of_formula(state.src, max(begin, end_of_formula), end)
        line += 1
    return line if is_ours else None


def _end_of_formula(text: str, start: int, end: int) -> int:
    """Where the formula ends that is open at the end of the line; `start` if none is."""
    place = start
    while place < end and (match := _START.search(text, place, end)):
        formula = _FORMULA.match(text, match.start()) if match["open"] else None
        place = (formula or match).end()
    return place if place > end else start


def missing_end(text: str) -> str:
    """What would close the formula that is open at the end of a text; "" if none is."""
    last = text[text.rfind("\n\n") + 1 :]
    if "\\" not in last and "$" not in last:
        return ""
    opened = next((match["open"] for match in _SCAN.finditer(last) if match["open"]), "")
    if opened.startswith("\\begin"):
        return opened.replace("\\begin", " \\end")
    if opened == "$":
        return "" if last.endswith(("\\", " ", "\n")) else "$"
    return f" {_CLOSERS[opened]}" if opened else ""


def mark_open(tokens: Sequence[Token]) -> bool:
    """Marks the formula at the end of the tokens as one that is still coming, if there is one."""
    last = next((token for token in reversed(tokens) if token.nesting == 0), None)
    formula = last.children[-1] if last and last.children else None
    if formula is None or formula.type != "formula":
        return False
    formula.meta["is_open"] = True
    return True


def source(token: Token) -> str:
    """The formula as the model wrote it, as far as it has come."""
    if not token.meta.get("is_open"):
        return f"{token.markup}{token.content}{_CLOSERS[token.markup]}"
    whole = token.content.rsplit("\\end{", 1)[0] if not token.markup else token.content
    return f"{token.markup}{whole}".rstrip()
