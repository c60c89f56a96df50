"""Text in whatever encoding, and what is none."""

import pytest

from ai_chat.attachments.names import LONGEST, clean_name
from tests.ai_chat.attachments.reading import Files

GERMAN = "Schöne Grüße aus Österreich, und bis nächste Woche in der Straße am Fluss.\n" * 3
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю.\n" * 3
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(GERMAN, "utf-8"), (GERMAN, "utf-8-sig"), (GERMAN, "utf-16"), (GERMAN, "utf-32"),
     (GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp")],
)  # fmt: skip
def test_text_is_read_in_its_encoding(files: Files, text: str, encoding: str) -> None:
    assert files.text(text.encode(encoding)) == text.strip()


@pytest.mark.parametrize("content", [
    b"<!doctype html><script>alert(1)</script>",
    b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    b"#!/bin/sh\nrm -rf /\n", b"a,b\n1,2\n", b'{"a": 1}', b"\x1b[31mred\x1b[0m",
])  # fmt: skip
def test_html_svg_and_code_are_text(files: Files, content: bytes) -> None:
    reading = files.read(content)
    assert (reading["kind"], reading["content_type"]) == ("text", "text/plain")
    assert reading["text"] == content.decode().strip("\n")


@pytest.mark.parametrize("content", [
    b"MZ\x90\0\3\0\0\0" + bytes(200), b"\x7fELF\2\1\1" + bytes(200), b"text with a \0 in it",
    bytes(range(256)) * 20, b"RIFF\0\0\0\0WAVEfmt " + bytes(50), b"OggS" + bytes(99),
])  # fmt: skip
def test_what_is_no_text_is_refused(files: Files, content: bytes) -> None:
    assert "cannot be read here" in files.refusal(content)


def test_halves_of_characters_and_nul_are_not_kept(files: Files) -> None:
    content = b"\xff\xfe" + "a\0b".encode("utf-16-le") + b"\x3d\xd8"
    assert "cannot be read here" in files.refusal(content)
    assert files.text("a\0b".encode("utf-16")) == "ab"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\Users\\me\\plan.doc", "plan.doc"), ("", "file"),
        ("\u202egnp.exe", "gnp.exe"), ("a\x00b\x1b[1m\n.txt", "ab[1m .txt"), ("...", "file"),
        (" \u200b ", "file"), (".htaccess", "htaccess"), ("Grüße 日本.pdf", "Grüße 日本.pdf"),
        ("e\u0301t\u00e9.md", "été.md"), ("a" * 300 + ".docx", "a" * 249 + "….docx"),
        ("b" * 300, "b" * 254 + "…"), ("a." + "b" * 300, "a." + "b" * 252 + "…"),
    ],
)  # fmt: skip
def test_a_name_is_only_a_name(name: str, kept: str) -> None:
    assert clean_name(name) == kept
    assert len(kept) <= LONGEST
