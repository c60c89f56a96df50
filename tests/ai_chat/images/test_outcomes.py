"""POST /api/ai/image over HTTP: each image row of the charge table, and who may see the result."""

import struct
import threading
import zlib
from base64 import encodebytes
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image as Pillow

from ai_chat.models import Image, ImageRequest
from credits.ledger import sweep_holds
from credits.models import UsageHistory, User
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter, entry, picture
from tests.clock import Clock
from tests.factories import set_price
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for


def files_in(var: Path) -> list[Path]:
    return [path for path in (var / "media").rglob("*") if path.is_file()]


def test_images_are_charged_together_and_kept(studio: Program, var: Path, bob: User) -> None:
    response = studio.paint("A tree", count=3, size="128x64")
    answer = response.json()
    assert response.status_code == 200, answer
    assert (len(answer["images"]), answer["creditsCharged"]) == (3, 15)
    assert answer["creditsRemaining"] == studio.balance == 85
    charge = UsageHistory.objects.get(pk=answer["receipt"]["usageId"])
    assert (charge.quantity, charge.unit_cost, charge.operation_type) == (
        3, 5, "AI_IMAGE_GENERATION",
    )  # fmt: skip
    first = answer["images"][0]
    assert (first["width"], first["height"], first["contentType"]) == (128, 64, "image/png")
    assert len(files_in(var)) == 3

    file = studio.client.get(first["url"])
    assert file.headers["Content-Type"] == "image/png"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]
    assert file.headers["Cache-Control"] == "private, no-cache"
    assert file.headers["Content-Disposition"].startswith("inline")
    assert Pillow.open(BytesIO(file.content)).size == (128, 64)
    etag = {"If-None-Match": file.headers["ETag"]}
    assert studio.client.get(first["url"], headers=etag).status_code == 304
    saved = studio.client.get(first["url"] + "?download").headers["Content-Disposition"]
    assert saved.startswith('attachment; filename="tally-')

    stranger = studio.site.client(bob)
    page = f"/images/{first['id']}"
    for path in (
        first["url"],
        f"{page}/file",
        f"{page}/delete",
        f"/images/requests/{answer['id']}",
    ):
        assert stranger.get(path).status_code == 404, path
        assert stranger.get(path, headers=etag).status_code == 404, path
    assert stranger.delete(f"/api/ai/images/{first['id']}").status_code == 404
    assert stranger.get("/api/ai/images").json()["items"] == []

    assert studio.client.get("/api/ai/images").json()["items"][0]["id"] == answer["id"]
    assert studio.client.delete(f"/api/ai/images/{first['id']}").status_code == 204
    assert studio.client.get(first["url"]).status_code == 404
    assert len(files_in(var)) == 2


OUTCOMES = [
    ("[[fail:500]]", 502, 0, "provider_error"),
    ("[[fail:429]]", 503, 0, "provider_busy"),
    ("[[fail:401]]", 502, 0, "provider_access"),
    ("[[fail:garbage]]", 502, 0, "provider_unreadable"),
    ("[[fail:cut:1]]", 502, 0, "provider_cut_off"),
    ("[[fail:empty]]", 502, 0, "empty_result"),
    ("[[fail:badimage]]", 502, 0, "invalid_image"),
    ("[[fail:short:2]]", 200, 2, "empty_result"),
    ("[[fail:slow:60]]", 502, 0, "provider_timeout"),
]


def test_what_is_not_delivered_is_refunded(
    studio: Program, var: Path, subtests: pytest.Subtests
) -> None:
    for marker, status, delivered, reason in OUTCOMES:
        with subtests.test(marker):
            before = studio.balance
            response = studio.paint(f"A tree {marker}", count=3)
            answer = response.json()
            assert response.status_code == status, answer
            assert answer["receipt"]["reason"] == reason
            assert answer["receipt"]["refunded"] == 5 * (3 - delivered)
            assert before - studio.balance == 5 * delivered
    assert Image.objects.count() == len(files_in(var)) == 2


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 30,000 pixels square."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


def moving() -> bytes:
    out = BytesIO()
    frames = [Pillow.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


ODD = [
    ("a cut file", picture()[:-40]),
    ("a file that is none", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("a GIF", picture("GIF")),
    ("a TIFF", picture("TIFF")),
    ("a bomb", bomb()),
    ("a moving image", moving()),
    ("a speck", picture(size=(8, 8))),
    ("a wall", picture(size=(5000, 20))),
]


def test_only_whole_still_images_of_sane_size_are_kept(
    odd_studio: Program, painter: FakePainter, var: Path, subtests: pytest.Subtests
) -> None:
    for name, content in ODD:
        with subtests.test(name):
            painter.will_send(content)
            response = odd_studio.paint("A tree")
            assert response.status_code == 502, response.json()
            assert response.json()["reason"] == "invalid_image"
    assert odd_studio.balance == 100
    painter.will_send(picture("JPEG"), picture()[:-40], picture("WEBP"))
    answer = odd_studio.paint("A tree", count=3).json()
    assert [image["contentType"] for image in answer["images"]] == ["image/jpeg", "image/webp"]
    assert (answer["state"], odd_studio.balance) == ("partial", 90)
    assert sorted(path.suffix for path in files_in(var)) == [".jpg", ".webp"]


BODIES = [
    (b"", "provider_unreadable"),
    (b"[]", "provider_unreadable"),
    (b'{"data": null}', "provider_unreadable"),
    (b'{"data": [1, null]}', "empty_result"),
    (b'{"data": [{"b64_json": "%%%"}]}', "invalid_image"),
    (b'{"data": [{"b64_json": null}]}', "empty_result"),
]


def test_an_answer_that_is_none_is_refunded(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for body, reason in BODIES:
        with subtests.test(str(body)):
            painter.status, painter.answer = 200, body
            response = odd_studio.paint("A tree")
            assert (response.status_code, response.json()["reason"]) == (502, reason)
    painter.status, painter.answer = 400, {"error": {"code": ["no", "text"], "message": "No."}}
    response = odd_studio.paint("A tree")
    assert (response.status_code, response.json()["reason"]) == (502, "provider_not_accepted")
    assert odd_studio.balance == 100


def test_an_address_instead_of_an_image_is_not_fetched(
    odd_studio: Program, painter: FakePainter
) -> None:
    painter.answer = {"data": [{"url": painter.base_url + "/secret"}, entry(picture())]}
    answer = odd_studio.paint("A tree", count=2).json()
    assert (len(answer["images"]), answer["receipt"]["refunded"]) == (1, 5)
    assert len(painter.calls) == 1
    assert painter.calls[0]["response_format"] == "b64_json"


def test_base64_in_lines_is_base64(odd_studio: Program, painter: FakePainter) -> None:
    lines = encodebytes(picture()).decode()
    painter.answer = {"data": [{"b64_json": lines}]}
    assert len(odd_studio.paint("A tree").json()["images"]) == 1


def test_more_images_than_asked_for_are_not_charged_or_kept(
    odd_studio: Program, painter: FakePainter, var: Path
) -> None:
    painter.will_send(picture(), picture(), picture())
    answer = odd_studio.paint("A tree").json()
    assert (len(answer["images"]), odd_studio.balance, len(files_in(var))) == (1, 95, 1)


def test_a_storage_that_fails_is_refunded(
    odd_studio: Program, painter: FakePainter, var: Path
) -> None:
    var.mkdir(exist_ok=True)
    (var / "media").write_text("a file where a folder should be")
    painter.will_send(picture(), picture())
    response = odd_studio.paint("A tree", count=2)
    assert (response.status_code, response.json()["reason"]) == (502, "storage_failed")
    assert odd_studio.balance == 100


def test_too_few_credits_calls_nobody(studio: Program, provider: FakeProvider) -> None:
    set_price("ai_image_generation", 26)
    response = studio.paint("A tree", count=4)
    assert response.status_code == 402
    assert (response.json()["required"], response.json()["available"]) == (104, 100)
    bad: list[dict[str, Any]] = [
        {"count": 5}, {"count": 0}, {"count": "1"}, {"size": "1x1"}, {"size": "big"},
        {"size": " 64x64"}, {"size": "64x64\n"},
        {"model": "none"}, {"prompt": ""}, {"prompt": "x" * 4001}, {"seed": 1},
    ]  # fmt: skip
    for body in bad:
        response = studio.paint(**{"prompt": "A tree", **body})
        assert response.status_code == 400, body
        assert response.json()["issues"][0]["path"] == [next(iter(body))]
    assert (provider.images_requested, studio.balance) == (0, 100)


def answers(program: Program) -> bool:
    try:
        return program.client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_killed_process_leaves_nothing_behind(studio: Program, var: Path, clock: Clock) -> None:
    """Killed after the provider was called and a file was kept, before the end was written."""
    asking = partial(pytest.raises, httpx.TransportError, studio.paint, "A tree [[delay:3]]")
    posting = threading.Thread(target=asking, daemon=True)
    posting.start()
    wait_for(lambda: ImageRequest.objects.filter(state="running").exists(), "the request")
    made = ImageRequest.objects.get()
    orphan = var / "media" / "images" / str(made.user_id) / str(made.pk) / "left.png"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(picture())
    studio.site.kill_workers()
    posting.join()
    assert studio.balance == 95
    clock.move(hours=1)
    assert sweep_holds() == 1
    assert studio.balance == 100
    wait_for(lambda: answers(studio), "a new worker")
    item = studio.client.get(f"/api/ai/images/requests/{made.pk}").json()
    assert (item["state"], item["receipt"]["reason"]) == ("failed", "lease_expired")
    assert not orphan.exists()
    assert not Image.objects.exists()


def test_no_prompt_is_in_the_log(studio: Program) -> None:
    studio.paint("Unmistakable words [[fail:500]]")
    studio.ask("Unmistakable words [[fail:500]]")
    assert "Unmistakable" not in studio.site.log.read_text()
    assert "reason=provider_error status=500 code=server_error" in studio.site.log.read_text()
