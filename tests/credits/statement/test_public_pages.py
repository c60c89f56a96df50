"""The front door and the prices."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credits.models import User
from tests.adminpanel.settings.words import words
from tests.factories import make_model, make_plan, make_token_price, set_price, sql_now


def test_a_visitor_reads_what_it_is_and_what_it_costs(client: Client, db: None) -> None:
    set_price("ai_text_chat", 3)
    page = client.get("/").text
    assert "Know the price first" in page
    assert "“Send · 3 credits”" in page
    assert "50 credits to start" in page
    assert 'href="/sign-up"' in page


def test_who_is_signed_in_goes_to_the_chat(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/")["Location"] == reverse("chat")


def test_prices_are_those_of_this_moment(client: Client, db: None) -> None:
    set_price("ai_image_generation", 8)
    text = " ".join(client.get("/pricing").text.split())
    assert "<strong>1</strong> credit per message" in text
    assert "<strong>8</strong> credits per image" in text
    set_price("ai_text_chat", 0)
    assert "<strong>free</strong>" in client.get("/pricing").text


def test_plans_say_what_a_month_of_them_buys(client: Client, db: None) -> None:
    make_plan(credits=1500)
    make_plan(credits=77, active=False)
    text = client.get("/pricing").text
    assert "<strong>1,500</strong> credits a month" in text
    assert "Enough for 1,500 messages or 300 images" in text
    assert "77" not in re.sub(r"<[^>]*>", "", text), "and no token in a form counts"


def test_a_plan_that_buys_nothing_promises_nothing(client: Client, db: None) -> None:
    make_plan(credits=0)
    set_price("ai_text_chat", 0)
    assert "Enough for" not in client.get("/pricing").text


def test_plans_name_the_models_that_come_with_them(client: Client, db: None) -> None:
    basic, pro = make_plan(credits=100), make_plan(credits=1500)
    make_model("fast", least_plan=basic)
    make_model("large", least_plan=pro)
    make_model("retired", least_plan=basic, active=False)
    make_model("everybodys")
    cards = re.findall(r'<li class="card">.*?</li>', client.get("/pricing").text, re.DOTALL)
    assert "With the model fast<" in cards[-2]
    assert "With the models fast, large<" in cards[-1]


def test_without_plans_it_says_so(client: Client, db: None) -> None:
    assert "There are no plans at the moment." in client.get("/pricing").text


def test_a_plan_is_named_as_text(client: Client, db: None) -> None:
    plan = make_plan()
    plan.name = "<script>alert(1)</script>"
    plan.save()
    assert "<script>alert" not in client.get("/pricing").text


@pytest.mark.parametrize("url", ["/", "/pricing", "/sign-in", "/sign-up", "/password-reset"])
def test_pages_keep_to_the_content_security_policy(client: Client, db: None, url: str) -> None:
    answer = client.get(url)
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    for forbidden in (" style=", "<style", " onclick=", "javascript:", "<script>"):
        assert forbidden not in answer.text, forbidden


def test_the_front_door_asks_the_database_once(
    client: Client, db: None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        client.get("/")


def test_addresses_have_no_trailing_slash(client: Client, db: None) -> None:
    for url in ("/pricing/", "/sign-in/", "/usage/"):
        assert client.get(url).status_code == 404


def test_models_that_cost_by_tokens_say_so_with_what_is_announced(client: Client, db: None) -> None:
    assert "Models that cost what they use" not in client.get("/pricing").text
    mini, later = make_model("mini", label="Mini <b>"), make_model("later", price_factor=3)
    make_token_price(make_model("away", active=False))
    make_token_price(mini, input=250_000, cached=25_000, output=100_000_000, request=10**10)
    make_token_price(later, valid_from=sql_now() + timedelta(days=2))
    page = client.get("/pricing").text
    assert "Mini &lt;b&gt;" in page
    text = words(client.get("/pricing"))
    assert "Mini <b> 0.25 0.025 100" in text
    assert "about 0.08 credits (0.01 of it for each request)" in text
    assert "1 in, 1 out per 1M tokens 3 credits a message now" in text
    assert "away" not in text
