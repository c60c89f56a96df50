"""The text of a PDF."""

from collections.abc import Iterator
from pathlib import Path

import pypdfium2

from ai_chat.attachments.reading.result import Limits, Reading, Unreadable, kept


def read(content: bytes, _target: Path, limits: Limits) -> Reading:
    """A PDF with the text of its first pages; scanned ones have none. Raises Unreadable."""
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise Unreadable("It is protected by a password. Save it without one.") from None
        raise
    pages = len(document)
    most = min(pages, limits["pages"])
    text, is_cut = kept(_texts(document, most), limits["characters"])
    return {
        "kind": "pdf",
        "content_type": "application/pdf",
        "text": text,
        "is_cut": is_cut or most < pages,
        "pages": pages,
    }


def _texts(document: pypdfium2.PdfDocument, pages: int) -> Iterator[str]:
    for number in range(pages):
        page = document[number]
        text = page.get_textpage()
        yield text.get_text_range() + "\n\n"
        text.close()
        page.close()
