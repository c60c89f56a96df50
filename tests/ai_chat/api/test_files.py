"""Pictures and files in messages: who reads them gets them, all else is refused before the charge,
and large bodies are taken within bounds."""

import base64
import json
from typing import Any

import pytest

from credits.models import AIModel, UsageHistory
from tests.ai_chat.api.client import Program, message
from tests.ai_chat.images.fake import FakePainter, picture
from tests.ai_chat.strict import answer
from tests.ai_chat.turns import text_model
from tests.factories import make_model

PNG = "data:image/png;base64," + base64.b64encode(picture()).decode()


def file(url: str = PNG, media_type: str = "image/png", **more: str) -> dict[str, Any]:
    return {"type": "file", "mediaType": media_type, "url": url, **more}


def large(size: int) -> dict[str, Any]:
    """A file part of so many bytes."""
    return file("data:image/png;base64," + base64.b64encode(b"x" * size).decode())


@pytest.fixture
def program(odd_studio: Program, painter: FakePainter) -> Program:
    painter.strict = True
    painter.answer = answer("A teal square.")
    return odd_studio


def test_a_model_that_reads_pictures_and_files_gets_them(
    program: Program, painter: FakePainter
) -> None:
    text_model(reads_images=True, reads_files=True)
    pdf = "data:application/pdf;base64,JVBERi0="
    parts: list[Any] = [
        "What is it?",
        file(filename="a.png"),
        file(pdf, "application/pdf", filename="a.pdf"),
    ]
    response = program.post(message("user", *parts), id="chat-1")
    assert response.status_code == 200, response.text
    assert painter.calls[-1]["messages"][-1]["content"] == [
        {"type": "text", "text": "What is it?\n\nAttached:\n- a.png (image/png)\n"
                                 "- a.pdf (application/pdf)"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
    ]  # fmt: skip
    program.post(message("user", *parts), message("user", "And now?"), id="chat-1")
    assert PNG not in json.dumps(painter.calls[-1]), "Once is enough."


REFUSED = {
    "a picture": (file(), {"reads_files": True}, "does not read pictures"),
    "a picture, named another": (file(media_type="text/css"), {"reads_files": True}, "not read p"),
    "a file": (file("data:text/csv;base64,YQ==", "text/csv"), {"reads_images": True}, "not read f"),
    "an address": (file("https://example.com/a.png"), {"reads_images": True}, "not fetched"),
    "not base64": (file("data:image/png;base64,a.b"), {"reads_images": True}, "valid base64"),
    "not in base64": (file("data:image/png,abc"), {"reads_images": True}, "in base64"),
    "another kind": (file("data:image/svg+xml;base64,YQ=="), {"reads_images": True}, "PNG, JPEG"),
}  # fmt: skip


def test_what_the_model_does_not_read_is_refused_before_the_charge(
    program: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for name, (part, reads, sentence) in REFUSED.items():
        with subtests.test(name):
            text_model(**{"reads_images": False, "reads_files": False, **reads})
            earlier = [message("user", part), message("assistant", "Hm.")]
            response = program.post(*earlier, message("user", "Look:", part))
            problem = response.json()
            assert response.status_code == 400
            assert [each["path"] for each in problem["issues"]] == [["messages", 2, "parts", 1]]
            assert sentence in problem["message"]
    assert (program.balance, painter.calls) == (100, [])
    # Only the newest message's are judged.
    assert program.post(*earlier, message("user", "And?")).status_code == 200


def test_several_megabytes_of_pictures_are_taken_here_and_nowhere_else(
    program: Program, painter: FakePainter
) -> None:
    text_model(reads_images=True)
    response = program.post(message("user", "Look:", large(4_000_000), large(4_000_001)))
    assert response.status_code == 200, response.text
    assert len(painter.calls[-1]["messages"][-1]["content"]) == 3
    prompt = {"prompt": "x" * 2_000_000}
    assert program.client.post("/api/ai/image", json=prompt).status_code == 413


def test_what_is_too_large_is_named(program: Program, painter: FakePainter) -> None:
    text_model(reads_images=True)
    picture = program.post(message("user", "Look:", large(5_000_100)))
    assert picture.status_code == 413
    assert picture.json()["issues"][0]["path"] == ["messages", 0, "parts", 1]
    whole = program.post(message("user", *(large(4_000_000) for _ in range(4))))
    assert (whole.status_code, whole.json()["limit"]) == (413, 20_000_000)
    assert "Send the newest message alone" in whole.json()["message"]
    text = program.post(message("user", "x" * 1_100_000), message("user", "Hi", file()))
    assert (text.status_code, text.json()["limit"]) == (413, 1_000_000)
    assert text.json()["message"].startswith("Without its files")
    assert (program.balance, painter.calls) == (100, [])
    assert not UsageHistory.objects.filter(credits_used__gt=0).exists()


def test_a_slash_may_be_written_with_a_backslash(program: Program, painter: FakePainter) -> None:
    text_model(reads_images=True)
    part = file("data:image/png;base64," + "////" * 400_000)
    body = json.dumps({"messages": [message("user", "Look:", part)]}).replace("/", r"\/")
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    response = program.client.post("/api/ai/chat", content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert painter.calls[-1]["messages"][-1]["content"][1]["image_url"]["url"] == part["url"]


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
