"""What image providers do differently: how a file is sent, and what one call can ask for."""

import base64
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from ai_chat.models import Image
from credits.catalogue.models import fill_catalogue
from credits.models import AIModel, UsageHistory, User
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter, entry, picture
from tests.factories import make_model
from tests.fakes.scripted import Pieces
from tests.live import Site

PNG = picture()


def set_painter(**columns: Any) -> None:
    fill_catalogue()
    AIModel.objects.filter(name="tally-painter").update(**columns)


def url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


PLAIN = base64.b64encode(PNG).decode()
ENTRIES = {
    "an address that holds the image": {"url": f"data:image/png;base64,{PLAIN}"},
    "the same with a parameter": {"url": f"data:image/png;charset=utf-8;base64,{PLAIN}"},
    "the same in other letters": {"url": f"DATA:image/PNG;BASE64,{PLAIN}"},
    "the same without padding": {"url": f"data:image/webp;base64,{url_safe(picture('WEBP'))}"},
    "the other alphabet without padding": {"b64_json": url_safe(PNG)},
    "an address that is percent-encoded": {"url": f"data:image/png;base64,{quote(PLAIN, safe='')}"},
    "an address in the place of the text": {"b64_json": f"data:image/png;base64,{PLAIN}"},
    "an address of bytes": {"url": f" data:application/octet-stream;base64,{PLAIN}"},
    "a blank text beside an address": {"b64_json": "", "url": f"data:image/png;base64,{PLAIN}"},
    "an empty text beside an address": {"b64_json": None, "url": f"data:image/png;base64,{PLAIN}"},
}


def test_an_image_is_read_however_it_is_written(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    assert set("-_") & set(url_safe(PNG)) and len(PLAIN) % 4 == 0
    for name, written in ENTRIES.items():
        with subtests.test(name):
            painter.answer = {"data": [written]}
            answer = odd_studio.paint("A tree").json()
            assert len(answer.get("images", [])) == 1, answer


ADDRESSES = {
    "https://images.example/1.png": "image_address",
    "data:text/html;base64,PGI+": "image_address",
    "data:image/png;base64,%%%": "invalid_image",
    "data:image/png;base64,": "invalid_image",
    "": "image_address",
}


def test_an_address_elsewhere_is_refunded_with_a_reason_of_its_own(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for address, reason in ADDRESSES.items():
        with subtests.test(address):
            painter.answer = {"data": [{"url": address}]}
            response = odd_studio.paint("A tree")
            assert response.json()["reason"] == reason
    assert odd_studio.balance == 100
    assert len(painter.calls) == len(ADDRESSES), "an address was fetched"


def test_an_error_with_status_200_is_a_failure(odd_studio: Program, painter: FakePainter) -> None:
    painter.answer = {"error": {"code": "content_policy_violation", "message": "No."}}
    assert odd_studio.paint("A tree").json()["reason"] == "provider_refused"
    assert odd_studio.balance == 100


def test_a_model_of_one_image_a_call_is_called_for_each(
    odd_studio: Program, painter: FakePainter
) -> None:
    def one_only(body: dict[str, Any]) -> tuple[int, Any]:
        if body["n"] != 1:
            return 400, {"error": {"code": "invalid_value", "param": "n", "message": "n is 1"}}
        return 200, {"data": [entry(PNG)]}

    painter.answer = one_only
    assert odd_studio.paint("A tree", count=3).status_code == 502
    assert odd_studio.balance == 100
    set_painter(images_per_call=1)
    answer = odd_studio.paint("A tree", count=3).json()
    assert (len(answer["images"]), odd_studio.balance) == (3, 85)
    assert [call["n"] for call in painter.calls] == [3, 1, 1, 1]


def test_a_call_that_fails_costs_the_others_nothing(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    set_painter(images_per_call=2)

    def second_fails(body: dict[str, Any]) -> tuple[int, Any]:
        if body["n"] == 1:
            return 500, {"error": {"message": "No."}}
        return 200, {"data": [entry(PNG), entry(PNG)]}

    painter.answer = second_fails
    answer = odd_studio.paint("A tree", count=3).json()
    assert (answer["state"], len(answer["images"])) == ("partial", 2)
    assert (answer["receipt"]["reason"], answer["receipt"]["refunded"]) == ("provider_error", 5)
    assert (odd_studio.balance, Image.objects.count()) == (90, 2)
    assert sorted(call["n"] for call in painter.calls) == [1, 2]


def test_a_refusal_beside_a_failure_is_not_the_payers_doing(
    odd_studio: Program, painter: FakePainter
) -> None:
    set_painter(images_per_call=1)
    numbers = count()

    def refused_and_failed(body: dict[str, Any]) -> tuple[int, Any]:
        code = "content_policy_violation" if next(numbers) == 0 else "server_error"
        return 400 if code != "server_error" else 500, {"error": {"code": code, "message": "No."}}

    painter.answer = refused_and_failed
    assert odd_studio.paint("A tree", count=2).json()["reason"] == "provider_error"
    assert not UsageHistory.objects.get(refund_of__isnull=False).by_payer
    painter.answer = {"error": {"code": "content_policy_violation", "message": "No."}}
    assert odd_studio.paint("A tree", count=2).json()["reason"] == "provider_refused"
    assert UsageHistory.objects.filter(refund_of__isnull=False).latest("pk").by_payer


def test_a_size_that_the_model_does_not_make_is_refused_before_the_charge(
    odd_studio: Program, painter: FakePainter
) -> None:
    set_painter(sizes=["1024x1024", "64x64"])
    painter.will_send(PNG)
    response = odd_studio.paint("A tree", size="128x128")
    assert response.status_code == 400
    [issue] = response.json()["issues"]
    assert issue["path"] == ["size"]
    assert "1024x1024, 64x64" in issue["message"]
    assert not UsageHistory.objects.filter(unit_cost__isnull=False).exists()
    assert odd_studio.paint("A tree", size="64x64").status_code == 200


def test_a_model_of_certain_sizes_makes_its_first_one_unless_another_is_named(
    odd_studio: Program, painter: FakePainter
) -> None:
    set_painter(sizes=["512x512", "64x64"])
    painter.will_send(PNG)
    response = odd_studio.client.post("/api/ai/image", json={"prompt": "A tree"})
    assert (response.status_code, painter.calls[-1]["size"]) == (200, "512x512"), response.text


def test_a_model_that_does_not_make_the_size_does_not_take_over(
    odd_studio: Program, painter: FakePainter
) -> None:
    fill_catalogue()
    other = make_model("other-painter", feature="ai_image_generation", sizes=["512x512"])
    set_painter(fallback=other)
    painter.status, painter.answer = 503, {}
    assert odd_studio.paint("A tree").json()["reason"] == "provider_busy"
    assert odd_studio.paint("A tree", size="512x512").json()["reason"] == "provider_busy"
    calls = [call["model"] for call in painter.calls]
    assert calls == ["tally-painter", "tally-painter", "other-painter"]
    assert odd_studio.balance == 100


def test_the_body_of_an_error_that_comes_slowly_is_waited_for_no_longer_than_images(
    keep_site: Callable[..., Site], painter: FakePainter, alice: User
) -> None:
    program = Program(keep_site(OPENAI_BASE_URL=painter.base_url, IMAGE_SECONDS="1"), alice)
    painter.status, painter.answer = 400, Pieces([b"x", 0.4] * 20)
    answer = program.paint("A tree").json()
    assert (answer["reason"], program.balance) == ("provider_timeout", 100)
