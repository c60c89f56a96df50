"""POST /v1/embeddings: vectors of texts, paid by the tokens that are read (gateway, A.6)."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from ai_chat.gateway.answers import Data, RunningCall, WholeAnswer, answer_call
from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import count_in, names_beside, read_body, text_in
from ai_chat.gateway.calls import Call, CallStream, CallWork
from ai_chat.gateway.catalogue import model_named
from ai_chat.gateway.errors import invalid
from ai_chat.gateway.headers import cost_of
from ai_chat.gateway.reading import CallReader
from ai_chat.providers.bounds import asked_of_inputs
from ai_chat.providers.embeddings import MAX_ANSWER_BYTES, Vector, counts_in, read_vectors
from ai_chat.providers.pieces import End, Finish, Piece
from ai_chat.providers.reading import read_json
from ai_chat.providers.sdk_errors import provider_errors
from ai_chat.providers.sse import without_mark
from ai_chat.providers.used import BYTES_PER_TOKEN
from credits.features import EMBEDDING
from credits.models import AIModel

ENDPOINT = "embeddings"
#: OpenAI's.
MAX_INPUTS = 2048
MAX_DIMENSIONS = 100_000
FORMS = ("float", "base64")
READ = ("model", "input", "encoding_format", "dimensions", "user")

#: A text, or tokens of the model's own vocabulary.
type Input = str | list[int]


def embeddings(http: HttpRequest) -> HttpResponseBase:
    """Answers with a vector for each input, as numbers or in base64, whichever is asked for."""
    caller = caller_of(http)
    body = read_body(http)
    form = _form(body)
    model = model_named(text_in(body, "model"), caller, feature=EMBEDDING)
    call = embeddings_call(http, body, model)
    vectors = partial(Vectors, encoding=form)
    return answer_call(http, caller, call, whole=vectors, work=EmbeddingWork)


def embeddings_call(http: HttpRequest, body: Mapping[str, Any], model: AIModel) -> Call:
    """What a body asks of a model. Raises InvalidInput."""
    inputs = inputs_of(body.get("input"))
    texts = [each.encode(errors="surrogatepass") for each in inputs if isinstance(each, str)]
    text_bytes = sum(map(len, texts))
    tokens = sum(len(each) for each in inputs if not isinstance(each, str))
    dimensions = count_in(body, "dimensions", 1, MAX_DIMENSIONS)
    return Call(
        endpoint=ENDPOINT,
        model=model,
        body={
            "input": body["input"],
            # The smaller of the two by far, and what OpenAI's SDKs ask every server for.
            "encoding_format": "base64",
            **({"dimensions": dimensions} if dimensions else {}),
        },
        asked=asked_of_inputs(model, text_bytes=text_bytes, tokens=tokens, inputs=len(inputs)),
        text_bytes=text_bytes + tokens * BYTES_PER_TOKEN,
        streamed=False,
        body_digest=http.META["BODY_DIGEST"],
        ignored=names_beside(body, *READ),
    )


def inputs_of(value: Any) -> list[Input]:
    """The inputs of a body: a text, tokens, or a list of such. Raises InvalidInput."""
    values = [value] if isinstance(value, str) or _are_tokens(value) else value
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_INPUTS:
        sentence = f"Must be a text, tokens, or a list of 1 to {MAX_INPUTS:,} of them."
        raise invalid(sentence, "input")
    for place, each in enumerate(values):
        if not (each and isinstance(each, str)) and not _are_tokens(each):
            raise invalid("Must be a text or a list of tokens that is not empty.", "input", place)
    return values


def _are_tokens(value: Any) -> bool:
    # A boolean is an int of Python's.
    is_list = isinstance(value, list) and bool(value)
    return is_list and all(type(each) is int and 0 <= each < 2**31 for each in value)


def _form(body: Mapping[str, Any]) -> str:
    form = body.get("encoding_format")
    if form is not None and form not in FORMS:
        raise invalid(f"Must be one of {', '.join(FORMS)}.", "encoding_format")
    return form or FORMS[0]


class VectorReader(CallReader):
    """Reads a body of vectors. They are there when it is whole, or not at all."""

    def __init__(self, *, count: int, dimensions: int | None) -> None:
        super().__init__()
        self.vectors: list[Vector] = []
        self._inputs, self._dimensions = count, dimensions

    def read(self, chunks: Iterable[bytes]) -> Iterator[Piece]:
        with provider_errors():
            answer = read_json(without_mark(iter(chunks)), most=MAX_ANSWER_BYTES)
        self.vectors = read_vectors(answer, count=self._inputs, dimensions=self._dimensions)
        self.received.deltas, self.has_output = 1, True
        self.received.note(counts_in(answer))
        self._finish = Finish.STOP
        yield End(Finish.STOP)


class EmbeddingStream(CallStream):
    """The provider's answer to one call for embeddings."""

    path = "embeddings"
    accepts = "application/json"

    def reader_of(self, call: Call, granted: int | None) -> VectorReader:
        inputs = inputs_of(call.body["input"])
        return VectorReader(count=len(inputs), dimensions=call.body.get("dimensions"))

    def body(self, call: Call, granted: int | None) -> dict[str, Any]:
        return call.body


class EmbeddingWork(CallWork):
    """The provider's part of one call for embeddings."""

    stream_type = EmbeddingStream


class Vectors(WholeAnswer):
    """The list of vectors, in an `encoding` of FORMS. Its reader has them: there are no chunks."""

    def __init__(self, running: RunningCall, *, encoding: str) -> None:
        self._running, self._as_base64 = running, encoding == "base64"

    def add(self, chunk: Data) -> None:
        pass

    def body(self) -> Data:
        reader, job = self._running.work.reader, self._running.job
        assert isinstance(reader, VectorReader)
        read = self._running.tokens.input
        return {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": vector.as_base64() if self._as_base64 else vector.as_floats(),
                }
                for index, vector in enumerate(reader.vectors)
            ],
            "model": job.model,
            "usage": {"prompt_tokens": read, "total_tokens": read, "cost": cost_of(job)},
        }
