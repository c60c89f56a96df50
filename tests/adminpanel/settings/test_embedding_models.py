"""/admin/settings: a model for embeddings, which costs by tokens of input or cannot be used."""

from django.test import Client

from credits.catalogue.token_prices import price_state
from credits.features import EMBEDDING
from credits.models import AIModel, Use, User
from credits.uses import Tokens, settle_use
from tests.adminpanel.settings.words import value_of, words
from tests.factories import make_charge, make_model, make_reserve, make_token_price, price_in_force


def test_it_is_added_and_gets_a_price_of_input(desk: Client) -> None:
    new = desk.get("/admin/settings/models/new")
    assert '<option value="ai_embedding">Embeddings</option>' in new.text
    model = make_model("embed", feature=EMBEDDING, label="Vectors")
    assert "Vectors embed default text, embeddings 1 no price" in words(desk.get("/admin/settings"))
    page = f"/admin/settings/models/{model.pk}/price"
    assert page in desk.get(f"/admin/settings/models/{model.pk}").text
    shown = desk.get(page)
    assert "It has no price by tokens. Nobody can use it." in words(shown)
    for absent in ("output", "reasoning", "provider_output"):
        assert f'name="{absent}"' not in shown.text
    fields = {"by": "tokens", "input": "20", "provider_input": "8", "version": "0"}
    review = desk.get(f"{page}/review", fields)
    assert "The embedding of a text of 500 words would cost about 0.014 credits." in words(review)
    sent = {name: value_of(review, name) for name in fields}
    assert "has another price" in words(desk.post(page, sent, follow=True))
    state = price_state(price_in_force(model))
    assert state
    assert (state["input"], state["output"], state["reasoning"]) == ("20", "0", "0")
    assert state["provider"]["input"] == "8"
    assert "20 in per 1M tokens" in words(desk.get("/admin/settings"))


def test_without_a_price_nobody_can_use_it_again(desk: Client) -> None:
    model = make_model("embed", feature=EMBEDDING)
    page = f"/admin/settings/models/{model.pk}/price"
    desk.post(page, {"by": "tokens", "input": "20", "version": "0"})
    version = value_of(desk.get(page), "version")
    review = desk.get(f"{page}/review", {"by": "message", "version": version})
    assert "From now on nobody can use it." in words(review)
    desk.post(page, {"by": "message", "version": version})
    assert price_in_force(AIModel.objects.get()) is None


def test_what_it_costs_is_counted_on_the_desk(desk: Client, alice: User) -> None:
    model = make_model("embed", feature=EMBEDDING, label="Vectors")
    make_token_price(model, output=0, reasoning=0)
    make_charge(alice)
    charge = make_reserve(alice, model, output=0, least=0)
    settle_use(charge_id=charge.id, tokens=Tokens(600, 0, 0, 0, 0, Use.Source.PROVIDER))
    page = desk.get("/admin/usage", {"feature": EMBEDDING}).context["page"]
    assert {row.operation_type for row in page.rows} == {"AI_EMBEDDING"}
    assert "Embeddings 1 1" in words(desk.get("/admin"))
    assert "Vectors" in words(desk.get("/admin/usage/models"))
