"""How many pages a PDF has, as far as a price needs it: counted without reading what they say."""

import re
import zlib
from collections.abc import Iterator

#: Before this many bytes a PDF says that it is one: so readers take it.
HEADER_BYTES = 1024
PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
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
    pages = sum(len(PAGE.findall(part)) for part in (pdf, *_unpacked(pdf)))
    return pages or 1 + len(pdf) // LEAST_PAGE_BYTES


def _unpacked(pdf: bytes) -> Iterator[bytes]:
    left = MOST_UNPACKED
    for begin in OBJECTS.finditer(pdf):
        try:
            objects = zlib.decompressobj().decompress(pdf[begin.end() :], left)
        except zlib.error:  # Encrypted, or packed in another way.
            continue
        left -= len(objects)
        yield objects
        if left <= 0:
            return
