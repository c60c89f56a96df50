"""The local provider as the official SDK sees it: answers, clients that leave, faults."""

import base64
import http.client
import io
import math
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from PIL import Image

from ai_chat.local_provider import faults
from ai_chat.local_provider.engine import ChatRequest
from ai_chat.local_provider.faults import FAULTS
from ai_chat.local_provider.wire import FALSE_USAGE
from tests.ai_chat.sdk import (
    CHAT,
    EMBED,
    IMAGE,
    pictures,
    sdk,
    stream,
    streamed,
    text_of,
    vectors,
    whole,
)
from tests.fakes.provider import FakeProvider, vector_of
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


# Answers


def test_the_models_are_listed_and_found_by_name(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [CHAT, IMAGE, EMBED]
    assert client.models.retrieve(CHAT).id == CHAT
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_a_stream_brings_role_text_reason_and_usage_in_this_order(client: openai.OpenAI) -> None:
    chunks = streamed(client, "Hi there [[tokens:3]]", stream_options={"include_usage": True})

    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == "word1 word2 word3 "
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 3
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_has_no_usage_unless_asked_for(client: openai.OpenAI) -> None:
    assert all(chunk.choices for chunk in streamed(client, "Hi"))


def test_an_answer_that_is_not_streamed_has_text_and_usage(client: openai.OpenAI) -> None:
    answer = whole(client, "Hi there [[tokens:3]]")

    assert answer.choices[0].message.content == "word1 word2 word3 "
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3


def test_an_answer_ends_at_the_tokens_allowed(client: openai.OpenAI) -> None:
    answer = whole(client, "[[tokens:9]]", max_completion_tokens=4)

    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "word1 word2 word3 word4 "


def test_the_engine_is_given_the_conversation_and_the_temperature(
    client: openai.OpenAI, provider: FakeProvider
) -> None:
    client.chat.completions.create(
        model=CHAT,
        temperature=1.5,
        messages=[
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "One"}]},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "Two"},
        ],
    )

    request = provider.calls[0].request
    assert isinstance(request, ChatRequest)
    assert request.temperature == 1.5
    said = [(message.role, message.text) for message in request.messages]
    assert said == [("system", "Be short."), ("user", "One"), ("assistant", "1"), ("user", "Two")]


def test_a_request_without_a_temperature_gets_the_likeliest_words(
    client: openai.OpenAI, provider: FakeProvider
) -> None:
    whole(client, "Hi")
    request = provider.calls[0].request
    assert isinstance(request, ChatRequest)
    assert request.temperature == 0


def test_many_streams_run_at_the_same_time(client: openai.OpenAI, provider: FakeProvider) -> None:
    threads = [
        threading.Thread(target=streamed, args=(client, "[[tokens:400]] [[delay:0.05]]"))
        for _ in range(40)
    ]
    before = threading.excepthook
    threading.excepthook = lambda _: None  # their connections are cut below
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: provider.open_completions == 40, "40 open streams")
        provider.server.stop()
        for thread in threads:
            thread.join(15)
    finally:
        threading.excepthook = before
    wait_for(lambda: provider.open_completions == 0, "every stream closed")


@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
def test_vectors_are_the_same_in_both_forms(client: openai.OpenAI, form: dict[str, str]) -> None:
    for inputs in ("Hi there", ["Hi there"], ["one", "two", "one"], [1, 2], [[1, 2], [3]]):
        values = [inputs] if isinstance(inputs, str) or isinstance(inputs[0], int) else inputs
        expected = [vector_of(v if isinstance(v, str) else tuple(v)).numbers for v in values]
        assert vectors(client, inputs, **form) == [pytest.approx(v, rel=1e-6) for v in expected]


def test_vectors_are_sent_in_the_form_asked_for(provider: FakeProvider) -> None:
    body = {"model": EMBED, "input": ["one two", "three"]}
    url = f"{provider.base_url}/embeddings"
    with httpx.Client(trust_env=False) as http:
        floats = http.post(url, json=body).json()
        packed = http.post(url, json={**body, "encoding_format": "base64"}).json()
    assert floats["usage"] == packed["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert (floats["object"], floats["model"]) == ("list", EMBED)
    for index, (one, other) in enumerate(zip(floats["data"], packed["data"], strict=True)):
        assert one["index"] == other["index"] == index
        assert struct.pack("<8f", *one["embedding"]) == base64.b64decode(other["embedding"])


def test_a_vector_is_shortened_on_request_and_stays_of_length_1(client: openai.OpenAI) -> None:
    [whole_one], [short] = vectors(client, "Hi"), vectors(client, "Hi", dimensions=3)
    length = math.hypot(*whole_one[:3])
    assert short == pytest.approx([number / length for number in whole_one[:3]], rel=1e-6)


# A client that leaves


def test_a_client_that_leaves_in_the_middle_stops_the_engine(
    client: openai.OpenAI, provider: FakeProvider
) -> None:
    answer = stream(client, "[[tokens:100000]] [[delay:0.01]]")
    next(iter(answer))
    answer.close()

    wait_for(lambda: provider.completions_closed == 1, "the engine was closed")
    assert provider.open_completions == 0


def test_a_client_that_leaves_before_the_first_word_stops_the_engine(
    provider: FakeProvider,
) -> None:
    with sdk(provider.base_url) as client, pytest.raises(openai.APITimeoutError):
        whole(client.with_options(timeout=3), "[[delay:200]]")

    wait_for(lambda: provider.completions_closed == 1, "the engine was closed")


def test_a_server_that_stops_ends_its_idle_connections(provider: FakeProvider) -> None:
    idle = http.client.HTTPConnection(*provider.server.address, timeout=PATIENCE)
    idle.request("GET", "/healthz")
    assert idle.getresponse().read() == b'{"status": "ok"}'
    provider.server.stop()
    assert idle.sock.recv(1) == b""
    idle.close()


# Faults

STATUSES = [
    ("[[fail:500]]", openai.InternalServerError, "server_error"),
    ("[[fail:429]]", openai.RateLimitError, "rate_limit_exceeded"),
    ("[[fail:401]]", openai.AuthenticationError, "invalid_api_key"),
]


@pytest.mark.parametrize(("prompt", "error", "code"), STATUSES)
@pytest.mark.parametrize("ask", [streamed, whole, pictures, vectors])
def test_a_status_on_request(
    client: openai.OpenAI,
    ask: Callable[..., object],
    prompt: str,
    error: type[openai.APIStatusError],
    code: str,
) -> None:
    with pytest.raises(error) as raised:
        ask(client, f"Please {prompt} now")
    assert raised.value.code == code
    assert raised.value.message


@pytest.mark.parametrize("ask", [streamed, whole, pictures, vectors])
def test_a_connection_that_dies_on_request(
    client: openai.OpenAI, ask: Callable[..., object]
) -> None:
    with pytest.raises(openai.APIConnectionError):
        ask(client, "[[fail:cut:2]]")


@pytest.mark.parametrize("ask", [streamed, whole, pictures, vectors])
def test_garbage_on_request(client: openai.OpenAI, ask: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="Unterminated string"):
        ask(client, "[[fail:garbage]]")


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("[[fail:cut:2]]", openai.APIConnectionError),
        ("[[fail:garbage:2]]", ValueError),
        ("[[fail:500:2]]", openai.APIError),
    ],
)
def test_what_was_said_before_a_fault_arrives(
    client: openai.OpenAI, prompt: str, error: type[Exception]
) -> None:
    chunks = stream(client, prompt)
    heard = [next(chunks) for _ in range(3)]
    with pytest.raises(error):
        next(chunks)
    assert text_of(heard) == "word1 word2 "


def test_an_empty_answer_on_request(client: openai.OpenAI) -> None:
    assert text_of(streamed(client, "[[fail:empty]]")) == ""
    assert whole(client, "[[fail:empty]]").choices[0].message.content == ""
    assert pictures(client, "[[fail:empty]]") == []
    with pytest.raises(ValueError, match="No embedding data"):
        vectors(client, "[[fail:empty]]")


def test_a_refusal_on_request(client: openai.OpenAI) -> None:
    chunks = streamed(client, "[[fail:refuse]]")
    assert any(c.choices[0].delta.refusal for c in chunks)
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert whole(client, "[[fail:refuse]]").choices[0].message.refusal
    for ask in (pictures, vectors):
        with pytest.raises(openai.BadRequestError) as raised:
            ask(client, "[[fail:refuse]]")
        assert raised.value.code == "content_policy_violation"


def test_a_slow_start_on_request_is_silence_and_then_the_answer(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        streamed(client.with_options(timeout=3), "[[fail:slow:300]]")
    assert text_of(streamed(client, "[[fail:slow:0.5]] [[tokens:1]]")) == "word1 "


def test_a_stall_on_request_keeps_the_connection_busy_with_comments(
    provider: FakeProvider,
) -> None:
    body = {
        "model": CHAT,
        "stream": True,
        "messages": [{"role": "user", "content": "[[fail:stall:2]]"}],
    }
    url = f"{provider.base_url}/chat/completions"
    with httpx.Client(trust_env=False) as http, http.stream("POST", url, json=body) as response:
        lines = response.iter_lines()
        seen = [next(line for line in lines if line.startswith(":"))]
        seen.append(next(line for line in lines if line))
    assert seen == [": still here"] * 2
    wait_for(lambda: provider.open_completions == 0, "the stall ended with its client")


def test_fewer_vectors_on_request(client: openai.OpenAI, provider: FakeProvider) -> None:
    assert len(vectors(client, ["one", "two", "three [[fail:short:2]]"])) == 2
    assert provider.calls[0].request.prompt == "three"
    assert provider.vectors_requested == 3


def test_fewer_and_broken_pictures_on_request(client: openai.OpenAI) -> None:
    assert len(pictures(client, "[[fail:short:2]]", n=4)) == 2
    broken = pictures(client, "[[fail:badimage]]", n=2)
    assert len(broken) == 2
    with pytest.raises(OSError, match="cannot identify image"):
        Image.open(io.BytesIO(broken[0]))


def test_a_fault_that_does_not_exist_is_refused_with_those_that_do(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=", ".join(FAULTS)):
        whole(client, "[[fail:teapot]]")


def test_faults_are_looked_for_in_the_last_message_only_and_never_reach_the_engine(
    client: openai.OpenAI, provider: FakeProvider
) -> None:
    client.chat.completions.create(
        model=CHAT,
        messages=[
            {"role": "user", "content": "[[fail:500]]"},
            {"role": "user", "content": "Again [[fail:slow:0]]"},
        ],
    )
    assert provider.calls[0].request.prompt == "Again"
    assert provider.calls[0].faults == ("slow",)


def test_every_fault_of_the_table_has_a_test() -> None:
    source = Path(__file__).read_text()
    untested = [name for name in FAULTS if f"[[fail:{name}" not in source]
    assert not untested, f"Write a test for {untested}."


# Other markers


def thoughts_of(chunks: list[ChatCompletionChunk]) -> list[str]:
    deltas = (chunk.choices[0].delta for chunk in chunks if chunk.choices)
    return [text for delta in deltas if (text := getattr(delta, "reasoning_content", ""))]


def test_thoughts_on_request_come_first_and_count_among_the_tokens(client: openai.OpenAI) -> None:
    chunks = streamed(
        client, "Hi [[reason:30]] [[tokens:3]]", stream_options={"include_usage": True}
    )
    assert len(thoughts_of(chunks)) == 30
    assert thoughts_of(chunks[:31]) == thoughts_of(chunks)
    assert text_of(chunks) == "word1 word2 word3 "
    for usage in (chunks[-1].usage, whole(client, "Hi [[reason:30]] [[tokens:3]]").usage):
        assert usage and usage.completion_tokens_details
        assert (usage.completion_tokens, usage.total_tokens) == (33, 35)
        assert usage.completion_tokens_details.reasoning_tokens == 30
    message = whole(client, "Hi [[reason:3]]").choices[0].message
    assert getattr(message, "reasoning_content", "") == "I think about "


@pytest.mark.parametrize(
    ("allowed", "written", "text"),
    [(20, 20, ""), (31, 31, "word1 "), (40, 33, "word1 word2 word3 ")],
)
def test_thoughts_take_from_the_tokens_allowed(
    client: openai.OpenAI, allowed: int, written: int, text: str
) -> None:
    answer = whole(client, "Hi [[reason:30]] [[tokens:3]]", max_tokens=allowed)
    assert answer.usage
    assert answer.usage.completion_tokens == written
    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == ("stop" if written < allowed else "length")


def test_a_limit_is_ignored_on_request(client: openai.OpenAI) -> None:
    answer = whole(client, "[[tokens:200]] [[ignore:max]]", max_completion_tokens=4)
    assert answer.usage
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (200, "stop")


USAGES = {
    "[[usage:none]]": None,
    "[[usage:zero]]": (0, 0, 0),
    "[[usage:huge]]": (5_000_000, 5_000_000, 10_000_000),
    "[[usage:negative]]": (-1, -1, -2),
    "[[usage:total]]": (2, 3, 12),
}


@pytest.mark.parametrize(("marker", "expected"), USAGES.items())
def test_usage_is_falsified_on_request(
    client: openai.OpenAI, marker: str, expected: tuple[int, int, int] | None
) -> None:
    prompt = f"Hi {marker} [[tokens:3]]"
    chunks = streamed(client, prompt, stream_options={"include_usage": True})
    assert text_of(chunks) == "word1 word2 word3 "
    for usage in (chunks[-1].usage, whole(client, prompt).usage):
        counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
        assert counts == expected
    of_vectors = client.embeddings.create(model=EMBED, input=f"Hi there {marker}").usage
    assert (of_vectors.prompt_tokens if of_vectors else None) == (expected and expected[0])


def test_every_usage_of_the_table_has_a_test(client: openai.OpenAI) -> None:
    assert {f"[[usage:{name}]]" for name in FALSE_USAGE} == USAGES.keys()
    with pytest.raises(openai.BadRequestError, match=", ".join(FALSE_USAGE)):
        whole(client, "[[usage:teapot]]")


# The fake


def test_the_fake_provider_counts_every_call_and_logs_it_at_its_start(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    with FakeProvider(log=log) as provider, sdk(provider.base_url) as client:
        streamed(client, "[[tag:first]]")
        with pytest.raises(openai.InternalServerError):
            whole(client, "[[fail:500]]")
        pictures(client, "A lake", n=3)
        vectors(client, ["one", "two"])
    assert (provider.completions_started, provider.images_requested) == (2, 3)
    assert provider.vectors_requested == 2
    lines = log.read_text().splitlines()
    assert len(lines) == 4
    assert '"tag": "first"' in lines[0]
    assert '"faults": ["500"]' in lines[1]


def test_the_fake_provider_says_what_it_is_told_to() -> None:
    with (
        FakeProvider(script=lambda _: ["**bold** ", "<b>"]) as provider,
        sdk(provider.base_url) as client,
    ):
        assert text_of(streamed(client, "Hi")) == "**bold** <b>"
        assert text_of(streamed(client, "one two [[echo]]")) == "one two "


def test_a_wait_on_request_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "MAX_WAIT_SECONDS", 0.01)
    assert len(list(faults.pauses(999_999))) == 1
