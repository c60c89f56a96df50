"""What the local provider refuses, over real HTTP: always in OpenAI's shape, never with a crash."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from ai_chat.local_provider.api import MAX_BODY_BYTES
from tests.ai_chat.sdk import CHAT, EMBED, IMAGE, pictures, sdk, streamed, whole
from tests.fakes.provider import FakeProvider
from tests.waiting import PATIENCE, wait_for


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """One of its own for each test: some stop it, and most count."""
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[openai.OpenAI]:
    with sdk(provider.base_url) as client:
        yield client


BAD_CHATS = [
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": [{"role": "system", "content": "Hi"}]}, "messages"),
    ({"messages": [7]}, "messages[0]"),
    ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": float("nan")}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": "9"}, "max_completion_tokens"),
    ({"n": 2}, "n"),
    ({"model": ""}, "model"),
]


@pytest.mark.parametrize(("change", "param"), BAD_CHATS)
def test_a_bad_chat_is_refused_and_says_where(
    provider: FakeProvider, change: dict[str, object], param: str
) -> None:
    body = {"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], **change}
    status, answer = post(provider, "/v1/chat/completions", body)
    assert (status, answer["error"]["param"]) == (400, param)
    assert provider.calls == []


BAD_IMAGES = [
    ({"n": 0}, "n"),
    ({"n": 5}, "n"),
    ({"n": -1}, "n"),
    ({"n": "2"}, "n"),
    ({"size": "63x64"}, "size"),
    ({"size": "2049x1024"}, "size"),
    ({"size": "big"}, "size"),
    ({"size": 1024}, "size"),
    ({"prompt": " "}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"response_format": "url"}, "response_format"),
]


@pytest.mark.parametrize(("change", "param"), BAD_IMAGES)
def test_a_bad_image_request_is_refused_and_says_where(
    provider: FakeProvider, change: dict[str, object], param: str
) -> None:
    body = {"model": IMAGE, "prompt": "A lake", **change}
    status, answer = post(provider, "/v1/images/generations", body)
    assert (status, answer["error"]["param"]) == (400, param)
    assert provider.calls == []


BAD_EMBEDDINGS = [
    ({"input": None}, "input"),
    ({"input": ""}, "input[0]"),
    ({"input": []}, "input"),
    ({"input": 7}, "input"),
    ({"input": {"text": "Hi"}}, "input"),
    ({"input": ["Hi", ""]}, "input[1]"),
    ({"input": ["Hi", []]}, "input[1]"),
    ({"input": ["Hi", 7]}, "input[1]"),
    ({"input": [1, 2.5]}, "input[0]"),
    ({"input": [[1, True]]}, "input[0]"),
    ({"input": [-1]}, "input[0]"),
    ({"input": [2**31]}, "input[0]"),
    ({"input": ["Hi"] * 2049}, "input"),
    ({"encoding_format": "hex"}, "encoding_format"),
    ({"dimensions": 0}, "dimensions"),
    ({"dimensions": 577}, "dimensions"),
    ({"model": None}, "model"),
]


@pytest.mark.parametrize(("change", "param"), BAD_EMBEDDINGS)
def test_a_bad_request_for_embeddings_is_refused_and_says_where(
    provider: FakeProvider, change: dict[str, object], param: str
) -> None:
    status, answer = post(provider, "/v1/embeddings", {"model": EMBED, "input": "Hi", **change})
    assert (status, answer["error"]["param"]) == (400, param)
    assert provider.calls == []


def post(provider: FakeProvider, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(*provider.server.address, timeout=PATIENCE)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, body=content)
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    return response.status, answer


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a":' * 100_000])
def test_a_body_that_is_no_json_object_is_refused(provider: FakeProvider, body: bytes) -> None:
    status, answer = post(provider, "/v1/chat/completions", body)
    assert (status, answer["error"]["code"]) == (400, "invalid_json")


def test_a_model_of_the_other_kind_or_of_none_is_not_found(client: openai.OpenAI) -> None:
    for model in (IMAGE, "gpt-4"):
        with pytest.raises(openai.NotFoundError) as raised:
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Hi"}]
            )
        assert raised.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        pictures(client, "A lake", model=CHAT)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model=CHAT, input="Hi")


def test_half_a_character_does_no_harm(provider: FakeProvider) -> None:
    body = {"model": CHAT, "messages": [{"role": "user", "content": "One \ud800 [[echo]]"}]}
    status, answer = post(provider, "/v1/chat/completions", body)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "One ? ")
    assert post(provider, "/v1/chat/completions", {**body, "model": "\ud800"})[0] == 404


def test_other_paths_and_methods_are_told_so_and_the_connection_lives_on(
    provider: FakeProvider,
) -> None:
    connection = http.client.HTTPConnection(*provider.server.address, timeout=PATIENCE)
    statuses = []
    for method, path in (
        ("GET", "/"),
        ("POST", "/v1/completions"),
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
        ("GET", "/healthz"),
    ):
        connection.request(method, path, body=b"{}" if method == "POST" else None)
        response = connection.getresponse()
        statuses.append(response.status)
        assert response.read().startswith(b"{")
    connection.close()
    assert statuses == [404, 404, 405, 405, 200]


def test_a_body_that_is_too_large_is_refused(client: openai.OpenAI, provider: FakeProvider) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        whole(client, "x" * MAX_BODY_BYTES)
    assert raised.value.status_code == 413
    # More than the buffers between hold: who is not read to the end never hears the answer.
    assert post(provider, "/v1/chat/completions", b" " * MAX_BODY_BYTES * 8)[0] == 413
    assert provider.calls == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v1/models HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"BREW /coffee HTTP/1.1\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_what_is_no_proper_http_is_answered_in_the_same_shape(
    provider: FakeProvider, head: bytes, status: int
) -> None:
    with socket.create_connection(provider.server.address, timeout=PATIENCE) as raw:
        raw.sendall(head)
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert response.status == status
        assert b'{"error": {"message"' in response.read()


def test_prompts_and_answers_are_not_logged(
    client: openai.OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="ai_chat")
    streamed(client, "secret-prompt [[echo]]")
    pictures(client, "secret-prompt")
    with pytest.raises(openai.NotFoundError):
        client.get("/secret-prompt", cast_to=object)
    lines = (
        "POST /v1/chat/completions 200",
        "POST /v1/images/generations 200",
        "GET (unknown) 404",
    )
    wait_for(lambda: all(line in caplog.text for line in lines), "the calls were logged")
    assert "secret-prompt" not in caplog.text
