"""Files in calls to models that read none: their text is sent, and paid for."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from ai_chat.models import Attachment
from credits.models import Provider, TokenPrice, User
from tests.ai_chat.attachments.making import pdf, picture, word
from tests.ai_chat.gateway.client import ApiProgram
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.turns import text_model
from tests.live import Site

ANSWER = {
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


@pytest.fixture
def program(
    keep_site: Callable[..., Site], painter: FakePainter, price: TokenPrice, alice: User
) -> ApiProgram:
    """Alice's program, whose provider is `painter`."""
    painter.answer = ANSWER
    return ApiProgram(keep_site(OPENAI_BASE_URL=painter.base_url), alice)


def data_url(content: bytes, media_type: str = "application/pdf") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def messages(*files: tuple[str, bytes]) -> list[dict[str, Any]]:
    parts: list[Any] = [
        {"type": "file", "file": {"filename": name, "file_data": data_url(content)}}
        for name, content in files
    ]
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


def test_who_reads_no_files_is_sent_their_text(program: ApiProgram, painter: FakePainter) -> None:
    sent = messages(("a.pdf", pdf("Invoice 41")), ("b.docx", word("Dear all")), ("c.csv", b"a,b"))
    bound = program.http.post("/quote", json=program.body(messages=sent)).json()["input_bound"]
    program.post(messages=sent).raise_for_status()
    question, *texts = painter.calls[-1]["messages"][0]["content"]
    assert question == {"type": "text", "text": "What is it?"}
    assert [part["type"] for part in texts] == ["text"] * 3
    assert texts[0]["text"].startswith('<file name="a.pdf" pages="1">\nInvoice 41')
    assert "Dear all" in texts[1]["text"]
    assert texts[2]["text"] == '<file name="c.csv">\na,b\n</file>'
    size = sum(len(part["text"].encode()) for part in [question, *texts])
    assert size < bound < size + 300
    assert not Attachment.objects.exists()
    text_model(reads_files=True)
    program.post(messages=sent).raise_for_status()
    assert painter.calls[-1]["messages"] == sent, "Who reads files gets them."


def test_text_that_is_packed_in_a_file_is_paid_by_those_who_read_files_too(
    program: ApiProgram, painter: FakePainter
) -> None:
    text_model(reads_files=True, context_tokens=None)

    def quote(*files: tuple[str, bytes]) -> Any:
        return program.http.post("/quote", json=program.body(messages=messages(*files)))

    much = "word " * 10_000
    assert quote(("a.docx", word(much))).json()["input_bound"] > len(much)
    assert quote(("a.pdf", pdf(much))).json()["input_bound"] > 30_000, "More than its page has."
    plain = quote(("a.pdf", pdf("One", "Two"))).json()["input_bound"]
    assert 6_000 <= plain < 6_300, "As many tokens as its pages have."
    two_kinds = picture() + pdf("One")
    unknown = [("a.pdf", content) for content in (b"%PDF-1.7 damaged", two_kinds)]
    for file in unknown:
        answer = quote(file)
        assert answer.status_code == 400
        assert "cannot be told" in answer.json()["error"]["message"]
    text_model(context_tokens=50_000)
    for file in unknown:
        assert 50_000 <= quote(file).json()["input_bound"] < 50_300


def test_text_within_a_document_of_a_message_is_paid_too(program: ApiProgram) -> None:
    model = text_model(reads_files=True)
    Provider.objects.update(dialect=Provider.Dialect.ANTHROPIC)
    data = base64.b64encode(pdf("word " * 10_000)).decode()
    document = {"source": {"type": "base64", "media_type": "application/pdf", "data": data}}
    said = [{"role": "user", "content": [{"type": "document", **document}]}]
    body = {"model": model.name, "max_tokens": 100, "messages": said}
    version = {"anthropic-version": "2023-06-01"}
    quoted = program.http.post("/quote", json=body, headers=version)
    assert quoted.json()["input_bound"] > 30_000


def test_a_file_of_a_response_is_read_too(program: ApiProgram, painter: FakePainter) -> None:
    content = [{"type": "input_file", "filename": "c.csv", "file_data": data_url(b"a,b")}]
    asked = {"model": text_model().name, "input": [{"role": "user", "content": content}]}
    program.http.post("/responses", json=asked).raise_for_status()
    assert "a,b" in str(painter.calls[-1]["messages"])


def test_what_has_no_text_is_refused_before_it_is_paid(
    program: ApiProgram, painter: FakePainter
) -> None:
    for content, words in (
        (picture(), "Send a picture as image_url"),
        (pdf(""), "there is no text in this one"),
        (b"%PDF-", "damaged"),
        (b"", "empty"),
    ):
        answer = program.post(messages=messages(("a", content)))
        assert answer.status_code == 400, content
        error = answer.json()["error"]
        assert error["param"] == "messages[0].content[1]"
        assert words in error["message"]
    many = program.post(messages=messages(*[("a.csv", b"a")] * 21))
    assert "At most 20 files" in many.json()["error"]["message"]
    assert painter.calls == []
