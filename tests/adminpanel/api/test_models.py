"""GET and PUT /api/admin/models."""

from typing import Any

import pytest
from django.test import Client

from credits.models import AIModel, AuditEntry, Provider, SettingsChange, User
from tests.factories import make_model, make_plan, set_price

pytestmark = pytest.mark.django_db
URL = "/api/admin/models"


@pytest.fixture
def desk(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def put(desk: Client, **body: Any) -> Any:
    return desk.put(URL, body, content_type="application/json")


def model_of(answer: Any, name: str) -> dict[str, Any]:
    [model] = [model for model in answer.json()["models"] if model["id"] == name]
    return dict(model)


def test_it_says_all_there_is(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "secret-value")
    provider = Provider.objects.create(
        name="Other", base_url="https://ai.example/v1", key_variable="OTHER_API_KEY",
        dialect="compatible",
    )  # fmt: skip
    plan, small = make_plan("cplan_pro"), make_model("small")
    make_model(
        "other/large:8b", label="Large", provider=provider, provider_model="large", price_factor=3,
        reads_images=True, uses_tools=True, context_tokens=8000, reasoning_tokens=500,
        hides_reasoning=True, bytes_per_hundred_tokens=200, output_least=512,
        sizes=["1024x1024"], least_plan=plan, fallback=small, active=False, position=7,
    )  # fmt: skip
    set_price("ai_text_chat", 5)
    answer = desk.get(URL)
    assert answer.status_code == 200
    assert model_of(answer, "other/large:8b") == {
        "id": "other/large:8b",
        "label": "Large",
        "feature": "ai_text_chat",
        "provider": "Other",
        "providerModel": "large",
        "reads": ["text", "image"],
        "tools": True,
        "reasoning": False,
        "contextTokens": 8000,
        "outputTokens": None,
        "reasoningTokens": 500,
        "hidesReasoning": True,
        "bytesPerHundredTokens": 200,
        "imageTokens": 1700,
        "tokensPerPage": 3000,
        "outputLeast": 512,
        "imagesPerCall": 4,
        "sizes": ["1024x1024"],
        "priceFactor": 3,
        "cost": 15,
        "pricing": {"unit": "message", "credits": 15},
        "leastPlan": "cplan_pro",
        "fallback": "small",
        "active": False,
        "position": 7,
    }
    assert answer.json()["providers"][0] == {
        "name": "Other",
        "baseUrl": "https://ai.example/v1",
        "keyVariable": "OTHER_API_KEY",
        "dialect": "compatible",
        "keyIsSet": True,
    }
    assert "secret-value" not in answer.text


def test_the_first_start_is_there_without_anything_done(desk: Client) -> None:
    models = desk.get(URL).json()["models"]
    assert [model["id"] for model in models] == ["tally-painter", "smollm2-135m"]
    assert [model["cost"] for model in models] == [5, 1]


def test_a_partial_adds_and_changes_and_leaves_the_rest(desk: Client, admin: User) -> None:
    make_model("large", price_factor=3, label="Large")
    answer = put(
        desk,
        providers=[{"name": "Other", "keyVariable": "OTHER_API_KEY"}],
        models=[
            {"id": "large", "provider": "Other", "contextTokens": 9000},
            {"id": "new", "feature": "ai_image_generation", "imagesPerCall": 1},
        ],
    )
    assert answer.status_code == 200, answer.text
    large = model_of(answer, "large")
    assert (large["label"], large["priceFactor"], large["provider"]) == ("Large", 3, "Other")
    assert model_of(answer, "new")["cost"] == 5
    assert SettingsChange.objects.filter(actor=admin).count() == 3
    assert {entry.action for entry in AuditEntry.objects.all()} == {
        "provider.add", "model.change", "model.add",
    }  # fmt: skip
    answer = put(desk, models=[{"id": "large", "contextTokens": None, "active": False}])
    assert model_of(answer, "large")["contextTokens"] is None
    assert not AIModel.objects.get(name="large").active


def test_what_a_reader_gets_can_be_sent_back(desk: Client) -> None:
    make_model("large", reads_files=True, least_plan=make_plan(), fallback=make_model("small"))
    read = desk.get(URL).json()
    computed = {"cost", "pricing"}
    models = [{key: model[key] for key in model.keys() - computed} for model in read["models"]]
    providers = [
        {key: value for key, value in provider.items() if key != "keyIsSet"}
        for provider in read["providers"]
    ]
    answer = put(desk, models=models, providers=providers, version=read["version"])
    assert (answer.status_code, answer.json()) == (200, read)
    assert not SettingsChange.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"models": [{"id": "large"}, {"id": "x", "priceFactor": 0}]},
         ["models", 1, "priceFactor"]),
        ({"models": [{"id": "large", "fallback": "none"}]}, ["models", 0, "fallback"]),
        ({"models": [{"id": "x"}]}, ["models", 0, "feature"]),
        ({"models": [{"label": "x"}]}, ["models", 0, "id"]),
        ({"models": [{"id": "large", "cost": 5}]}, ["models", 0, "cost"]),
        ({"models": [{"id": "large", "label": None}]}, ["models", 0, "label"]),
        ({"models": [{"id": "large"}, {"id": "large"}]}, ["models", 1, "id"]),
        ({"providers": [{"name": "a", "keyVariable": "SECRET_KEY"}]},
         ["providers", 0, "keyVariable"]),
        ({"providers": [{"name": "a", "baseUrl": "file:///etc/passwd"}]},
         ["providers", 0, "baseUrl"]),
    ],
)  # fmt: skip
def test_a_wrong_body_names_the_place_and_changes_nothing(
    desk: Client, body: dict[str, Any], path: list[Any]
) -> None:
    make_model("large")
    answer = put(desk, **body)
    assert answer.status_code == 400
    assert [one["path"] for one in answer.json()["issues"]] == [path]
    assert not SettingsChange.objects.exists()


@pytest.mark.parametrize("body", [[], "x", {"models": {}}, {"models": [5]}, {"models": None}])
def test_bodies_that_are_none(desk: Client, body: Any) -> None:
    assert desk.put(URL, body, content_type="application/json").status_code == 400


def test_what_others_changed_meanwhile_is_not_overwritten(desk: Client) -> None:
    make_model("large")
    version = desk.get(URL).json()["version"]
    assert put(desk, models=[{"id": "large", "priceFactor": 2}], version=version).status_code == 200
    late = put(desk, models=[{"id": "large", "priceFactor": 3}], version=version)
    assert (late.status_code, late.json()["error"]) == (409, "changed_meanwhile")
    assert late.json()["version"] == desk.get(URL).json()["version"]
