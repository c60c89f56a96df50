"""Text out of PDF and office documents, and documents that are made to harm who opens them."""

import struct
import zlib
from itertools import pairwise

import pytest
from pytest_django import Settings

from tests.ai_chat.attachments import making
from tests.ai_chat.attachments.making import cell, changed, open_document, pdf, sheet, slides, word
from tests.ai_chat.attachments.reading import Files

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
TOO_MUCH = "too much memory"


def body(xml: str, *, before: str = "") -> str:
    """The main part of a Word document."""
    return f'<?xml version="1.0"?>{before}<w:document {W}><w:body>{xml}</w:body></w:document>'


def paragraph(xml: str) -> str:
    return f"<w:p><w:r>{xml}</w:r></w:p>"


def test_a_word_document_is_its_paragraphs_and_tables(files: Files) -> None:
    reading = files.read(word("First", "Grüße & mehr"))
    assert reading["kind"] == "office"
    assert reading["content_type"].endswith("wordprocessingml.document")
    assert reading["text"] == "First\nGrüße & mehr\ncell 0\tcell 1\ncell 2\tcell 3"


def test_what_was_deleted_and_what_old_programs_show_is_left_out(files: Files) -> None:
    shown = "<w:ins><w:r><w:t>added</w:t></w:r></w:ins>"
    shown += "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
    choice = "<a:Choice><w:t>box</w:t></a:Choice><a:Fallback><w:t>box</w:t></a:Fallback>"
    code = "<w:instrText>DATE</w:instrText><w:tab/><w:t>end</w:t>"
    xml = f'<w:p xmlns:a="urn:a">{shown}{choice}{code}</w:p>'
    assert files.text(changed(word(), {"word/document.xml": body(xml)})) == "addedbox\tend"


def test_a_presentation_is_its_slides_with_their_notes(files: Files, settings: Settings) -> None:
    content = slides("One", "Two", "Three")
    reading = files.read(content)
    assert (reading["pages"], reading["is_cut"]) == (3, False)
    words = "# 1 One notes on One # 2 Two notes on Two # 3 Three notes on Three"
    assert " ".join(reading["text"].split()) == words
    settings.ATTACHMENT_MAX_PAGES = 2
    reading = files.read(content)
    assert (reading["pages"], reading["is_cut"]) == (3, True)
    assert "Three" not in reading["text"]


def test_a_spreadsheet_is_its_sheets_as_csv(files: Files) -> None:
    row = f"<row>{cell('A1', 'a, b')}{cell('B1', 'x')}<c r='C1'><v>2.5</v></c></row>"
    assert files.text(sheet(row)) == '# Rooms\n\n"a, b",x,2.5'


def test_documents_of_libreoffice_are_read(files: Files) -> None:
    text = (
        "<text:h>Head</text:h><text:p>One<text:tab/>two <text:span>and</text:span> three</text:p>"
    )
    rows = "<text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p>"
    cells = f"<table:table-row><table:table-cell>{rows}</table:table-cell></table:table-row>"
    table = f'<table:table table:name="Plan">{cells}</table:table>'
    assert files.text(open_document("text", f"<office:text>{text}{table}</office:text>")) == (
        "Head\nOne\ttwo and three\na\tb"
    )
    slide = f"<office:presentation>{text}</office:presentation>"
    assert files.text(open_document("presentation", slide)).startswith("Head\nOne")
    typed = table.replace("<table:table-cell>", '<table:table-cell office:value-type="string">')
    sheets = f"<office:spreadsheet>{typed}</office:spreadsheet>"
    assert files.text(open_document("spreadsheet", sheets)) == "# Plan\n\na,b"


def test_a_pdf_is_the_text_of_its_pages(files: Files, settings: Settings) -> None:
    content = pdf("One", "Two", "Three")
    reading = files.read(content)
    assert (reading["kind"], reading["pages"], reading["is_cut"]) == ("pdf", 3, False)
    assert reading["text"] == "One\n\nTwo\n\nThree"
    settings.ATTACHMENT_MAX_PAGES = 2
    reading = files.read(content)
    assert (reading["text"], reading["pages"], reading["is_cut"]) == ("One\n\nTwo", 3, True)


def test_more_text_than_is_kept_is_cut(files: Files, settings: Settings) -> None:
    settings.ATTACHMENT_MAX_CHARACTERS = 5
    for content in (word("12345", "6"), pdf("123456"), b"123456", slides("1", "2")):
        reading = files.read(content)
        assert len(reading["text"]) <= 5
        assert reading["is_cut"]
    assert not files.read(b"12345")["is_cut"]


@pytest.mark.parametrize("content", [
    pdf("a", extra=f"<</Filter/Standard/V 1/R 2/O({'a' * 32})/U({'b' * 32})/P -4>>",
        trailer="/Encrypt 6 0 R/ID[(abc)(abc)]"),
    open_document("text", "", manifest="<manifest:encryption-data/>"),
    making.COMPOUND + "EncryptedPackage".encode("utf-16-le") + bytes(100),
], ids=["pdf", "odt", "docx"])  # fmt: skip
def test_a_document_with_a_password_is_refused_with_that_word(files: Files, content: bytes) -> None:
    assert "protected by a password" in files.refusal(content)


def test_other_archives_and_old_documents_say_what_to_do(files: Files) -> None:
    assert "Unpack it" in files.refusal(making.zipped({"a.txt": "text"}))
    assert "docx" in files.refusal(making.COMPOUND + bytes(500))
    assert "RTF" in files.refusal(rb"{\rtf1 text}")
    macros = changed(word("a"), {"[Content_Types].xml": "<Types/>"})
    assert "damaged" in files.refusal(macros)


@pytest.mark.parametrize("content", [
    word("a")[:-40], b"PK\3\4" + bytes(300), pdf("abc")[:150], b"%PDF-1.7 nothing",
    changed(word("a"), {"word/document.xml": "<w:document"}), sheet("<row><c"),
    pdf("x").replace(b"/Count 1", b"/Count 2000000000"),
])  # fmt: skip
def test_a_damaged_document_is_refused(files: Files, content: bytes) -> None:
    assert "damaged" in files.refusal(content)


def test_an_archive_that_unpacks_to_gigabytes_is_refused_unopened(files: Files) -> None:
    """42.zip's kind: one part that is mostly zeros, and a part that says it is small."""
    large = changed(word("a"), {"word/media/a.png": bytes(250_000_000)})
    assert len(large) < 1_000_000
    assert "more than can be unpacked" in files.refusal(large)
    honest = changed(word("a"), {"word/x.xml": bytes(150_000_000)})
    lying = honest.replace(struct.pack("<I", 150_000_000), struct.pack("<I", 1000))
    assert lying != honest
    assert "damaged" in files.refusal(lying)
    parts = {f"word/{number}.xml": "" for number in range(10_001)}
    assert "more than can be unpacked" in files.refusal(changed(word("a"), parts))


def laughs() -> str:
    """Ten entities, each ten times the one before: 30 GB of text."""
    first = '<!ENTITY a "' + "lol" * 1000 + '">'
    names = "abcdefghij"
    others = (f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise(names))
    return f"<!DOCTYPE lolz [{first}{''.join(others)}]>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_neither_expanded_nor_fetched(files: Files, encoding: str) -> None:
    outside = '<!DOCTYPE a [<!ENTITY j SYSTEM "file:///etc/hostname">]>'
    for doctype in (laughs(), outside):
        text = body(paragraph("<w:t>&j;</w:t>"), before=doctype)
        document = text.replace('"1.0"?', f'"1.0" encoding="{encoding}"?').encode(encoding)
        content = changed(word("a"), {"word/document.xml": document})
        assert "entities" in files.refusal(content)
    odt = open_document("text", "<text:p>&j;</text:p>", doctype=laughs())
    assert "entities" in files.refusal(odt)


def test_a_document_of_millions_of_paragraphs_is_given_up(files: Files) -> None:
    many = body("<w:p/>" * 20_000_000)
    content = changed(word("a"), {"word/document.xml": many})
    assert len(content) < 1_000_000
    assert files.refusal(content)


def test_a_sheet_with_a_cell_in_its_last_corner_is_given_up(files: Files) -> None:
    far = f"<row r='1'>{cell('A1', 'a')}</row><row r='1048576'>{cell('XFD1048576', 'b')}</row>"
    assert TOO_MUCH in files.refusal(sheet(far))


def test_a_pdf_whose_page_unpacks_to_hundreds_of_megabytes_is_given_up(files: Files) -> None:
    stream = zlib.compress(b"BT /F 12 Tf (a) Tj ET\n" * 10_000_000, 9).decode("latin-1")
    extra = f"<</Filter/FlateDecode/Length {len(stream)}>>stream\n{stream}\nendstream"
    content = pdf("x", extra=extra).replace(b"/Contents 4 0 R", b"/Contents 6 0 R")
    assert len(content) < 1_000_000
    assert TOO_MUCH in files.refusal(content)
