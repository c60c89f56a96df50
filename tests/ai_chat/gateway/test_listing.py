"""GET /v1/models: one list for the clients of OpenAI, Anthropic and OpenRouter."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from credits.models import AIModel, User
from tests.ai_chat.tokens import price_by_tokens
from tests.factories import make_key, make_secret

type Get = Callable[[str], dict[str, Any]]


@pytest.fixture
def get(alice: User) -> Get:
    """Asks with a key that may use every model."""
    secret = make_secret(make_key(alice))
    return lambda path: ask(secret, path)


def ask(secret: str, path: str, status: int = 200) -> dict[str, Any]:
    """What is answered to a GET below /v1."""
    answer = Client().get(f"/v1/{path}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == status, answer.content
    body: dict[str, Any] = answer.json()
    return body


def models_by_id(get: Get) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in get("models")["data"]}


def text_model(get: Get) -> AIModel:
    get("models")  # Fills an empty catalogue.
    return AIModel.objects.filter(feature="ai_text_chat").order_by("position").first() or AIModel()


def test_a_model_by_tokens_says_its_prices_and_their_version(get: Get) -> None:
    price = price_by_tokens()
    body = models_by_id(get)[price.model.name]
    assert body["pricing"] == {
        "input": "1000",
        "cached": "100",
        "cache_write": "1000",
        "output": "2000",
        "reasoning": "2000",
        "request": "0",
        "unit": "credits per 1M tokens",
        "version": price.pk,
    }
    assert body["max_output_tokens"] == 1000
    assert (body["object"], body["type"]) == ("model", "model")
    assert body["created_at"].endswith("Z")
    assert isinstance(body["created"], int)


def test_what_a_model_reads_writes_and_takes_is_said_in_openrouters_names(get: Get) -> None:
    model = text_model(get)
    AIModel.objects.filter(pk=model.pk).update(
        reads_images=True, reads_files=True, uses_tools=True, reasons=True, context_tokens=9000
    )
    body = models_by_id(get)[model.name]
    assert body["architecture"] == {
        "modality": "text+image+file->text",
        "input_modalities": ["text", "image", "file"],
        "output_modalities": ["text"],
    }
    assert body["context_length"] == body["top_provider"]["context_length"] == 9000
    parameters = body["supported_parameters"]
    assert {"tools", "tool_choice", "reasoning_effort", "max_tokens"} <= {*parameters}
    assert body["endpoints"] == ["/v1/chat/completions", "/v1/responses"]


def test_a_model_that_calls_no_tools_does_not_say_so(get: Get) -> None:
    model = text_model(get)
    AIModel.objects.filter(pk=model.pk).update(uses_tools=False, reasons=False)
    parameters = models_by_id(get)[model.name]["supported_parameters"]
    assert not {"tools", "tool_choice", "reasoning_effort"} & {*parameters}


def test_image_models_are_listed_as_what_they_are(get: Get) -> None:
    get("models")
    model = AIModel.objects.filter(feature="ai_image_generation")[0]
    AIModel.objects.filter(pk=model.pk).update(price_factor=3, sizes=["512x512"])
    body = models_by_id(get)[model.name]
    assert body["architecture"]["output_modalities"] == ["image"]
    assert body["endpoints"] == ["/v1/images/generations"]
    assert body["pricing"] == {"image": "15", "unit": "credits per image", "version": 0}
    assert body["sizes"] == ["512x512"]
    assert body["max_output_tokens"] is None


def test_an_id_may_hold_slashes_however_it_is_written(get: Get) -> None:
    model = text_model(get)
    AIModel.objects.filter(pk=model.pk).update(name="vendor/family/model:free")
    assert get("models/vendor/family/model:free")["id"] == "vendor/family/model:free"
    assert get("models/vendor%2Ffamily%2Fmodel:free")["id"] == "vendor/family/model:free"


def test_a_key_sees_only_the_models_it_may_use(get: Get, alice: User) -> None:
    names = [*models_by_id(get)]
    secret = make_secret(make_key(alice, only_models=names[:1]))
    assert [model["id"] for model in ask(secret, "models")["data"]] == names[:1]
    refused = ask(secret, f"models/{names[1]}", status=404)
    assert refused["error"]["code"] == "model_not_found"
    assert refused["error"]["type"] == "invalid_request_error"


def test_retired_models_are_not_listed(get: Get) -> None:
    model = text_model(get)
    AIModel.objects.filter(pk=model.pk).update(active=False)
    assert model.name not in models_by_id(get)


def test_claude_code_gets_its_list_in_one_answer(get: Get) -> None:
    everything = get("models")
    listed = get("models?limit=1000")
    assert listed == everything
    assert listed["has_more"] is False
    assert listed["first_id"] == listed["data"][0]["id"]
    assert listed["last_id"] == listed["data"][-1]["id"]


def test_pages_go_on_where_the_one_before_ended(get: Get) -> None:
    model = text_model(get)
    for number in range(5):
        AIModel.objects.create(
            name=f"more-{number}", label="More", feature=model.feature, provider=model.provider,
            provider_model="more", position=10 + number,
        )  # fmt: skip
    names = [*models_by_id(get)]
    seen, after, pages = [], "", 0
    while pages < len(names):
        page = get(f"models?limit=2&after_id={after}")
        seen += [model["id"] for model in page["data"]]
        after, pages = page["last_id"], pages + 1
        if not page["has_more"]:
            break
    assert seen == names
    back = get(f"models?limit=2&before_id={names[3]}")
    assert [model["id"] for model in back["data"]] == names[1:3]
    assert back["has_more"] is True


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", "9" * 30, "²"])
def test_a_limit_that_is_none_is_refused(alice: User, limit: str) -> None:
    secret = make_secret(make_key(alice))
    refused = ask(secret, f"models?limit={limit}", status=400)
    assert refused["error"]["param"] == "limit"


def test_the_list_is_read_by_get_alone(alice: User) -> None:
    secret = make_secret(make_key(alice))
    answer = Client().post("/v1/models", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 405
    assert answer["Allow"] == "GET"
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_a_key_that_may_use_nothing_sees_an_empty_list(alice: User) -> None:
    secret = make_secret(make_key(alice, only_models=[]))
    listed = ask(secret, "models?limit=1000")
    assert (listed["data"], listed["first_id"], listed["last_id"]) == ([], None, None)
