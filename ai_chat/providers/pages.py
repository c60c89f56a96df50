"""How many pages a PDF has, as far as a price needs it: counted without reading what they say."""

import re
import zlib

#: Before this many bytes a PDF says that it is one: so readers take it.
HEADER_BYTES = 1024
PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
#: A character of a name may be written as its number.
ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
#: Which pages are shown, in their order.
KIDS = re.compile(rb"/Kids\s*\[([^\]]*)")
REFERENCE = re.compile(rb"\d\s+\d+\s+R")
#: Objects that are compressed together, pages among them, since PDF 1.5.
OBJECTS = re.compile(rb"/ObjStm(?:(?!endobj).){0,500}?stream\r?\n", re.DOTALL)
#: The most bytes that compressed objects are unpacked to.
MOST_UNPACKED = 20_000_000
#: Of a page, where none can be counted: the file is encrypted, or broken.
LEAST_PAGE_BYTES = 2_000


def is_pdf(content: bytes) -> bool:
    """Whether a file is a PDF, by what is in it."""
    return b"%PDF-" in content[:HEADER_BYTES]


def count_pages(pdf: bytes) -> int:
    """The pages of a PDF, at least 1. Too many rather than too few: pages that were replaced count
    again. Raises nothing, whatever the bytes."""
    unpacked, unread = _unpacked(pdf)
    parts = [ESCAPED.sub(_character, part) for part in (pdf, *unpacked)]
    pages = sum(len(PAGE.findall(part)) for part in parts)
    # One page may be shown many times.
    shown = sum(len(REFERENCE.findall(kids)) for part in parts for kids in KIDS.findall(part))
    pages = max(pages, shown) + unread // LEAST_PAGE_BYTES
    return pages or 1 + len(pdf) // LEAST_PAGE_BYTES


def _character(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 16)])


def _unpacked(pdf: bytes) -> tuple[list[bytes], int]:
    """What is in compressed objects, and bytes of the file from the first that cannot be read:
    there may be pages in it."""
    left, parts, unread = MOST_UNPACKED, list[bytes](), 0
    for begin in OBJECTS.finditer(pdf):
        try:
            objects = zlib.decompressobj().decompress(pdf[begin.end() :], left)
        except zlib.error:  # Encrypted, or packed in another way.
            unread = unread or len(pdf) - begin.end()
            continue
        left -= len(objects)
        parts.append(objects)
        if left <= 0:
            break
    return parts, unread
