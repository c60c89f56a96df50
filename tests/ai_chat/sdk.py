"""The official SDK against a provider of ours, and what tests ask through it."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

CHAT, IMAGE, EMBED = "smollm2-135m", "tally-painter", "smollm2-135m-embed"


@contextmanager
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    # Without certificates to load, which takes longer than most of these tests.
    http = httpx2.Client(verify=False, trust_env=False)
    with openai.OpenAI(
        base_url=base_url, api_key="local", max_retries=0, http_client=http
    ) as client:
        yield client


def stream(
    client: openai.OpenAI, prompt: str, **options: Any
) -> openai.Stream[ChatCompletionChunk]:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
    chunks: openai.Stream[ChatCompletionChunk] = client.chat.completions.create(
        model=CHAT, messages=messages, stream=True, **options
    )
    return chunks


def streamed(client: openai.OpenAI, prompt: str, **options: Any) -> list[ChatCompletionChunk]:
    return list(stream(client, prompt, **options))


def whole(client: openai.OpenAI, prompt: str, **options: Any) -> ChatCompletion:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
    answer: ChatCompletion = client.chat.completions.create(
        model=CHAT, messages=messages, **options
    )
    return answer


def pictures(client: openai.OpenAI, prompt: str, **options: Any) -> list[bytes]:
    options = {"model": IMAGE, "size": "256x256", **options}
    answer = client.images.generate(prompt=prompt, **options)
    return [base64.b64decode(item.b64_json) for item in answer.data]


def vectors(client: openai.OpenAI, inputs: Any, **options: Any) -> list[list[float]]:
    """In base64, as the SDK asks unless it is told otherwise."""
    answer = client.embeddings.create(model=EMBED, input=inputs, **options)
    return [item.embedding for item in answer.data]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
