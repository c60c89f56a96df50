"""Ollama and LM Studio beside `make run`: found over HTTP, offered, taken off and offered again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.management import call_command

from ai_chat.management.commands import discover_models
from ai_chat.providers import listing
from ai_chat.providers.listing import NoList, list_models
from credits.catalogue.models import offered_models
from credits.models import AIModel, Provider
from tests.fakes.serving import serving
from tests.processes import free_port
from tests.waiting import PATIENCE

LOCAL = "smollm2-135m"


class Server:
    """Answers `GET /v1/models` with `body` (JSON, or bytes as they are), while it runs."""

    def __init__(self, *models: str) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.status, self.location = 200, ""
        self.asked: list[str] = []
        self.has(*models)

    def has(self, *models: str) -> None:
        self.body: bytes | object = {
            "object": "list",
            "data": [{"id": model, "object": "model", "owned_by": "library"} for model in models],
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                is_raw = isinstance(server.body, bytes)
                body = server.body if is_raw else json.dumps(server.body).encode()
                assert isinstance(body, bytes)
                self.send_response(server.status)
                if server.location:
                    self.send_header("Location", server.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        with serving(ThreadingHTTPServer(("127.0.0.1", self.port), Handler)):
            yield


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with tests answers later than one that starts a site."""
    monkeypatch.setattr(discover_models, "SECONDS", PATIENCE)


def start(*servers: tuple[str, Server]) -> None:
    """What `make run` does when it starts."""
    given = [f"--server={name}={server.base_url}" for name, server in servers]
    call_command("discover_models", *given)


def offered() -> list[str]:
    return [model.name for model in offered_models("ai_text_chat", user_id=0)]


def test_the_usual_ports_are_asked() -> None:
    assert discover_models.SERVERS == {
        "Ollama": "http://127.0.0.1:11434/v1",
        "LM Studio": "http://127.0.0.1:1234/v1",
    }


@pytest.mark.django_db
def test_the_models_of_a_server_are_offered_after_the_local_one_and_said_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ollama = Server("llama3.2:latest", "nomic-embed-text:latest", "qwen3:8b", "qwen3:8b")
    with ollama.running():
        start(("Ollama", ollama))
    assert ollama.asked == ["/v1/models"]
    assert offered() == [LOCAL, "llama3.2:latest", "qwen3:8b"]
    model = AIModel.objects.get(name="qwen3:8b")
    assert (model.label, model.provider_model) == ("qwen3:8b (Ollama)", "qwen3:8b")
    provider = model.provider
    assert (provider.name, provider.base_url) == ("Ollama", ollama.base_url)
    assert (provider.key_variable, provider.dialect) == ("", Provider.Dialect.COMPATIBLE)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith(f"Ollama answers at {ollama.base_url}: ")
    assert "LOCAL_DISCOVERY=0" in said


@pytest.mark.django_db
def test_what_is_not_there_is_not_offered_and_not_spoken_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start(("Ollama", Server("never")), ("LM Studio", Server("never")))
    assert offered() == [LOCAL]
    assert not Provider.objects.filter(name="Ollama").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
def test_a_server_that_stays_away_takes_its_models_along_until_it_is_back() -> None:
    ollama = Server("a", "b")
    with ollama.running():
        start(("Ollama", ollama))
    start(("Ollama", ollama))
    assert offered() == [LOCAL]
    ollama.has("b", "c")
    with ollama.running():
        start(("Ollama", ollama))
    assert offered() == [LOCAL, "b", "c"]
    assert AIModel.objects.get(name="a").label == "a (Ollama)"


@pytest.mark.django_db
def test_what_an_admin_changed_stays() -> None:
    ollama = Server("a", "b")
    with ollama.running():
        start(("Ollama", ollama))
        AIModel.objects.filter(name="a").update(active=False)
        AIModel.objects.filter(name="b").update(label="Ours", price_factor=3, position=0)
        start(("Ollama", ollama))
    start(("Ollama", ollama))
    with ollama.running():
        start(("Ollama", ollama))
    assert sorted(offered()) == ["b", LOCAL]
    model = AIModel.objects.get(name="b")
    assert (model.label, model.price_factor, model.position) == ("Ours", 3, 0)


@pytest.mark.django_db
def test_one_model_at_two_servers_has_two_names() -> None:
    ollama, studio = Server("qwen3", LOCAL), Server("qwen3", "text-embedding-nomic")
    with ollama.running(), studio.running():
        for _ in range(2):
            start(("Ollama", ollama), ("LM Studio", studio))
    assert offered() == [LOCAL, "qwen3", f"ollama/{LOCAL}", "lm-studio/qwen3"]


@pytest.mark.django_db
def test_a_name_that_no_address_could_hold_is_written_otherwise() -> None:
    ollama = Server("My Model (Q4)", "x" * 120)
    with ollama.running():
        start(("Ollama", ollama))
    assert offered() == [LOCAL, "My-Model-Q4-", "x" * 120]
    assert AIModel.objects.get(name="My-Model-Q4-").provider_model == "My Model (Q4)"


@pytest.mark.django_db
def test_a_provider_that_an_admin_gave_the_name_is_left_alone() -> None:
    Provider.objects.create(name="Ollama", base_url="https://ollama.example/v1")
    ollama = Server("a")
    with ollama.running():
        start(("Ollama", ollama))
    assert offered() == [LOCAL]


LISTS_OF_NOTHING: dict[str, bytes | object] = {
    "a page": b"<html>hello</html>",
    "no JSON": b'{"data": [',
    "a list": [],
    "no data": {"object": "list"},
    "data that is no list": {"data": 7},
    "models without id": {"data": [{"name": "a"}]},
    "models that are none": {"data": ["a", None]},
    "JSON nested too deep": b"[" * 100_000,
    "too long": b'{"data": []' + b" " * listing.MAX_LIST_BYTES + b"}",
}


@pytest.mark.parametrize("body", LISTS_OF_NOTHING.values(), ids=LISTS_OF_NOTHING)
def test_what_is_no_list_of_models_is_none(body: bytes | object) -> None:
    server = Server()
    server.body = body
    with server.running(), pytest.raises(NoList):
        list_models(server.base_url)


def test_ids_that_cannot_be_a_models_are_left_out() -> None:
    server = Server("good", "", " blank", "a\nb", "x" * 121)
    server.body = {"data": [{"id": 7}, *server.body["data"]]}
    with server.running():
        assert list_models(server.base_url) == ["good"]


def test_no_redirect_is_followed_and_no_other_status_is_taken() -> None:
    server, other = Server("a"), Server("b")
    server.status, server.location = 307, f"{other.base_url}/models"
    with server.running(), other.running():
        with pytest.raises(NoList, match="307"):
            list_models(server.base_url)
        server.status, server.location = 500, ""
        with pytest.raises(NoList, match="500"):
            list_models(server.base_url)
    assert other.asked == []


def test_a_server_that_says_nothing_is_given_up() -> None:
    # Its queue accepts connections, and nobody serves them.
    silent = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    with silent, pytest.raises(NoList, match="Timeout"):
        list_models(f"http://127.0.0.1:{silent.server_port}/v1", seconds=0.2)
