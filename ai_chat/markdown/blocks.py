"""Markdown-it's rules for blocks, where ours differ: bounds, text that they would drop, notes."""

import re

from markdown_it.rules_block import StateBlock, blockquote, list_block, table
from markdown_it.rules_block.table import escapedSplit
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType
from mdit_py_plugins.footnote.index import footnote_def

MAX_DEPTH = 24
"""Lists count twice, for their items: in the twelfth list of lists the next is plain text."""

_NOTE = re.compile(r"\[\^([^\s\[\]]{1,50})\]")
_OPEN, _CLOSE = "footnote_reference_open", "footnote_reference_close"


def list_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """A list, as the library has it: beyond its bound it drops all that is left, so stop before."""
    return state.level < MAX_DEPTH and list_block(state, start, end, silent)


def quote_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """The same for a quotation."""
    return state.level < MAX_DEPTH and blockquote(state, start, end, silent)


def note_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """The same for the text of a note, `[^1]: Smith`, whose name is short and has no blank."""
    place = state.bMarks[start] + state.tShift[start]
    match = _NOTE.match(state.src, place, state.eMarks[start])
    return (
        match is not None
        and state.level < MAX_DEPTH
        and state.src.startswith(":", match.end())
        and footnote_def(state, start, end, silent)
    )


def table_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """A table, ended early when the answer has had its share of cells. Cells beyond the head's are
    joined to the last, where the library drops them."""
    allowance = state.env["allowance"]
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    rows = allowance.table_cells // columns
    before = len(state.tokens)
    is_table = rows > 0 and table(state, start, min(end, start + 1 + rows), silent)
    if is_table and not silent:
        allowance.table_cells -= columns * (state.line - start)
        _keep_cells(state, state.tokens[before:])
    return is_table


def _keep_cells(state: StateBlock, tokens: list[Token]) -> None:
    count = sum(token.type == "th_open" for token in tokens)
    last = Token("inline", "", 0)
    for token in tokens:
        if token.type == "inline":
            last = token
        elif token.type == "tr_close" and last.map:
            line = state.getLines(last.map[0], last.map[0] + 1, 0, False).strip()  # noqa: FBT003
            if line.count("|") > count:
                cells = escapedSplit(line.removeprefix("|").removesuffix("|"))
                more = [cell.strip() for cell in cells[count:] if cell.strip()]
                last.content = " | ".join([last.content, *more])


def note_mark_rule(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    """The mark of a note, `[^1]`, if the note is defined."""
    match = _NOTE.match(state.src, state.pos, state.posMax)
    if not match or f":{match[1]}" not in state.env.get("footnotes", {}).get("refs", {}):
        return False
    if not silent:
        token = state.push("note_mark", "sup", 0)
        token.meta = {"number": number_of_note(state.env, match[1])}
    state.pos = match.end()
    return True


def number_of_note(env: EnvType, name: str) -> int:
    """The notes' numbers, in the order of their first marks."""
    numbers: dict[str, int] = env.setdefault("notes", {})
    return numbers.setdefault(name, len(numbers) + 1)


def number_notes(tokens: list[Token], env: EnvType) -> None:
    """Gives each note its number; one that is not referred to, or shares a name, has its own."""
    shown = env.setdefault("notes_shown", set())
    for token in tokens:
        if token.type == _OPEN:
            name = token.meta["label"]
            if name in shown:
                name = f" {len(shown)}"  # No name has a blank.
            shown.add(name)
            token.meta["number"] = number_of_note(env, name)


def with_notes_last(tokens: list[Token]) -> list[Token]:
    """The tokens of a whole answer with its notes at the end, by their numbers."""
    body: list[Token] = []
    notes: list[list[Token]] = []
    open_notes: list[list[Token]] = []
    for token in tokens:
        if token.type == _OPEN:
            open_notes.append([])
            notes.append(open_notes[-1])
        (open_notes[-1] if open_notes else body).append(token)
        if token.type == _CLOSE:
            open_notes.pop()
    notes.sort(key=lambda note: int(note[0].meta["number"]))
    return [*body, *(token for note in notes for token in note)]
