"""The text of an answer: what can be stored of it, what of it is reasoning, and what its typed
parts hold."""

from collections.abc import Iterable, Iterator
from typing import Any

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Reasoning, Text
from credits.reasons import Reason

#: How models mark what they think when their server does not part it from the answer.
THINK_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "[THINK]": "[/THINK]",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "◁think▷": "◁/think▷",
}
#: Characters of white space before which a tag is still looked for.
MAX_BLANKS = 1000


class Storable:
    """Text without what JSON can say and no database keeps: a NUL goes, the halves of a character
    that came in two pieces are joined, and a half alone becomes U+FFFD."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """What is known of the text by now."""
        if not self._half and text.isascii() and "\0" not in text:
            return text
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.replace("\0", "")

    def rest(self) -> str:
        """What is left at the end."""
        half, self._half = self._half, ""
        return "\N{REPLACEMENT CHARACTER}" if half else ""


class ThinkTags:
    """Parts what stands in THINK_TAGS at the beginning of an answer from the answer, wherever its
    pieces are cut. White space around the reasoning belongs to neither."""

    def __init__(self) -> None:
        self._held = ""
        #: The tag that ends the reasoning which is being read.
        self._end = ""
        self._after_reasoning = False
        #: Whether only white space has come of it.
        self._blank = False
        #: Whether all that follows is the answer.
        self.passed = False

    def feed(self, text: str) -> list[Text | Reasoning]:
        """What is known of the text by now."""
        if self.passed:
            return [Text(text)] if text else []
        self._held += text
        pieces: list[Text | Reasoning] = []
        while self._held and not self.passed:
            if not (self._reasoning(pieces) if self._end else self._opening(pieces)):
                break
        return pieces

    def rest(self) -> list[Text | Reasoning]:
        """What is left at the end: no tag has come of it."""
        held, self._held = self._held, ""
        return [Reasoning(held) if self._end else Text(held)] if held.strip() else []

    def _opening(self, pieces: list[Text | Reasoning]) -> bool:
        """Looks for a tag that opens. Returns whether there is more to look at."""
        begun = self._held.lstrip()
        late = len(self._held) - len(begun) > MAX_BLANKS
        for tag, end in THINK_TAGS.items():
            if begun.startswith(tag) and not late:
                self._held, self._end = begun[len(tag) :].lstrip(), end
                self._blank = not self._held
                return True
        if any(tag.startswith(begun) for tag in THINK_TAGS) and not late:
            return False
        pieces.append(Text(begun if self._after_reasoning else self._held))
        self._held, self.passed = "", True
        return False

    def _reasoning(self, pieces: list[Text | Reasoning]) -> bool:
        """Looks for the tag that closes. Returns whether it was there."""
        if self._blank:
            self._held = self._held.lstrip()
            self._blank = not self._held
        thought, tag, after = self._held.partition(self._end)
        if not tag:
            kept = _begun(self._held, self._end)
            thought, after = (
                self._held[: len(self._held) - kept],
                self._held[-kept:] if kept else "",
            )
        if thought:
            pieces.append(Reasoning(thought))
        self._held = after
        if tag:
            self._end, self._after_reasoning = "", True
        return bool(tag)


def _begun(text: str, tag: str) -> int:
    """How many characters at the end of the text may be the beginning of the tag."""
    lengths = range(min(len(text), len(tag) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(tag[:length])), 0)


def parts_of(content: Any) -> Iterator[Text | Reasoning]:
    """The text and reasoning of a content that is no plain string: a list of strings and typed
    parts, or one part, nested at will as Mistral sends them. Parts of other kinds are left out.
    Raises ProviderError: REFUSED for a refusal, UNREADABLE for what is no content."""
    match content:
        case str():
            yield Text(content)
        case list():
            for part in content:
                yield from parts_of(part)
        case {"type": str(kind)} if "think" in kind or "reason" in kind:
            yield from (Reasoning(text) for text in strings_of(content))
        case {"type": str(kind)} if "refusal" in kind:
            raise ProviderError(Reason.REFUSED, code="refusal")
        case {"text": str() | list() as text}:
            yield from parts_of(text)
        case {"type": str()} | None:
            return
        case _:
            raise ProviderError(Reason.UNREADABLE, code="content")


def strings_of(value: Any) -> Iterator[str]:
    """The text of reasoning, however it is wrapped."""
    match value:
        case str():
            yield value
        case list():
            for part in value:
                yield from strings_of(part)
        case dict():
            names = ("text", "thinking", "reasoning", "summary", "content")
            # The same text may stand under two names.
            yield from strings_of(next((value[name] for name in names if value.get(name)), None))


def storable(texts: Iterable[str]) -> Iterator[str]:
    """The same text as `Storable` has it, without empty pieces."""
    cleaner = Storable()
    yield from filter(None, (cleaner.feed(text) for text in texts))
    yield from filter(None, [cleaner.rest()])
