"""The text of office documents: Word, PowerPoint and their OpenDocument counterparts as paragraphs
and tables, spreadsheets as CSV."""

import csv
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import docx
import pptx
from lxml import etree
from python_calamine import CalamineWorkbook

from ai_chat.attachments.reading.result import Limits, Reading, Unreadable, kept

OOXML = "application/vnd.openxmlformats-officedocument."
ODF = "application/vnd.oasis.opendocument."
#: By the first folder of what is packed.
FOLDERS = {
    "word": OOXML + "wordprocessingml.document",
    "xl": OOXML + "spreadsheetml.sheet",
    "ppt": OOXML + "presentationml.presentation",
}
MOST_PARTS = 10_000
#: What begins a definition of a document's type, in each encoding: entities are defined there, and
#: no office program writes one.
DOCTYPES = [("<!" + "DOCTYPE").encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]


def read(content: bytes, _target: Path, limits: Limits) -> Reading:
    """An office document that is a ZIP archive. Raises Unreadable."""
    try:
        with ZipFile(BytesIO(content)) as archive:
            content_type = _type_of(archive)
            _check(archive, limits["unpacked"])
    except BadZipFile:
        raise Unreadable("It is a ZIP archive that is damaged.") from None
    pages = None
    if content_type == FOLDERS["word"]:
        pieces = _walk(docx.Document(BytesIO(content)).element.body)
    elif content_type == FOLDERS["ppt"]:
        presentation = pptx.Presentation(BytesIO(content))
        pages = len(presentation.slides)
        pieces = _slides(presentation, limits["pages"])
    elif content_type.endswith(("sheet", "spreadsheet")):
        pieces = _sheets(content)
    else:
        pieces = _walk(_open_document(content))
    text, is_cut = kept(pieces, limits["characters"])
    reading: Reading = {
        "kind": "office",
        "content_type": content_type,
        "text": text,
        "is_cut": is_cut or (pages or 0) > limits["pages"],
    }
    if pages is not None:
        reading["pages"] = pages
    return reading


def _type_of(archive: ZipFile) -> str:
    """The media type of a document. Raises Unreadable for any other archive."""
    names = archive.namelist()
    if "[Content_Types].xml" in names:
        folders = {name.partition("/")[0] for name in names}
        if known := [FOLDERS[folder] for folder in FOLDERS if folder in folders]:
            return known[0]
    if "mimetype" in names and archive.getinfo("mimetype").file_size < 100:
        named = archive.read("mimetype").decode("ascii", "replace").strip()
        if named in {ODF + kind for kind in ("text", "spreadsheet", "presentation")}:
            if b"encryption-data" in archive.read("META-INF/manifest.xml"):
                raise Unreadable("It is protected by a password. Save it without one.")
            return named
    raise Unreadable("It is a ZIP archive. Unpack it, and send what is in it.")


def _check(archive: ZipFile, most: int) -> None:
    """Raises Unreadable for an archive that is made to fill the memory of who opens it."""
    parts = archive.infolist()
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > most:
        raise Unreadable("It holds more than can be unpacked here.")
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels")):
            text = archive.read(part)
            if any(doctype in text for doctype in DOCTYPES):
                raise Unreadable("It defines entities, as no office document does.")


def _open_document(content: bytes) -> Any:
    with ZipFile(BytesIO(content)) as archive:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return etree.fromstring(archive.read("content.xml"), parser)


#: What stands for an element, by its local name.
BREAKS = {"tab": "\t", "br": "\n", "line-break": "\n", "cr": "\n", "s": " "}


def _walk(root: Any) -> Iterator[str]:
    """The text below an element in its order: a line for each paragraph and each row of a table,
    whose cells are separated by tabs."""
    skipped = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if not isinstance(element.tag, str):
            continue
        name = etree.QName(element).localname
        # What is shown by old programs alone repeats what is there; changes, and notes on them.
        if name in {"Fallback", "tracked-changes", "annotation"}:
            skipped += 1 if event == "start" else -1
        elif not skipped:
            yield from _started(element, name) if event == "start" else _ended(element, name)
        if event == "end" and element.tail and not skipped and _is_written(element.getparent()):
            yield element.tail


def _started(element: Any, name: str) -> Iterator[str]:
    if name in BREAKS:
        yield BREAKS[name]
    if element.text and _is_written(element):
        yield element.text


def _ended(element: Any, name: str) -> Iterator[str]:
    if name in {"p", "h"}:
        yield "" if _is_last_of_cell(element) else "\n"
    elif name in {"tc", "table-cell"}:
        yield "\t" if element.getnext() is not None else ""
    elif name in {"tr", "table-row"}:
        yield "\n"


def _is_last_of_cell(paragraph: Any) -> bool:
    parent = paragraph.getparent()
    while parent is not None and etree.QName(parent).localname == "txBody":
        paragraph, parent = parent, parent.getparent()
    is_cell = parent is not None and etree.QName(parent).localname in {"tc", "table-cell"}
    following = paragraph.itersiblings()
    return is_cell and not any(etree.QName(each).localname in {"p", "h"} for each in following)


def _is_written(element: Any) -> bool:
    """Whether the text of an element is what a reader sees: in OOXML that of `t` alone, in
    OpenDocument all that stands in paragraphs."""
    if element is None:
        return False
    name = etree.QName(element)
    namespace: str = name.namespace or ""
    is_open_document = "opendocument" in namespace
    return namespace.endswith(":text:1.0") if is_open_document else bool(name.localname == "t")


def _slides(presentation: Any, most: int) -> Iterator[str]:
    for number, slide in enumerate(presentation.slides):
        if number == most:
            return
        yield f"\n# {number + 1}\n\n"
        yield from _walk(slide.element)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            yield slide.notes_slide.notes_text_frame.text + "\n"


def _sheets(content: bytes) -> Iterator[str]:
    workbook = CalamineWorkbook.from_filelike(BytesIO(content))
    for name in workbook.sheet_names:
        yield f"\n# {name}\n\n"
        for row in workbook.get_sheet_by_name(name).iter_rows():
            line = StringIO()
            csv.writer(line, lineterminator="\n").writerow(row)
            yield line.getvalue()
