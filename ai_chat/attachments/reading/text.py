"""Text: also code, CSV, Markdown, HTML and SVG, which are all only text here."""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from ai_chat.attachments.reading.result import TAKEN, Limits, Reading, Unreadable, kept

#: The longest first: one begins with another.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Bytes by which an encoding is guessed.
SAMPLE = 64 * 1024
#: Bytes that no text has.
CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\v\f\r\x1b\x08"})
#: Of a text that has some of them anyhow, at most so many in a thousand.
MOST_CONTROLS = 2


def read(content: bytes, _target: Path, limits: Limits) -> Reading:
    """A file that is text in whatever encoding. Raises Unreadable."""
    text, is_cut = kept([_decoded(content)], limits["characters"])
    return {"kind": "text", "content_type": "text/plain", "text": text, "is_cut": is_cut}


def _decoded(content: bytes) -> str:
    encoding = next((MARKS[mark] for mark in MARKS if content.startswith(mark)), "")
    try:
        if not encoding:
            _refuse_binary(content)
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        pass
    guess = from_bytes(content[:SAMPLE]).best()
    if encoding or guess is None:
        raise _no_text()
    return content.decode(guess.encoding, "replace")


def _refuse_binary(content: bytes) -> None:
    controls = len(content) - len(content.translate(None, CONTROLS))
    if b"\0" in content or controls * 1000 > len(content) * MOST_CONTROLS:
        raise _no_text()


def _no_text() -> Unreadable:
    return Unreadable(f"It is of a kind that cannot be read here. {TAKEN}")
