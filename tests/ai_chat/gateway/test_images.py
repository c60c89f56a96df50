"""POST /v1/images/generations, through OpenAI's SDK at a running site."""

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from PIL import Image as Picture

from ai_chat.models import ApiCall, Image
from credits.catalogue.models import fill_catalogue
from credits.ledger import get_balance
from credits.models import AIModel, UsageHistory, User
from tests.ai_chat.gateway.client import ApiProgram, latest_call
from tests.ai_chat.images.fake import FakePainter, entry, picture
from tests.factories import make_key, make_limit, make_model
from tests.live import Site
from tests.parallel import in_parallel

MODEL = "tally-painter"


class Images(ApiProgram):
    """A program that asks for images."""

    def create(self, **more: Any) -> Any:
        """Through the SDK."""
        return self.sdk.images.generate(model=MODEL, prompt="A tree", **more)

    def ask(self, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Without it."""
        body = {"model": MODEL, "prompt": "A tree", **more}
        return self.http.post("/images/generations", json=body, headers=headers)


@pytest.fixture
def images(chat_site: Site, alice: User) -> Images:
    """Alice's program; she has 100 credits, and an image costs 5."""
    fill_catalogue()
    return Images(chat_site, alice)


@pytest.fixture
def odd_images(keep_site: Callable[..., Site], painter: FakePainter, alice: User) -> Images:
    """The same where the provider sends what `painter` is told."""
    fill_catalogue()
    return Images(keep_site(OPENAI_BASE_URL=painter.base_url), alice)


def remaining(user: User) -> int:
    balance = get_balance(user_id=user.pk)
    assert balance.held == 0
    return balance.remaining


def test_images_come_in_base64_and_cost_each(images: Images, alice: User) -> None:
    raw = images.sdk.images.with_raw_response.generate(
        model=MODEL, prompt="A tree", n=3, size="128x64"
    )
    answer = raw.parse()
    assert answer.created > 1_700_000_000
    sizes = [
        Picture.open(io.BytesIO(base64.b64decode(each.b64_json or ""))).size
        for each in answer.data or []
    ]
    assert sizes == [(128, 64)] * 3
    assert remaining(alice) == 85
    assert (raw.headers["X-Tally-Cost"], raw.headers["X-Tally-Remaining"]) == ("15", "85")
    call = latest_call(alice)
    assert (call.endpoint, call.state, call.charged) == ("images/generations", "done", 15)
    charge = UsageHistory.objects.get(pk=raw.headers["X-Tally-Charge"])
    assert (charge.quantity, charge.api_key_id) == (3, images.key.pk)
    assert charge.details["requestId"] == raw.headers["x-request-id"] == call.request_id
    assert raw.headers["x-ratelimit-remaining-requests"] == "599"


def test_nothing_is_kept_in_the_gallery(images: Images, alice: User) -> None:
    images.create(n=1)
    assert not Image.objects.exists()
    assert not alice.imagerequests.exists()


def test_one_image_is_made_unless_more_are_asked_for(images: Images, alice: User) -> None:
    assert len(images.create(size="auto").data) == 1
    assert remaining(alice) == 95


def test_a_model_costs_as_often_as_its_factor_says(images: Images, alice: User) -> None:
    AIModel.objects.filter(name=MODEL).update(price_factor=4, images_per_call=1)
    assert len(images.create(n=2).data) == 2
    assert remaining(alice) == 60


def test_of_images_that_were_not_delivered_the_credits_come_back(
    odd_images: Images, painter: FakePainter, alice: User
) -> None:
    painter.will_send(picture(), b"no image")
    answer = odd_images.ask(n=3)
    assert (answer.status_code, len(answer.json()["data"])) == (200, 1)
    assert answer.headers["X-Tally-Reserved"] == "15"
    assert answer.headers["X-Tally-Cost"] == "5"
    assert remaining(alice) == 95
    assert latest_call(alice).refunded == 10


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"error": {"message": "x"}}, (502, "provider_error")),
        (401, {"error": {"message": "x"}}, (502, "provider_error")),
        (429, {"error": {"message": "x"}}, (503, "overloaded")),
        (200, {"data": []}, (502, "provider_error")),
        (200, {"data": [{"b64_json": "bm8="}]}, (502, "provider_error")),
        (200, {"data": [{"url": "https://images.example/1.png"}]}, (502, "provider_error")),
        (200, b"<html>", (502, "provider_error")),
        (
            400,
            {"error": {"code": "moderation_blocked", "message": "Your request was rejected"}},
            (400, "content_policy_violation"),
        ),
    ],
)
def test_without_an_image_it_is_an_error_and_free(
    odd_images: Images, painter: FakePainter, alice: User, status: int, body: Any,
    expected: tuple[int, str],
) -> None:  # fmt: skip
    painter.status, painter.answer = status, body
    failed = odd_images.ask(n=2)
    assert (failed.status_code, failed.json()["error"]["code"]) == expected
    assert failed.headers["X-Tally-Charge"] == str(latest_call(alice).charge_id)
    assert failed.headers["X-Tally-Remaining"] == "100"
    assert remaining(alice) == 100
    assert latest_call(alice).state == ApiCall.State.FAILED


def test_an_address_is_passed_on_to_those_who_ask_for_one(
    odd_images: Images, painter: FakePainter, alice: User
) -> None:
    entries = [
        {"url": "https://images.example/1.png?sig=a%20b", "revised_prompt": "A tall tree"},
        entry(picture()),
        {"url": "file:///etc/passwd"},
        {"url": "https://images.example/\n"},
    ]
    painter.answer = {"data": entries}
    data = odd_images.create(n=4, response_format="url").data
    assert painter.calls[-1]["response_format"] == "url"
    assert (data[0].url, data[0].revised_prompt) == (entries[0]["url"], "A tall tree")
    assert data[1].url is None
    assert base64.b64decode(data[1].b64_json) == picture()
    assert len(data) == 2
    assert remaining(alice) == 90


def test_the_provider_is_asked_for_files_unless_it_sends_nothing_else(
    odd_images: Images, painter: FakePainter
) -> None:
    painter.will_send(picture())
    odd_images.create(user="somebody")
    assert painter.calls[-1]["response_format"] == "b64_json"
    assert "user" not in painter.calls[-1]
    AIModel.objects.filter(name=MODEL).update(provider_model="gpt-image-1")
    odd_images.create(response_format="url")
    assert "response_format" not in painter.calls[-1]


def test_a_model_whose_provider_is_down_is_stood_in_for(
    odd_images: Images, painter: FakePainter, alice: User
) -> None:
    fallback = make_model("other-painter", feature="ai_image_generation", provider_model="other")
    AIModel.objects.filter(name=MODEL).update(fallback=fallback)
    sound = {"data": [entry(picture())]}
    painter.answer = lambda asked: (200, sound) if asked["model"] == "other" else (500, {})
    assert len(odd_images.create().data) == 1
    assert latest_call(alice).answered_by == "other-painter"
    assert remaining(alice) == 95


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 5}, "n", "invalid_value"),
        ({"n": "2"}, "n", "invalid_value"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": " \u200b"}, "prompt", "invalid_value"),
        ({"prompt": ["A tree"]}, "prompt", "invalid_value"),
        ({"size": "huge"}, "size", "invalid_value"),
        ({"size": "1x1"}, "size", "invalid_value"),
        ({"response_format": "png"}, "response_format", "invalid_value"),
        ({"stream": True}, "stream", "unsupported_parameter"),
        ({"partial_images": 2}, "partial_images", "unsupported_parameter"),
        ({"quality": "hd"}, "quality", "unsupported_parameter"),
        ({"background": "transparent"}, "background", "unsupported_parameter"),
        ({"model": "nothing"}, "model", "model_not_found"),
        ({"model": "smollm2-135m"}, "model", "model_not_found"),
        ({"model": None}, "model", "invalid_value"),
        ({"model": 5}, "model", "invalid_value"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(
    images: Images, alice: User, fields: dict[str, Any], param: str, code: str
) -> None:
    refused = images.ask(**fields)
    assert refused.status_code == (404 if code == "model_not_found" else 400)
    error = refused.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert remaining(alice) == 100


def test_a_size_that_the_model_does_not_make_is_refused(images: Images) -> None:
    AIModel.objects.filter(name=MODEL).update(sizes=["64x64", "128x64"])
    assert images.ask(size="512x512").json()["error"]["param"] == "size"
    assert images.ask(size="auto").status_code == 200


def test_what_is_not_known_is_left_out_and_named(images: Images) -> None:
    more: dict[str, Any] = {"steps": 30, "cfg scale": 7, "seed\r\nX": 1}
    answer = images.ask(**more)
    assert answer.headers["X-Tally-Ignored"] == "steps"


def test_no_more_is_taken_than_was_agreed(images: Images, alice: User) -> None:
    assert images.ask(n=2, headers={"X-Max-Credits": "10"}).status_code == 200
    refused = images.ask(n=2, headers={"X-Max-Credits": "9"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "price_changed")
    assert images.ask(headers={"X-Price-Version": "0"}).status_code == 200
    refused = images.ask(headers={"X-Price-Version": "7"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "price_changed")
    assert remaining(alice) == 85


def test_too_few_credits_are_402_and_held_ones_429(images: Images, alice: User) -> None:
    AIModel.objects.filter(name=MODEL).update(price_factor=10)
    refused = images.ask(n=3)
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "insufficient_credits")
    assert refused.json()["error"]["message"].startswith("Insufficient credits")
    metadata = refused.json()["error"]["metadata"]
    assert (metadata["required"], metadata["available"]) == (150, 100)
    assert refused.headers["x-should-retry"] == "false"
    assert refused.headers["x-ratelimit-limit-requests"] == "600"


def test_a_keys_limit_counts_images(images: Images, alice: User) -> None:
    limit = make_limit(alice, 10, api_key=images.key)
    answers = in_parallel(4, lambda _: images.ask())
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses.count(200) == 2
    # Whoever comes while the others are made is to come again.
    assert {*statuses} <= {200, 402, 429}
    refused = images.ask()
    assert refused.status_code == 402
    told = refused.json()["error"]["metadata"]["limit"]
    assert (told["id"], told["scope"], told["period"]) == (limit.pk, "key", "day")
    assert told["spent"] == "10.000000000000"
    assert "resets_at" in told
    assert remaining(alice) == 90


def test_a_key_may_be_for_other_models(images: Images, alice: User) -> None:
    program = Images(images.site, alice, make_key(alice, only_models=["smollm2-135m"]))
    with pytest.raises(openai.PermissionDeniedError) as refused:
        program.create()
    assert refused.value.code == "model_not_allowed"
    assert remaining(alice) == 100


def test_the_same_key_makes_images_once(images: Images, alice: User) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (images.ask(n=2, headers=headers) for _ in range(2))
    assert again.json() == first.json()
    assert again.headers["X-Tally-Replayed"] == "true"
    # It was counted all the same.
    rates = [each.headers["x-ratelimit-remaining-requests"] for each in (first, again)]
    assert rates == ["599", "598"]
    assert remaining(alice) == 90
    assert images.ask(n=1, headers=headers).status_code == 409
