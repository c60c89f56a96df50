"""The engine: SmolLM2 through llama.cpp for text and vectors, the painter for pictures.

llama.cpp's own HTTP server, which xllamacpp starts in this process on a free loopback port behind a
random key, does the work: slots, queue, chat template, streaming. Its in-process calls cannot be
broken off while they read a prompt (up to a minute); closing an HTTP connection stops it within one
batch."""

import json
import secrets
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import httpx

from ai_chat.local_provider.engine import (
    ChatRequest,
    ContextTooLong,
    Done,
    EmbeddingsRequest,
    EngineFailed,
    Event,
    Events,
    ImageRequest,
    InvalidTokens,
    Message,
    Pause,
    Reason,
    Vector,
)
from ai_chat.local_provider.painter import paint

SLOTS = 4
CONTEXT_TOKENS = 4096
# Small batches cost nothing on a CPU and let an abandoned prompt end sooner.
BATCH_TOKENS = 128
#: Of an input of embeddings: the mean over its tokens is only built within one batch.
INPUT_TOKENS = 2048
#: What the model is sent first unless the conversation brings a system message of its own. Without
#: the language it falls into that of the country asked about (tests/bench/easy_questions.py).
INSTRUCTIONS = Message("system", "You are a helpful assistant. Answer briefly, in plain English.")
# Beyond this many open answers, callers wait for a connection.
MAX_OPEN = 64


class LlamaEngine:
    """Answers with the model at `weights`, which takes a second and 0.5 GB to load. Raises
    ImportError where xllamacpp does not run, RuntimeError where the weights do not load."""

    def __init__(self, weights: Path, *, threads: int) -> None:
        self._xllamacpp = import_module("xllamacpp")
        self._weights, self._threads = weights, threads
        self._loading = Lock()
        self._texts = _Llama(self._xllamacpp, _text_params(self._xllamacpp), weights, threads)

    def chat(self, request: ChatRequest) -> Events:
        """Yield the model's answer."""
        body = {
            "messages": [{"role": m.role, "content": m.text} for m in _instructed(request)],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            with self._texts.http.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise _problem(json.loads(response.read()))
                yield from _events(response.iter_lines())
        except httpx.HTTPError as error:
            raise EngineFailed(f"The model's server broke off ({type(error).__name__}).") from error

    def paint(self, request: ImageRequest) -> Events:
        """Yield the painter's pictures."""
        for index in range(request.count):
            yield paint(request.prompt, index=index, width=request.width, height=request.height)

    def embed(self, request: EmbeddingsRequest) -> Events:
        """Yield the vectors. Each input is a call of its own, so that an abandoned request ends
        with the one being read."""
        with self._loading:
            http = self._vectors.http
        tokens = 0
        for value in request.inputs:
            yield Pause()
            try:
                answer = http.post("/v1/embeddings", json={"input": value}).json()
            except httpx.HTTPError as error:
                problem = f"The model's server broke off ({type(error).__name__})."
                raise EngineFailed(problem) from error
            if "error" in answer:
                raise _problem_of_input(answer["error"])
            tokens += answer["usage"]["prompt_tokens"]
            yield Vector(tuple(answer["data"][0]["embedding"]))
        yield Done(prompt_tokens=tokens)

    @cached_property
    def _vectors(self) -> "_Llama":
        """A second instance, so that texts do not wait for vectors. Loaded when it is first needed:
        that takes half a second and 0.1 GB (0.3 GB once it has read long inputs); the weights in
        memory are shared with the first."""
        params = _vector_params(self._xllamacpp)
        return _Llama(self._xllamacpp, params, self._weights, self._threads)


class _Llama:
    """An instance of llama.cpp's server, and a client that may call it."""

    def __init__(self, xllamacpp: Any, params: Any, weights: Path, threads: int) -> None:
        key = secrets.token_urlsafe()
        params.model.path = str(weights)
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        # Kept prompts may take 8 GB of memory by default; each slot still remembers its last one.
        params.cache_ram_mib = 0
        params.verbosity = 1
        params.ui = params.endpoint_slots = False
        params.api_keys = [key]
        params.n_threads_http = MAX_OPEN + 1
        self._server = xllamacpp.Server(params)
        self.http = httpx.Client(
            base_url=self._server.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            # In a stream a comment comes every second or two, and an input of embeddings takes
            # about ten seconds at most: after a minute it is dead.
            timeout=httpx.Timeout(60, pool=600),
            # Its connections cannot be used for a second request after a stream.
            limits=httpx.Limits(max_connections=MAX_OPEN, max_keepalive_connections=0),
            trust_env=False,
        )


def _instructed(request: ChatRequest) -> tuple[Message, ...]:
    """The conversation, which begins with INSTRUCTIONS unless it has a system message."""
    if any(message.role == "system" for message in request.messages):
        return request.messages
    return (INSTRUCTIONS, *request.messages)


def _text_params(xllamacpp: Any) -> Any:
    params = xllamacpp.CommonParams()
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.sse_ping_interval = 1
    # Without it a model this small repeats itself; more makes it avoid the question's words.
    params.sampling.penalty_freq = 0.2
    return params


def _vector_params(xllamacpp: Any) -> Any:
    params = xllamacpp.CommonParams()
    params.embedding = True
    # Of the last token alone, vectors tell texts of different subjects apart less well.
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_parallel = 1
    params.n_ctx = params.n_batch = params.n_ubatch = INPUT_TOKENS
    return params


def _problem(answer: dict[str, Any]) -> Exception:
    error = answer["error"]
    if error.get("type") != "exceed_context_size_error":
        return EngineFailed("The model failed.")
    return ContextTooLong(
        f"This model's maximum context length is {error['n_ctx']} tokens, and your messages "
        f"have {error['n_prompt_tokens']}. Please reduce the length of the messages."
    )


def _problem_of_input(error: dict[str, Any]) -> Exception:
    # Only the sentence says which.
    message = str(error.get("message"))
    if "too large to process" in message:
        limit = f"An input has at most {INPUT_TOKENS} tokens for this model."
        return ContextTooLong(limit, "input")
    if "invalid tokens" in message:
        return InvalidTokens("An input holds tokens that this model does not have.")
    return EngineFailed("The model failed.")


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """llama.cpp's stream as events; its comments, sent while it has nothing to say, as pauses."""
    finish_reason = None
    for line in lines:
        if line.startswith(":"):
            yield Pause()
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise _problem(chunk)
        for choice in chunk["choices"]:
            finish_reason = choice["finish_reason"] or finish_reason
            if text := choice["delta"].get("content"):
                yield text
        if counted := chunk.get("usage"):
            reason: Reason = "length" if finish_reason == "length" else "stop"
            # What this slot still had of an earlier prompt, and did not read again.
            cached = (counted.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            read, written = counted["prompt_tokens"], counted["completion_tokens"]
            yield Done(reason, read, written, cached_tokens=cached)
            return
    raise EngineFailed("The model's answer ended too early.")
