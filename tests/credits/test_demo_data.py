"""What a newcomer finds in an empty database."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from ai_chat.local_provider.wire import EMBEDDING_MODEL, TEXT_MODEL
from ai_chat.providers.bounds import Size, asked_of
from credits.amounts import PICO
from credits.catalogue.models import get_model
from credits.features import EMBEDDING, TEXT
from credits.models import AIModel, TokenPrice, Use, User
from credits.uses import Asked, Tokens, reserve_credits, settle_use

MODEL = "smollm2-135m-tokens"


@pytest.fixture
def demo(settings: Any, tmp_path: Path, db: None) -> User:
    settings.EMBEDDED_DATABASE, settings.VAR_DIR = True, tmp_path
    settings.LOCAL_PROVIDER = True
    call_command("demo_data")
    return User.objects.get(email="ada@example.com")


def test_a_short_answer_by_tokens_costs_a_part_of_a_credit(demo: User) -> None:
    model = get_model(MODEL, feature=TEXT, user_id=demo.pk)
    assert model.provider_model == TEXT_MODEL
    size = asked_of(model, Size(messages=1, text_bytes=40))
    reserve = reserve_credits(user_id=demo.pk, feature=TEXT, model=MODEL, asked=size)
    assert 1 <= reserve.credits <= 5
    tokens = Tokens(50, 20, 0, 60, 0, Use.Source.PROVIDER)
    ending = settle_use(charge_id=reserve.id, tokens=tokens)
    assert PICO // 10 <= ending.cost <= PICO
    cost, provider_cost = Use.objects.values_list("cost", "provider_cost").get()
    assert 0 < provider_cost < cost


def test_embeddings_have_a_price(demo: User) -> None:
    model = get_model("", feature=EMBEDDING, user_id=demo.pk)
    assert model.provider_model == EMBEDDING_MODEL
    asked = Asked(10_000, 0, 0, named=True)
    reserve = reserve_credits(user_id=demo.pk, feature=EMBEDDING, model=model.name, asked=asked)
    ending = settle_use(charge_id=reserve.id, tokens=Tokens(1_000, 0, 0, 0, 0, Use.Source.PROVIDER))
    assert (reserve.credits, ending.cost) == (1, PICO // 10)


def test_the_model_of_the_settings_is_the_first_and_costs_a_message(demo: User) -> None:
    first = get_model("", feature=TEXT, user_id=demo.pk)
    assert first.name == TEXT_MODEL
    assert not first.token_prices.exists()


def test_another_provider_is_not_given_the_model(settings: Any, tmp_path: Path, db: None) -> None:
    settings.EMBEDDED_DATABASE, settings.VAR_DIR = True, tmp_path
    settings.LOCAL_PROVIDER = False
    call_command("demo_data")
    assert User.objects.count() == 3
    assert not TokenPrice.objects.exists()
    assert not AIModel.objects.filter(name=MODEL).exists()
