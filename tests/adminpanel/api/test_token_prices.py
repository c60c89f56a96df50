"""Prices by tokens through GET and PUT /api/admin/models, and how /api/ai/models says them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from credits.models import AIModel, SettingsChange, TokenPrice, User
from tests.factories import make_model, make_token_price, sql_now

pytestmark = pytest.mark.django_db
URL = "/api/admin/models"
MINI = {"input": "0.25", "output": "2"}
#: As MINI is read: with what it did not name.
READ = {
    "input": "0.25", "cached": "0.25", "cacheWrite": "0.25", "output": "2", "reasoning": "2",
    "request": "0", "maxInput": None, "provider": None,
}  # fmt: skip


@pytest.fixture
def desk(client: Client, admin: User) -> Client:
    make_model("mini")
    client.force_login(admin)
    return client


def put(desk: Client, *prices: dict[str, Any], **body: Any) -> Any:
    body = {"tokenPrices": prices, **body}
    return desk.put(URL, body, content_type="application/json")


def test_a_price_is_set_and_shown(desk: Client, admin: User) -> None:
    answer = put(desk, {"model": "mini", "price": MINI})
    assert answer.status_code == 200, answer.text
    price = TokenPrice.objects.get()
    assert (price.input, price.output) == (250_000, 2_000_000)
    [shown] = answer.json()["tokenPrices"]
    moment = price.valid_from.isoformat().replace("+00:00", "Z")
    assert shown == {"model": "mini", "validFrom": moment, "version": price.pk, "price": READ}
    [mini] = [each for each in answer.json()["models"] if each["id"] == "mini"]
    assert mini["cost"] is None
    assert mini["pricing"]["input"] == "0.25"
    assert SettingsChange.objects.get().actor == admin


def test_what_was_read_is_taken_back_as_it_is(desk: Client) -> None:
    asked = {"input": "0.1", "output": "1", "cached": "0", "cacheWrite": "0.1", "reasoning": "1",
             "request": "0.5"}  # fmt: skip
    put(desk, {"model": "mini", "price": {**MINI, "maxInput": 500, "provider": asked}})
    soon = sql_now() + timedelta(days=2)
    put(desk, {"model": "mini", "validFrom": soon.isoformat(), "price": None})
    shown = desk.get(URL).json()["tokenPrices"]
    assert [row["price"] and row["price"]["provider"] for row in shown] == [asked, None]
    again = [{key: row[key] for key in ("model", "validFrom", "price")} for row in shown]
    assert put(desk, *again).json()["tokenPrices"] == shown
    assert TokenPrice.objects.count() == 2


def test_a_model_is_added_with_its_price(desk: Client) -> None:
    model = {"id": "new", "feature": "ai_text_chat"}
    answer = put(desk, {"model": "new", "price": MINI}, models=[model])
    assert answer.status_code == 200
    assert TokenPrice.objects.get().model.name == "new"


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"price": MINI}, ["model"]),
        ({"model": "none", "price": MINI}, ["model"]),
        ({"model": "painter", "price": MINI}, ["price"]),
        ({"model": "mini"}, ["price"]),
        ({"model": "mini", "price": {"input": "1"}}, ["price", "output"]),
        ({"model": "mini", "price": {**MINI, "input": 0.25}}, ["price", "input"]),
        ({"model": "mini", "price": {**MINI, "input": 1}}, ["price", "input"]),
        ({"model": "mini", "price": {**MINI, "cached": None}}, ["price", "cached"]),
        ({"model": "mini", "price": {**MINI, "output": "0.0000001"}}, ["price", "output"]),
        ({"model": "mini", "price": {**MINI, "request": "101"}}, ["price", "request"]),
        ({"model": "mini", "price": {**MINI, "maxInput": 0}}, ["price", "maxInput"]),
        ({"model": "mini", "price": {**MINI, "mystery": "1"}}, ["price", "mystery"]),
        ({"model": "mini", "price": {**MINI, "provider": {}}}, ["price", "provider", "input"]),
        ({"model": "mini", "price": MINI, "validFrom": "2020-01-01T00:00:00Z"}, ["validFrom"]),
        ({"model": "mini", "price": MINI, "validFrom": "2099-01-01T00:00:00"}, ["validFrom"]),
        ({"model": "mini", "price": MINI, "validFrom": "2099-02-30T00:00:00Z"}, ["validFrom"]),
        ({"model": "mini", "price": MINI, "validFrom": 5}, ["validFrom"]),
    ],
)
def test_what_is_refused_names_its_field_and_nothing_is_done(
    desk: Client, entry: dict[str, Any], path: list[str]
) -> None:
    make_model("painter", feature="ai_image_generation")
    answer = put(desk, {"model": "mini", "price": {**MINI, "input": "9"}}, entry)
    assert answer.status_code == 400
    assert ["tokenPrices", 1, *path] in [each["path"] for each in answer.json()["issues"]]
    assert not TokenPrice.objects.exists()


def test_a_new_price_makes_what_was_read_before_out_of_date(desk: Client) -> None:
    version = desk.get(URL).json()["version"]
    assert put(desk, {"model": "mini", "price": MINI}, version=version).status_code == 200
    answer = put(desk, {"model": "mini", "price": None}, version=version)
    assert (answer.status_code, answer.json()["error"]) == (409, "changed_meanwhile")


def test_the_catalogue_is_read_by_as_many_queries_whatever_the_number_of_prices(
    desk: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        make_token_price(make_model())
    with django_assert_max_num_queries(14):
        desk.get(URL)


def test_the_offer_says_how_each_model_is_priced(client: Client, alice: User) -> None:
    mini, painter = make_model("mini"), make_model("painter", feature="ai_image_generation")
    price = make_token_price(mini, cached=10**5)
    client.force_login(alice)
    shown = client.get("/api/ai/models").json()
    [text], [image] = shown["text"], shown["image"]
    assert (text["cost"], text["pricing"]["version"]) == (None, price.pk)
    assert (text["pricing"]["unit"], text["pricing"]["cached"]) == ("1M_tokens", "0.1")
    assert (image["cost"], image["pricing"]) == (5, {"unit": "image", "credits": 5})
    assert AIModel.objects.get(pk=painter.pk).name == image["id"]
