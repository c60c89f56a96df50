"""Pictures and files in messages: kept and sent with later ones too, text to every model, pictures
to those that read them; all else is refused before the charge, and large bodies are taken within
bounds."""

import base64
import json
import random
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from ai_chat.models import Attachment, Turn
from credits.models import AIModel, TokenPrice, UsageHistory
from tests.ai_chat.api.client import Program, message
from tests.ai_chat.attachments.making import pdf, word
from tests.ai_chat.images.fake import FakePainter, picture
from tests.ai_chat.strict import answer
from tests.ai_chat.turns import text_model
from tests.factories import make_model, make_token_price, make_user


def url(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


PNG = url(picture())


def file(url: str = PNG, media_type: str = "image/png", **more: str) -> dict[str, Any]:
    return {"type": "file", "mediaType": media_type, "url": url, **more}


def large(size: int) -> dict[str, Any]:
    """A file part of so many bytes of text."""
    return file(url(b"x" * size, "text/plain"), "text/plain")


def large_picture() -> dict[str, Any]:
    """A picture of about 4,000,000 bytes."""
    pixels, out = random.Random(1).randbytes(3 * 1150 * 1150), BytesIO()
    Image.frombytes("RGB", (1150, 1150), pixels).save(out, "PNG")
    return file(url(out.getvalue()))


@pytest.fixture
def program(odd_studio: Program, painter: FakePainter) -> Program:
    painter.strict = True
    painter.answer = answer("A teal square.")
    return odd_studio


def test_files_are_kept_and_sent_with_later_messages_too(
    program: Program, painter: FakePainter
) -> None:
    text_model(reads_images=True)
    parts: list[Any] = [
        "What is it?",
        file(filename="a.png"),
        file(url(pdf("Invoice 41"), "application/pdf"), "application/pdf", filename="a.pdf"),
        file(url(b"a,b", "text/csv"), "text/csv", filename="a.csv"),
        file(url(word("Dear all"), "application/x-whatever"), "x/y", filename="a.docx"),
    ]
    response = program.post(message("user", *parts), id="chat-1")
    assert response.status_code == 200, response.text
    text, image = painter.calls[-1]["messages"][-1]["content"]
    for said in ('<file name="a.pdf" pages="1">\nInvoice 41', '<file name="a.csv">\na,b\n</file>',
                 "Dear all", "[picture: a.png]"):  # fmt: skip
        assert said in text["text"]
    assert text["text"].endswith("\n\nWhat is it?")
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert Turn.objects.get().prompt == "What is it?"
    program.post(message("user", "And now?"), id="chat-1")
    assert painter.calls[-1]["messages"][0]["content"] == [text, image]
    assert Attachment.objects.filter(conversation__external_id="chat-1").count() == 4


def test_files_that_were_uploaded_are_named_by_their_id(
    program: Program, painter: FakePainter
) -> None:
    upload = program.client.post("/api/files", files={"file": ("notes.txt", b"Kept before")})
    key = upload.json()["id"]
    ways: list[dict[str, Any]] = [
        {"attachments": [{"id": key}]},
        {"part": file(f"/api/files/{key}", "text/plain")},
        {"part": file(f"{program.site.base_url}/api/files/{key}/content", "text/plain")},
    ]
    for way in ways:
        parts = ["See?", way.pop("part")] if "part" in way else ["See?"]
        assert program.post(message("user", *parts), **way).status_code == 200
        content = painter.calls[-1]["messages"][-1]["content"]
        assert content == '<file name="notes.txt">\nKept before\n</file>\n\nSee?'
    assert Attachment.objects.count() == 1
    Attachment.objects.update(user=make_user())
    for way in ({"attachments": [{"id": key}]}, {"attachments": [{}]}):
        refused = program.post(message("user", "See?"), **way)
        assert refused.status_code == 400
        assert refused.json()["issues"][0]["path"][:2] == ["attachments", 0]
    part = file(f"/api/files/{key}", "text/plain")
    refused = program.post(message("user", part))
    assert refused.json()["issues"] == [
        {"path": ["messages", 0, "parts", 0], "message": "There is no such file."}
    ]


REFUSED = {
    "a picture": (file(), {}, "does not read pictures"),
    "a picture, named another": (file(media_type="text/css"), {}, "not read p"),
    "an address": (file("https://example.com/a.png"), {"reads_images": True}, "not fetched"),
    "not base64": (file("data:image/png;base64,a.b"), {"reads_images": True}, "valid base64"),
    "not in base64": (file("data:image/png,abc"), {"reads_images": True}, "in base64"),
    "another kind": (file("data:image/svg+xml;base64,YQ=="), {"reads_images": True}, "PNG, JPEG"),
    "no picture": (file(url(b"\x89PNG\r\n\x1a\n")), {"reads_images": True}, "damaged"),
    "a picture, said to be text": (file(url(picture(), "text/csv")), {}, "not read pictures"),
    "a broken PDF": (file(url(b"%PDF-"), "application/pdf"), {"reads_images": True}, "damaged"),
}  # fmt: skip


def test_what_the_model_does_not_read_is_refused_before_the_charge(
    program: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for name, (part, reads, sentence) in REFUSED.items():
        with subtests.test(name):
            text_model(**{"reads_images": False, "reads_files": False, **reads})
            earlier = [message("user", part), message("assistant", "Hm.")]
            fine = file(url(b"Fine", "text/plain"))
            response = program.post(*earlier, message("user", "Look:", fine, part))
            problem = response.json()
            assert response.status_code == 400
            assert [each["path"] for each in problem["issues"]] == [["messages", 2, "parts", 2]]
            assert sentence in problem["message"]
    assert (program.balance, painter.calls) == (100, [])
    assert not Attachment.objects.exists(), "Nothing is kept of what was not sent."
    # Only the newest message's are judged.
    assert program.post(*earlier, message("user", "And?")).status_code == 200


def test_files_of_a_message_that_is_not_charged_are_not_kept(program: Program) -> None:
    parts = message("user", "See?", file(url(b"a,b", "text/csv")))
    assert program.post(parts, maxUnitCost=0).status_code == 409
    assert not Attachment.objects.exists()
    headers = {"Accept": "application/json", "Idempotency-Key": "once"}
    for _ in range(2):
        again = program.client.post("/api/ai/chat", json={"messages": [parts]}, headers=headers)
        assert again.status_code == 200
    assert (Attachment.objects.count(), program.balance) == (1, 99)


def test_a_quote_counts_files_and_keeps_none(program: Program, painter: FakePainter) -> None:
    make_token_price(text_model(reads_images=True, image_tokens=500))
    body = {"messages": [message("user", "See?", file(), file(url(b"x" * 3000, "text/csv")))]}
    quote = program.client.post("/api/ai/quote", json=body)
    assert quote.status_code == 200, quote.text
    assert not Attachment.objects.exists()
    program.client.post("/api/ai/chat", json=body, headers={"Accept": "application/json"})
    charge = UsageHistory.objects.filter(unit_cost__isnull=False).earliest("pk")
    assert (quote.json()["reserved"], TokenPrice.objects.count()) == (charge.credits_used, 1)
    assert 3500 < quote.json()["inputBound"] < 3900


def test_several_megabytes_of_files_are_taken_here_and_nowhere_else(
    program: Program, painter: FakePainter
) -> None:
    text_model(reads_images=True)
    response = program.post(message("user", "Look:", large_picture(), large(4_000_001)))
    assert response.status_code == 200, response.text
    assert len(painter.calls[-1]["messages"][-1]["content"]) == 2
    prompt = {"prompt": "x" * 2_000_000}
    assert program.client.post("/api/ai/image", json=prompt).status_code == 413


def test_what_is_too_large_is_named(program: Program, painter: FakePainter) -> None:
    text_model(reads_images=True)
    one = program.post(message("user", "Look:", large(5_000_100)))
    assert one.status_code == 413
    assert one.json()["issues"][0]["path"] == ["messages", 0, "parts", 1]
    whole = program.post(message("user", *(large(4_000_000) for _ in range(4))))
    assert (whole.status_code, whole.json()["limit"]) == (413, 20_000_000)
    assert "Send the newest message alone" in whole.json()["message"]
    text = program.post(message("user", "x" * 1_100_000), message("user", "Hi", file()))
    assert (text.status_code, text.json()["limit"]) == (413, 1_000_000)
    assert text.json()["message"].startswith("Without its files")
    many = program.post(message("user", "Hi", *(large(5) for _ in range(11))))
    assert many.status_code == 400 and "at most 10 files" in many.json()["message"]
    assert (program.balance, painter.calls) == (100, [])
    assert not UsageHistory.objects.filter(credits_used__gt=0).exists()


def test_a_slash_may_be_written_with_a_backslash(program: Program, painter: FakePainter) -> None:
    part = file(url(b"???" * 400_000, "text/plain"), "text/plain")
    assert part["url"].endswith("Pz8/")
    body = json.dumps({"messages": [message("user", "Look:", part)]}).replace("/", r"\/")
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    response = program.client.post("/api/ai/chat", content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert "???" in painter.calls[-1]["messages"][-1]["content"]


def test_a_model_that_does_not_read_a_picture_does_not_take_over(
    program: Program, painter: FakePainter
) -> None:
    text_model(reads_images=True)
    other = make_model("other")
    text_model(fallback=other)
    painter.status, painter.answer = 503, {}
    assert program.post(message("user", "Hi", file())).json()["reason"] == "provider_busy"
    assert len(painter.calls) == 1
    AIModel.objects.filter(pk=other.pk).update(reads_images=True)
    program.post(message("user", "Hi", file()))
    assert [call["model"] for call in painter.calls[1:]] == [painter.calls[0]["model"], "other"]
    assert program.balance == 100
