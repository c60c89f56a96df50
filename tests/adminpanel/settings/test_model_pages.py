"""/admin/settings: models and providers."""

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from adminpanel.settings.forms import ModelForm
from credits.models import AIModel, Provider, SettingsChange, User
from tests.adminpanel.settings.words import value_of, words
from tests.factories import make_model, make_plan, set_price
from tests.fakes.serving import serving

PAGE = "/admin/settings"
pytestmark = pytest.mark.django_db


def fields_of(page: str) -> dict[str, Any]:
    """What a browser would send of the form as it stands."""
    form = page.partition('<form class="card stack"')[2].partition("</form>")[0]
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r' name="([^"]+)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            blank = "on" if 'type="checkbox"' in tag else ""
            fields.setdefault(name[1], []).append(html.unescape(value[1]) if value else blank)
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = [chosen[1] if chosen else ""]
    return fields


def address(kind: str, row: AIModel | Provider) -> str:
    return f"{PAGE}/{kind}s/{row.pk}"


class TestModels:
    def test_the_settings_list_them_with_todays_price(self, desk: Client) -> None:
        plan = make_plan("cplan_pro")
        make_model("x/large", label="Large", price_factor=3, least_plan=plan, reads_images=True)
        make_model("old", label="Old <b>", active=False, uses_tools=True)
        make_model("away", unreachable=True)
        set_price("ai_text_chat", 5)
        page = desk.get(PAGE)
        assert "Large x/large default text, image 3 15 a message Pro active" in words(page)
        assert "text, tools 1 5 a message retired" in words(page)
        assert "Old &lt;b&gt;" in page.text
        assert "away away default text 1 5 a message unreachable" in words(page)

    def test_embeddings_wait_for_their_price(self, desk: Client) -> None:
        fields = fields_of(desk.get(f"{PAGE}/models/new").text)
        fields |= {"id": "embed", "label": "Embed", "provider_model": "embed"}
        fields |= {"feature": "ai_embedding", "provider": "default"}
        answer = desk.post(f"{PAGE}/models/new", fields, follow=True)
        assert "Embed is added. Nobody can use it until it has a price" in words(answer)
        model = AIModel.objects.get(name="embed")
        assert f'href="{PAGE}/models/{model.pk}/price"' in answer.text

    def test_one_is_added(self, desk: Client, admin: User) -> None:
        fields = fields_of(desk.get(f"{PAGE}/models/new").text)
        fields |= {"id": "large", "label": "Large", "provider_model": "vendor/large"}
        fields |= {"feature": "ai_text_chat", "provider": "default", "price_factor": "3"}
        fields |= {"reads": ["file"], "sizes": "512x512, 64x64", "context_tokens": "8000"}
        answer = desk.post(f"{PAGE}/models/new", fields, follow=True)
        assert "Large is added." in words(answer)
        model = AIModel.objects.get(name="large")
        assert (model.price_factor, model.context_tokens, model.output_tokens) == (3, 8000, None)
        assert (model.reads, model.sizes) == (["text", "file"], ["512x512", "64x64"])
        assert (model.active, model.position) == (True, 1)
        assert SettingsChange.objects.get().actor == admin

    def test_saving_what_is_shown_changes_nothing(self, desk: Client) -> None:
        model = make_model(
            "large", reads_images=True, uses_tools=True, sizes=["64x64", "512x512"],
            context_tokens=5, least_plan=make_plan(), fallback=make_model("small"),
        )  # fmt: skip
        page = desk.get(address("model", model)).text
        answer = desk.post(address("model", model), fields_of(page), follow=True)
        assert "Nothing was changed." in words(answer)
        assert not SettingsChange.objects.exists()

    def test_one_is_changed_and_retired_and_that_is_undone(self, desk: Client) -> None:
        model = make_model("large", price_factor=3)
        fields = fields_of(desk.get(address("model", model)).text)
        del fields["active"]
        answer = desk.post(address("model", model), {**fields, "price_factor": "4"}, follow=True)
        assert "large is changed." in words(answer)
        model.refresh_from_db()
        assert (model.price_factor, model.active) == (4, False)
        change = SettingsChange.objects.get()
        undo = f"{PAGE}/history/{change.pk}/undo"
        assert "price factor 3 → 4" in words(desk.get(PAGE)).lower()
        assert "Price factor 4 → 3" in words(desk.get(undo))
        desk.post(undo)
        model.refresh_from_db()
        assert (model.price_factor, model.active) == (3, True)

    def test_undoing_an_addition_retires(self, desk: Client) -> None:
        desk.put(
            "/api/admin/models", {"models": [{"id": "large", "feature": "ai_text_chat"}]},
            content_type="application/json",
        )  # fmt: skip
        undo = f"{PAGE}/history/{SettingsChange.objects.get().pk}/undo"
        assert "Active yes → no" in words(desk.get(undo))
        desk.post(undo)
        assert not AIModel.objects.get(name="large").active

    def test_two_admins_at_once(self, desk: Client, other_desk: Client) -> None:
        model = make_model("large", reads_images=True, sizes=["64x64"])
        mine = fields_of(desk.get(address("model", model)).text)
        theirs = fields_of(other_desk.get(address("model", model)).text)
        del theirs["reads"]
        other_desk.post(address("model", model), {**theirs, "label": "Theirs", "sizes": "99x99"})
        late = desk.post(address("model", model), {**mine, "price_factor": "7"})
        assert late.status_code == 409
        assert "changed this model while this page was open" in words(late)
        assert "large → Theirs" in words(late)
        fields = fields_of(late.text)
        assert (fields["label"], fields["price_factor"]) == (["Theirs"], ["7"])
        assert (fields["sizes"], "reads" in fields) == (["99x99"], False)
        desk.post(address("model", model), fields)
        model.refresh_from_db()
        assert (model.label, model.price_factor, model.sizes) == ("Theirs", 7, ["99x99"])

    @pytest.mark.parametrize(
        ("field", "value", "sentence"),
        [
            ("price_factor", "0", "Must be a whole number from 1 to 999."),
            ("price_factor", "1.5", "Must be a whole number"),
            ("label", "", "Must be 1 to 150 characters on one line."),
            ("sizes", "big", "WIDTHxHEIGHT"),
            ("provider", "none", "Select a valid choice"),
            ("fallback", "painter", "Select a valid choice"),
            ("reads", "sound", "Select a valid choice"),
        ],
    )
    def test_what_is_wrong_stands_at_its_field(
        self, desk: Client, field: str, value: str, sentence: str
    ) -> None:
        make_model("painter", feature="ai_image_generation")
        model = make_model("large")
        fields = fields_of(desk.get(address("model", model)).text)
        answer = desk.post(address("model", model), {**fields, field: value})
        assert answer.status_code == 422
        assert sentence in words(answer)
        assert not SettingsChange.objects.exists()

    def test_a_name_that_is_taken_and_a_model_that_is_needed(self, desk: Client) -> None:
        small = make_model("small")
        make_model("large", fallback=small)
        fields = fields_of(desk.get(address("model", small)).text)
        del fields["active"]
        answer = desk.post(address("model", small), fields)
        assert answer.status_code == 422
        assert "It takes over when large is down." in words(answer)
        new = {**fields, "id": "small", "feature": "ai_text_chat"}
        answer = desk.post(f"{PAGE}/models/new", new)
        assert answer.status_code == 409
        assert "There is a model small already." in words(answer)


def test_every_field_of_a_model_is_on_its_page(db: None) -> None:
    shown = {field.name for _, fields in ModelForm().groups() for field in fields}
    assert shown == {field.name for field in ModelForm().visible_fields()}


class TestProviders:
    def test_the_page_says_whether_the_key_is_there_and_never_the_key(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTHER_API_KEY", "sk-secret")
        new = {"name": "Other", "base_url": "https://ai.example/v1", "dialect": "openai"}
        answer = desk.post(
            f"{PAGE}/providers/new", {**new, "key_variable": "OTHER_API_KEY"}, follow=True
        )
        assert "Other is added." in words(answer)
        assert "Other https://ai.example/v1 OTHER_API_KEY set OpenAI" in words(answer)
        provider = Provider.objects.get(name="Other")
        page = desk.get(address("provider", provider))
        assert "OTHER_API_KEY set" in words(page)
        monkeypatch.delenv("OTHER_API_KEY")
        assert "OTHER_API_KEY not set" in words(desk.get(address("provider", provider)))
        assert "sk-secret" not in page.text + answer.text

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("key_variable", "SECRET_KEY"), ("key_variable", "DATABASE_URL"),
            ("base_url", "https://u:p@ai.example/v1"), ("base_url", "ftp://ai.example"),
            ("name", ""), ("dialect", "other"),
        ],
    )  # fmt: skip
    def test_what_is_not_taken(self, desk: Client, field: str, value: str) -> None:
        new = {"name": "Other", "base_url": "", "key_variable": "", "dialect": "openai"}
        assert desk.post(f"{PAGE}/providers/new", {**new, field: value}).status_code == 422
        assert not Provider.objects.filter(name="Other").exists()

    def test_one_is_changed_and_keeps_its_name(self, desk: Client) -> None:
        provider = Provider.objects.create(name="Other", dialect="compatible")
        page = desk.get(address("provider", provider))
        fields = {**fields_of(page.text), "base_url": "http://b.example/v1", "name": "Renamed"}
        desk.post(address("provider", provider), fields)
        provider.refresh_from_db()
        assert (provider.name, provider.base_url) == ("Other", "http://b.example/v1")
        assert value_of(desk.get(address("provider", provider)), "base_url") == provider.base_url

    def test_one_without_models_is_removed_and_comes_back(self, desk: Client) -> None:
        provider = Provider.objects.create(name="Other", dialect="compatible")
        model = make_model("large", provider=provider)
        answer = desk.post(f"{address('provider', provider)}/delete", follow=True)
        assert "Nothing is removed. 1 model names this provider." in words(answer)
        AIModel.objects.filter(pk=model.pk).delete()
        answer = desk.post(f"{address('provider', provider)}/delete", follow=True)
        assert "Other is removed." in words(answer)
        desk.post(f"{PAGE}/history/{SettingsChange.objects.get().pk}/undo")
        assert Provider.objects.filter(name="Other").exists()
        assert desk.get(address("provider", provider)).status_code == 404


@pytest.fixture
def listing() -> Iterator[Callable[[int, Any], str]]:
    """Starts a server whose `/models` gives this answer; returns the provider's address."""
    servers = ExitStack()

    def start(status: int, body: Any) -> str:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/v1/models" else 404)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.enter_context(serving(server))
        return f"http://127.0.0.1:{server.server_port}/v1"

    with servers:
        yield start


def offering(start: Callable[[int, Any], str], *ids: object) -> Provider:
    data = {"object": "list", "data": [{"id": name, "object": "model"} for name in ids]}
    return Provider.objects.create(name="Other", base_url=start(200, data), dialect="compatible")


class TestRefresh:
    def test_what_is_picked_becomes_a_model(
        self, desk: Client, listing: Callable[[int, Any], str]
    ) -> None:
        provider = offering(listing, "qwen3:8b", "here", "a <b>c</b>", "qwen3:8b")
        make_model("mine", provider=provider, provider_model="here", label="Mine", active=False)
        page = desk.get(f"{address('provider', provider)}/models")
        assert page.text.count('name="model" value="qwen3:8b"') == 1
        assert 'name="model" value="here"' not in page.text
        assert "here Mine retired" in words(page)
        assert "a &lt;b&gt;c&lt;/b&gt;" in page.text
        picked = {"model": ["qwen3:8b", "a <b>c</b>", "here"], "feature": "ai_text_chat"}
        answer = desk.post(f"{address('provider', provider)}/models", picked, follow=True)
        assert "2 models are added." in words(answer)
        model = AIModel.objects.get(name="qwen3:8b")
        assert (model.label, model.provider, model.active) == ("qwen3:8b", provider, False)
        other = AIModel.objects.get(provider_model="a <b>c</b>")
        assert other.name == "Other/a-b-c-/b-"
        assert SettingsChange.objects.filter(subject="model").count() == 2

    def test_a_model_of_another_provider_with_the_same_name_stays(
        self, desk: Client, listing: Callable[[int, Any], str]
    ) -> None:
        provider = offering(listing, "large")
        mine, second = make_model("large"), make_model("Other/large")
        picked = {"model": "large", "feature": "ai_text_chat", "active": "on"}
        desk.post(f"{address('provider', provider)}/models", picked)
        assert AIModel.objects.get(provider=provider).name == "Other/large-2"
        for row in (mine, second):
            row.refresh_from_db()
            assert row.provider.name == "default"

    @pytest.mark.parametrize(
        ("status", "body", "sentence"),
        [
            (401, {"error": {"message": "no"}}, "could not be read: status 401."),
            (500, b"<html>", "could not be read: status 500."),
            (200, b"<html>", "could not be read: no list of models."),
            (200, [1], "could not be read: no list of models."),
            (200, {"data": [{"name": "x"}]}, "could not be read: no list of models."),
            (200, b"x" * 5_000_001, "could not be read: no list of models."),
        ],
    )
    def test_a_list_that_cannot_be_read_is_said_in_words(
        self,
        desk: Client,
        listing: Callable[[int, Any], str],
        status: int,
        body: Any,
        sentence: str,
    ) -> None:
        provider = Provider.objects.create(
            name="Other", base_url=listing(status, body), dialect="compatible"
        )
        answer = desk.get(f"{address('provider', provider)}/models")
        assert (answer.status_code, sentence in words(answer)) == (502, True)

    def test_an_empty_list_and_ids_that_are_none(
        self, desk: Client, listing: Callable[[int, Any], str]
    ) -> None:
        provider = offering(listing, "", " ", "a\x00b", "x" * 201, 5)
        page = desk.get(f"{address('provider', provider)}/models")
        assert "It lists no models." in words(page)

    def test_picking_nothing_changes_nothing(
        self, desk: Client, listing: Callable[[int, Any], str]
    ) -> None:
        provider = offering(listing, "large")
        answer = desk.post(
            f"{address('provider', provider)}/models", {"feature": "ai_text_chat"}, follow=True
        )
        assert "No model was picked." in words(answer)
        wrong = {"feature": "other", "model": "large"}
        assert desk.post(f"{address('provider', provider)}/models", wrong).status_code == 422
        assert not SettingsChange.objects.exists()
