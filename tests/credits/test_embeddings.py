"""Embeddings in the catalogue and the ledger: by tokens alone, without a cost of a feature, and
never something to chat with."""

import csv
import io
from typing import Any

import pytest
from django.test import Client

from config.errors import InvalidInput
from credits.amounts import PICO
from credits.catalogue.models import get_model, offered_models
from credits.catalogue.token_price_changes import set_token_price
from credits.exceptions import ModelNotOffered, OtherPricing
from credits.features import (
    EMBEDDING,
    FEATURE_CREDIT_COSTS,
    IMAGE,
    TEXT,
    OperationType,
    UnknownFeature,
)
from credits.ledger import deduct_credits_for_feature, release_charge
from credits.models import AIModel, Use, User
from credits.pricing import get_feature_cost, get_feature_costs
from credits.uses import Asked, Tokens, reserve_credits, settle_use
from tests.adminpanel.settings.words import words
from tests.api import Api
from tests.factories import make_model, make_token_price
from tests.ledger import assert_ledger_is_consistent

pytestmark = pytest.mark.django_db
#: 0.02 credits for 1,000 tokens.
PRICE = {"input": 20_000_000, "cached": 0, "cache_write": 0, "output": 0, "reasoning": 0}


@pytest.fixture
def model(db: None) -> AIModel:
    return make_model("embed", feature=EMBEDDING, label="Vectors")


def embed(user: User, model: AIModel, *, bound: int = 1000) -> int:
    """Reserves a call of embeddings, which has no output. Returns the id of its charge."""
    asked = Asked(bound, 0, 0, named=True)
    reserve = reserve_credits(user_id=user.pk, feature=EMBEDDING, model=model.name, asked=asked)
    assert reserve.output_granted == 0
    return reserve.id


def used(charge: int, tokens: int) -> Any:
    return settle_use(charge_id=charge, tokens=Tokens(tokens, 0, 0, 0, 0, Use.Source.PROVIDER))


class TestCatalogue:
    def test_the_chat_is_never_offered_one(self, model: AIModel, alice: User) -> None:
        make_token_price(model, **PRICE)
        text, image = make_model("text"), make_model("painter", feature=IMAGE)
        offered = {key: offered_models(key, user_id=alice.pk) for key in (TEXT, IMAGE, EMBEDDING)}
        assert offered == {TEXT: [text], IMAGE: [image], EMBEDDING: [model]}
        assert get_model("embed", feature=EMBEDDING, user_id=alice.pk) == model
        for feature in (TEXT, IMAGE):
            with pytest.raises(ModelNotOffered):
                get_model("embed", feature=feature, user_id=alice.pk)
        listed = Api(alice).get("/api/ai/models").json()
        assert {kind: [each["id"] for each in models] for kind, models in listed.items()} == {
            "text": ["text"],
            "image": ["painter"],
        }
        assert "Vectors" not in Api(alice).get("/ai-chat").text

    def test_only_the_features_with_a_cost_have_one(self, model: AIModel, admin: User) -> None:
        assert {*FEATURE_CREDIT_COSTS} == {*get_feature_costs()} == {TEXT, IMAGE}
        costs = Api(admin).get("/api/credits/settings").json()["featureCosts"]
        assert {*costs} == {TEXT, IMAGE}
        body = {"featureCosts": {EMBEDDING: 1}}
        assert Api(admin).send("PUT", "/api/admin/settings", body).status_code == 400
        with pytest.raises(UnknownFeature):
            get_feature_cost(EMBEDDING)

    def test_without_a_price_by_tokens_it_has_none(
        self, client: Client, model: AIModel, admin: User, alice: User
    ) -> None:
        [listed] = Api(admin).get("/api/admin/models").json()["models"]
        assert (listed["feature"], listed["cost"], listed["pricing"]) == (EMBEDDING, None, None)
        assert "Vectors" not in client.get("/pricing").text
        with pytest.raises(OtherPricing):
            embed(alice, model)
        for name in ("embed", None):
            with pytest.raises(ModelNotOffered):
                deduct_credits_for_feature(user_id=alice.pk, feature=EMBEDDING, model=name)
        assert not alice.usage.filter(operation_type=OperationType.AI_EMBEDDING).exists()

    def test_its_price_is_one_of_input(self, client: Client, model: AIModel, admin: User) -> None:
        for output in ({"output": "1"}, {"output": "0", "reasoning": "0.000001"}):
            with pytest.raises(InvalidInput, match="Embeddings have no output"):
                set_token_price(actor=admin, model="embed", prices={"input": "20", **output})
        change = {"tokenPrices": [{"model": "embed", "price": {"input": "20", "output": "0"}}]}
        answer = Api(admin).send("PUT", "/api/admin/models", change)
        [listed] = answer.json()["models"]
        assert listed["pricing"]["input"] == "20"
        make_token_price(make_model("text", label="Words"))
        page = words(client.get("/pricing"))
        assert page.index("Words 1 1 1 1 ") < page.index("Vectors 20 ")
        assert "Vectors 20 20 – – the embedding of a text of 500 words, about 0.014 credits" in page
        set_token_price(actor=admin, model="embed", prices=None)
        assert "Vectors" not in client.get("/pricing").text


class TestLedger:
    @pytest.fixture(autouse=True)
    def price(self, model: AIModel) -> None:
        make_token_price(model, **PRICE)

    def test_a_use_is_a_charge_of_its_own_type(self, model: AIModel, alice: User) -> None:
        ending = used(embed(alice, model), 600)
        assert (ending.cost, ending.collected, ending.kept) == (12 * PICO // 1000, ending.cost, 1)
        row = alice.usage.filter(refund_of=None).latest("pk")
        assert (row.operation_type, row.feature, row.what) == (
            "AI_EMBEDDING", EMBEDDING, "Embeddings",
        )  # fmt: skip
        assert_ledger_is_consistent()

    def test_a_failed_call_is_refunded(self, model: AIModel, alice: User) -> None:
        release_charge(charge_id=embed(alice, model), reason="provider_error")
        assert alice.usage.latest("pk").balance_after == 100
        assert alice.usage.latest("pk").operation_type == "AI_EMBEDDING"
        assert_ledger_is_consistent()

    def test_the_statement_says_what_was_read(self, model: AIModel, alice: User) -> None:
        used(embed(alice, model), 600)
        page = words(Api(alice).get("/usage", {"kind": EMBEDDING}))
        assert "Embeddings Vectors · 0.012 credits 600 tokens in · 1 reserved, 1 kept" in page
        assert "Embeddings Vectors" not in words(Api(alice).get("/usage", {"kind": TEXT}))
        file: Any = Api(alice).get("/usage.csv", {"kind": EMBEDDING})
        [row] = csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode()))
        assert (row["What"], row["Note"]) == ("Embeddings", "Vectors · 0.012 credits")

    def test_the_api_finds_it_by_its_feature(self, model: AIModel, alice: User) -> None:
        used(embed(alice, model), 600)
        [row] = Api(alice).get("/api/credits/usage", {"feature": EMBEDDING}).json()["items"]
        assert (row["operationType"], row["feature"]) == ("AI_EMBEDDING", EMBEDDING)
        assert row["cost"] == "0.012000000000"
        assert (row["usage"]["input"], row["usage"]["output"]) == (600, 0)
