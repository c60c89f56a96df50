"""What a file is, by its content."""

from ai_chat.attachments.reading.result import Unreadable

BROKEN = "It is damaged, or not what it says it is."
#: A PDF may have other bytes before its header: readers look for it within so many.
PDF_HEADER_WITHIN = 1024
#: Compound files: office documents before 2007, and those of today that have a password.
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def module_of(content: bytes) -> str:
    """The module beside this one that reads a file with this content. Raises Unreadable for what is
    known not to be taken."""
    if _is_picture(content):
        return "pictures"
    if b"%PDF-" in content[:PDF_HEADER_WITHIN]:
        return "pdf"
    if content.startswith(b"PK\x03\x04"):
        return "office"
    if content.startswith(COMPOUND):
        raise Unreadable(_compound(content))
    if content.startswith(b"{\\rtf"):
        raise Unreadable("It is RTF. Save it as docx or PDF.")
    if content[4:8] == b"ftyp":
        raise Unreadable("It is a film or a picture of a phone. Save it as JPEG or PNG.")
    return "text"


def _is_picture(content: bytes) -> bool:
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return is_webp or content.startswith(
        (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
    )


def _compound(content: bytes) -> str:
    if "EncryptedPackage".encode("utf-16-le") in content:
        return "It is protected by a password. Save it without one."
    return "It is of an old kind (doc, xls, ppt). Save it as docx, xlsx, pptx or PDF."
