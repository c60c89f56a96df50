"""What the pages of keys show to paste: the blocks of docs/clients.md, for this site."""

from html import unescape
from typing import Any

import pytest
from django.test import Client as Browser

from credits.keys.clients import ADDRESS, CLAUDE, MODEL, SECRET, clients_for
from credits.models import Provider, User
from tests.factories import make_key, make_model

SHOWN = clients_for(address="https://ai.example", model="m/1", claude="claude-2", secret="S")
TEXTS = [block.text for client in clients_for(address=ADDRESS) for block in client.blocks]


@pytest.fixture
def page(client: Browser, alice: User, settings: Any) -> Browser:
    """Alice's browser, on a site with one model."""
    settings.SITE_URL = "https://ai.example"
    make_model("m/1", position=0)
    client.force_login(alice)
    return client


def test_a_site_takes_the_place_of_the_examples() -> None:
    shown = "".join(block.text for client in SHOWN for block in client.blocks)
    for name in (ADDRESS, SECRET, MODEL, CLAUDE):
        assert any(name in text for text in TEXTS)
        assert name not in shown


def test_every_block_names_the_address_and_the_key_or_calls_what_does() -> None:
    for client in clients_for(address=ADDRESS):
        whole = "".join(block.text for block in client.blocks)
        assert ADDRESS in whole and SECRET in whole, client.name


@pytest.mark.django_db
def test_the_pages_show_what_the_document_says(page: Browser, alice: User) -> None:
    key = make_key(alice)
    for path in ("/account/keys", f"/account/keys/{key.public_id}"):
        shown = unescape(page.get(path).text)
        for client in clients_for(address="https://ai.example", model="m/1"):
            is_shown = all(block.text in shown for block in client.blocks)
            assert is_shown == (client.name not in {"Claude Code", "Anthropic SDK"}), client.name


@pytest.mark.django_db
def test_anthropics_clients_are_shown_where_a_model_speaks_their_protocol(
    page: Browser, alice: User
) -> None:
    provider = Provider.objects.create(name="a", dialect=Provider.Dialect.ANTHROPIC)
    make_model("claude-2", provider=provider)
    assert "claude --model claude-2" in page.get("/account/keys").text
    key = make_key(alice, only_models=["m/1"])
    assert "claude --model" not in page.get(f"/account/keys/{key.public_id}").text


@pytest.mark.django_db
def test_a_new_secret_stands_in_what_is_pasted(page: Browser) -> None:
    answer = page.post("/account/keys", {"name": "CI", "which": "all"})
    secret = answer.context["secret"]
    assert f'api_key="{secret}"' in unescape(answer.text)
    assert SECRET not in answer.text
