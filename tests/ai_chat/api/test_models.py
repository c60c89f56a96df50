"""GET /api/ai/models, and what a model's factor does to prices."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from config import env
from credits.models import User
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.ai_chat.turns import text_model
from tests.factories import set_price
from tests.fakes.provider import FakeProvider
from tests.live import Site

MODELS = {
    "AI_TEXT_MODELS": "smollm2-135m=Small,big=Big one*3",
    "AI_IMAGE_MODELS": "tally-painter=Painter*2",
}


@pytest.fixture
def priced(keep_site: Callable[..., Site], provider: FakeProvider, alice: User) -> Program:
    return Program(keep_site(OPENAI_BASE_URL=provider.base_url, **MODELS), alice)


def priced_per(unit: str, model: dict[str, Any]) -> dict[str, Any]:
    """A model that reads text, and costs so much for a unit."""
    return {**model, "reads": ["text"], "pricing": {"unit": unit, "credits": model["cost"]}}


def test_models_have_prices_and_are_charged_at_them(priced: Program) -> None:
    set_price("ai_text_chat", 2)
    unknown: dict[str, Any] = {"abilities": [], "contextTokens": None, "outputTokens": None}
    small = {"id": "smollm2-135m", "label": "Small", "multiplier": 1, "cost": 2, "plan": ""}
    big = {"id": "big", "label": "Big one", "multiplier": 3, "cost": 6, "plan": ""}
    painter = {"id": "tally-painter", "label": "Painter", "multiplier": 2, "cost": 10, "plan": ""}
    assert priced.client.get("/api/ai/models").json() == {
        "text": [{**priced_per("message", model), **unknown} for model in (small, big)],
        "image": [{**priced_per("image", painter), "sizes": []}],
    }
    assert priced.ask("Hello", model="smollm2-135m").json()["creditsCharged"] == 2
    assert priced.paint("A tree", count=2).json()["creditsCharged"] == 20
    priced.ask("Hello", model="big")  # The fake provider has no such model: refunded.
    assert priced.balance == 78


def test_models_say_what_they_read_and_can(program: Program) -> None:
    text_model(
        reads_images=True, reads_files=True, uses_tools=True, reasons=True, context_tokens=8192,
        output_tokens=1024,
    )  # fmt: skip
    shown = program.client.get("/api/ai/models").json()["text"][0]
    assert shown["reads"] == ["text", "image", "file"]
    assert shown["abilities"] == ["tools", "reasoning"]
    assert (shown["contextTokens"], shown["outputTokens"]) == (8192, 1024)


def test_the_button_follows_the_model(priced: Program, alice: User) -> None:
    page = priced.client.get("/ai-chat").text
    assert "Big one · 3 credits" in page
    button = priced.client.get("/ai-chat/offer?model=big&count=3").text
    assert 'name="price" value="3"' in button
    assert 'name="image_price" value="30"' in button
    # The page showed the first model's price; another one asks again.
    refused = Chat(priced.site, alice).send("Hello", model="big", price="1")
    assert (refused.status, priced.balance) == (409, 100)
    assert refused.problem.startswith("The price is now 3 credits")
    assert 'name="price" value="3"' in refused.body


def test_a_model_that_is_not_offered_is_refused_before_charging(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    body = {"prompt": "A tree", "model": "other"}
    response = client.post("/api/ai/image", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["issues"][0]["path"] == ["model"]
    assert client.post("/images", {"message": "A tree", "image_model": "x"}).status_code == 400
    assert client.post("/ai-chat", {"message": "Hi", "model": "x"}).status_code == 400


@pytest.mark.parametrize("value", ["a=A*0", "a=A*x", "a=*3", "a*3", "a=A*1000", "a=A,a=B"])
def test_models_that_make_no_sense_stop_the_start(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_TEXT_MODELS", value)
    with pytest.raises(ImproperlyConfigured, match="AI_TEXT_MODELS"):
        env.models("AI_TEXT_MODELS", "")
