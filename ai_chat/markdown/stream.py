"""An answer as HTML while it arrives, without rendering all of it again at each step."""

import re
from collections.abc import Sequence
from copy import copy, deepcopy
from time import thread_time
from typing import NamedTuple

from django.utils.safestring import SafeString
from markdown_it.token import Token
from markdown_it.utils import EnvType

from ai_chat.markdown.formulas import mark_open, missing_end
from ai_chat.markdown.html import to_html
from ai_chat.markdown.parser import Allowance, clean, parse, parse_inline

FLUSH_SECONDS = 0.002
"""CPU that the open end may take per flush, on average over the stream."""

_HALF_A_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\Z")
_MARKERS = ("`", "**", "~~")
# What a rule, heading, list, quote, table head, underline, fence or indented code begins with.
_LINE_START = "-=*_#>|~`+:.)0123456789 \t"


class Update(NamedTuple):
    """What a flush changes on the page."""

    finished: SafeString
    """Blocks that cannot change any more: append them, before the tail."""
    tail: SafeString
    """The open end: it replaces the tail before. The same object when it was not drawn anew."""


class StreamRenderer:
    """Renders an answer piece by piece. After `close()` all that was finished, in order, is what
    `render` makes of the whole text, with two exceptions: a link reference or a note defined after
    a finished block does not reach back into it (notes stand where they are defined), and the
    parser's bounds count per piece. So show `render` of the stored answer in the end."""

    def __init__(self) -> None:
        self._open = ""
        self._held = ""
        self._env: EnvType = {"allowance": Allowance(), "references": {}}
        self._tail = SafeString()
        self._debt = 0.0

    def feed(self, delta: str) -> Update:
        """Takes more text and returns what it changes. The tail is not drawn anew while its earlier
        drawings took more than their share of CPU, as for a long list or hostile text."""
        self._take(delta)
        self._debt = max(0.0, self._debt - FLUSH_SECONDS)
        if self._debt:
            return Update(SafeString(), self._tail)
        started = thread_time()
        end = self._draw_tail()
        self._debt = thread_time() - started
        return Update(self._finish(end), self._tail)

    def close(self) -> Update:
        """Return all that is left as finished, with an empty tail."""
        self._open += clean(self._held)
        self._held = ""
        self._tail = SafeString()
        return Update(self._finish(len(self._open)), self._tail)

    def _take(self, delta: str) -> None:
        text = self._held + delta
        # The other half of a "\r\n" may be in the next delta.
        self._held = "\r" if text.endswith("\r") else ""
        self._open += clean(text.removesuffix("\r"))

    def _draw_tail(self) -> int:
        """Draw the open end, and return how many characters stand before it."""
        shown = _without_half_a_line(self._open)
        end, env = missing_end(shown), self._copied_env()
        tokens = parse(shown + end, env)
        is_formula = bool(end) and mark_open(tokens)
        if end and not is_formula:
            env = self._copied_env()
            tokens = parse(shown, env)
        lines = shown.split("\n")
        index, line = _boundary(tokens, lines)
        if not is_formula:
            _mend_last_inline(tokens[index:], env)
        self._tail = to_html(tokens[index:], env, colours=False)
        return sum(len(text) + 1 for text in lines[:line])

    def _copied_env(self) -> EnvType:
        """What is known from the finished blocks, for a drawing that is not the last."""
        env = {name: copy(value) for name, value in self._env.items()}
        env["allowance"].formulas = copy(env["allowance"].formulas)
        env["footnotes"] = deepcopy(env.get("footnotes", {}))
        return env

    def _finish(self, end: int) -> SafeString:
        """Render the first `end` characters for good, with only the references defined so far."""
        done, self._open = self._open[:end], self._open[end:]
        return to_html(parse(done, self._env), self._env) if done else SafeString()


def _boundary(tokens: Sequence[Token], lines: Sequence[str]) -> tuple[int, int]:
    """The token and the line that begin the last block that can be drawn for itself: after an empty
    line no lazy continuation, underline, table head or reference title of the block before reaches
    over it, and a line that is all markers, which may go on with a list or a code block, is not in
    `lines` yet."""
    for index in range(len(tokens) - 1, 0, -1):
        token = tokens[index]
        if token.level == 0 and token.nesting >= 0 and token.map and token.map[0] > 0:
            line = token.map[0]
            if not lines[line - 1].strip(" \t"):
                return index, line
    return 0, 0


def _without_half_a_line(text: str) -> str:
    """Leaves out a last line that is all markers: `-` makes a heading of the line before, and may
    yet become a list, a rule or a paragraph."""
    before, newline, last = text.rpartition("\n")
    return text if last.strip(_LINE_START) else before + newline


def _mend_last_inline(tokens: Sequence[Token], env: EnvType) -> None:
    last = next((token for token in reversed(tokens) if token.nesting == 0), None)
    if last and last.type == "inline":
        mended = _mend(last.content)
        if mended != last.content:
            last.children = parse_inline(mended, env)


def _mend(text: str) -> str:
    """Close the code, bold or struck text that is still open; show half a link as its text."""
    text = _HALF_A_LINK.sub(r"\1", text)
    for marker in _MARKERS:
        if text.count(marker) % 2:
            inside = text.rstrip(marker[0] + " \n")
            if inside.count(marker) % 2 == 0:
                return inside
            opens = not inside.rpartition(marker)[2][:1].isspace()
            return inside + marker if opens else text
    return text
