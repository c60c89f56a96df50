"""The most tokens of a call, known before it is made."""

import base64
import io
import zlib
from typing import Any

import pytest
from PIL import Image

from ai_chat.providers.bounds import (
    FRAMING_TOKENS,
    TEMPLATE_TOKENS,
    Size,
    asked_of,
    input_bound,
    output_asked,
    output_least,
    size_of,
)
from ai_chat.providers.pages import count_pages, is_pdf
from credits.models import AIModel
from credits.uses import Asked


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def picture() -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def file(content: bytes, kind: str = "application/pdf") -> dict[str, Any]:
    address = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return {"type": "file", "file": {"filename": "f", "file_data": address}}


def plain_pdf(pages: int) -> bytes:
    """As Pillow writes it: each page an object of its own."""
    first, *others = [Image.new("RGB", (8, 8))] * pages
    out = io.BytesIO()
    first.save(out, "PDF", save_all=True, append_images=others)
    return out.getvalue()


def packed_pdf(pages: int) -> bytes:
    """With its pages in a compressed object, as most programs write it."""
    objects = zlib.compress(b"<</Type/Pages/Count 9>>" + b"<</Type /Page /Parent 1 0 R>>" * pages)
    head = b"%%PDF-1.5\n1 0 obj\n<</Type/ObjStm/Filter/FlateDecode/Length %d>>\nstream\r\n"
    return head % len(objects) + objects + b"\nendstream\nendobj\n%%EOF"


SIZES: list[tuple[list[Any], Size]] = [
    ([], Size(0, 0)),
    ([user("Hello")], Size(1, 5)),
    ([user("é😀"), user("")], Size(2, 6)),
    ([user("half \ud800")], Size(1, 8)),
    ([user([text("Look"), picture(), picture()])], Size(1, 4, pictures=2)),
    # With the names of files, as JSON.
    ([user([text("Read"), file(b"a,b\n1,2\n", "text/csv")])], Size(1, 12 + 3)),
    ([user([file(plain_pdf(3)), file(packed_pdf(40))])], Size(1, 2 * 3, pages=43)),
]


@pytest.mark.parametrize(("messages", "expected"), SIZES, ids=lambda value: repr(value)[:40])
def test_what_messages_hold(messages: list[Any], expected: Size) -> None:
    assert size_of(messages) == expected


def test_a_byte_of_text_is_a_token_at_most() -> None:
    assert input_bound(AIModel(), Size(3, 1001)) == 1001 + 3 * FRAMING_TOKENS + TEMPLATE_TOKENS


@pytest.mark.parametrize(
    ("hundredths", "tokens"), [(200, 501), (300, 334), (1000, 101), (50, 2002)]
)
def test_a_model_whose_tokens_have_more_bytes_is_bound_to_fewer(
    hundredths: int, tokens: int
) -> None:
    """Rounded up."""
    model = AIModel(bytes_per_hundred_tokens=hundredths)
    assert input_bound(model, Size(0, 1001)) == tokens + TEMPLATE_TOKENS


def test_pictures_and_pages_have_the_tokens_that_the_model_says() -> None:
    model = AIModel(image_tokens=85, tokens_per_page=258, bytes_per_hundred_tokens=1000)
    assert input_bound(model, Size(1, 100, pictures=2, pages=3)) == 10 + 16 + 128 + 170 + 774


def test_the_output_is_bound_by_the_client_or_the_model(settings: Any) -> None:
    settings.ANSWER_MAX_TOKENS = 1500
    assert output_asked(AIModel()) == 1500
    assert output_asked(AIModel(output_tokens=300, reasoning_tokens=500)) == 800
    assert output_asked(AIModel(output_tokens=300), 70) == 70


@pytest.mark.parametrize(
    ("columns", "most", "least"),
    [
        ({}, 1000, 256),
        ({}, 100, 100),
        ({"reasons": True}, 10_000, 4096),
        ({"reasons": True}, 1000, 1000),
        ({"output_least": 600}, 1000, 600),
        ({"reasons": True, "output_least": 600}, 500, 500),
    ],
)
def test_an_answer_needs_room(columns: dict[str, Any], most: int, least: int) -> None:
    assert output_least(AIModel(**columns), most) == least


def test_what_credits_are_reserved_for(settings: Any) -> None:
    settings.ANSWER_MAX_TOKENS = 1500
    size = Size(1, 5)
    assert asked_of(AIModel(), size) == Asked(149, 1500, 256)
    assert asked_of(AIModel(), size, most=70) == Asked(149, 70, 70, named=True)


def test_pages_are_counted_whatever_the_bytes() -> None:
    assert [count_pages(plain_pdf(pages)) for pages in (1, 7)] == [1, 7]
    assert [count_pages(packed_pdf(pages)) for pages in (1, 300)] == [1, 300]
    broken = packed_pdf(5).replace(b"stream\r\n", b"stream\r\nx")
    assert count_pages(broken) == 1
    assert count_pages(b"%PDF-1.7" + b"x" * 10_000) == 6
    assert is_pdf(b"\n\n%PDF-1.4")
    assert not is_pdf(b"a,b\n")


def test_pages_cannot_be_hidden() -> None:
    one = plain_pdf(1)
    hidden = b"<</Type/#50age>><</Type /P#61#67e>>"
    assert count_pages(one + hidden) == 3
    assert count_pages(one + b"<</Type/Pages/Kids[" + b"3 0 R " * 50 + b"]>>") >= 50
    unreadable = packed_pdf(1).replace(b"stream\r\n", b"stream\r\nx") + b"x" * 20_000
    assert count_pages(one + unreadable) >= 11


def test_pages_that_unpack_to_a_flood_are_counted_in_bounded_memory() -> None:
    flood = zlib.compress(b"\0" * 200_000_000, 1)
    pdf = b"%PDF-1.5\n<</Type/ObjStm>>stream\n" + flood
    assert count_pages(pdf * 3) > 0
