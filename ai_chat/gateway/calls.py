"""One call of /v1 that a model answers: reserved before the provider is asked, done in the thread
of its request, and paid by its use when it has ended (design: gateway, C.4 to C.8)."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from django.conf import settings
from django.http import HttpRequest

from ai_chat.calls.counts import count_call
from ai_chat.gateway.errors import ApiError
from ai_chat.gateway.middleware import request_id_of
from ai_chat.gateway.reading import CallReader, ChunkReader
from ai_chat.gateway.repeats import start_once
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.start import Agreed, start_job
from ai_chat.jobs.work import Bounds, Stopped, TimeIsUp, Work, charged_if_shown
from ai_chat.models import ApiCall
from ai_chat.providers.chat import ProviderCall, tokens_of
from ai_chat.providers.client import http_client, limit_name, timeout_of, usage_options
from ai_chat.providers.errors import ProviderError, known_keys
from ai_chat.providers.pieces import Piece
from ai_chat.providers.sdk_errors import error_of, unreached
from ai_chat.providers.used import CallBounds, Used, used
from credits.idempotency import fingerprint
from credits.keys.lookup import Caller
from credits.models import AIModel
from credits.reasons import Reason
from credits.uses import Asked, Tokens

State = ApiCall.State
#: Bytes of a provider's error that are read.
MAX_ERROR_BYTES = 100_000


@dataclass(frozen=True)
class Call:
    """A call that was checked: `body` is what the provider is sent, but for the model and the
    length that is granted; `asked` is its size, by which credits are reserved."""

    endpoint: str
    model: AIModel
    body: dict[str, Any]
    asked: Asked
    #: Bytes of its text, as `CallBounds` has them.
    text_bytes: int
    streamed: bool
    #: SHA-256 of what the client sent: the same for a call that is repeated.
    body_digest: str
    #: Names of parameters that were left out.
    ignored: list[str] = field(default_factory=list)
    #: Headers of the client that go to the provider.
    headers: Mapping[str, str] = field(default_factory=dict)


def start_call(http: HttpRequest, caller: Caller, call: Call) -> ApiCall:
    """Reserves credits for a call, and records it. Raises AnsweredBefore for one that repeats
    another, what `start_job` raises, and ApiError for a model that the key may not use."""
    model = call.model
    check_allowed(caller, model)
    request = [call.endpoint, call.body_digest]
    request_id = request_id_of(http)
    asked, agreed = call.asked, agreed_of(http)
    row = {
        "id": request_id.removeprefix("req_"),
        "model": model.name,
        "api_key_id": caller.key_id,
        "endpoint": call.endpoint,
        "request_id": request_id,
        "streamed": call.streamed,
        "fingerprint": fingerprint(request),
    }

    def start(ledger_key: str | None) -> tuple[ApiCall, bool]:
        return start_job(
            ApiCall,
            user_id=caller.account_id,
            feature=model.feature,
            quantity=asked.choices,
            # Of a model that is priced by tokens all of `agreed` counts, and this does not.
            max_unit_cost=None if agreed.credits is None else agreed.credits // asked.choices,
            idempotency_key=ledger_key or f"call:{request_id}",
            request=request,
            row=row,
            asked=asked,
            agreed=agreed,
            key=caller,
            details={"requestId": request_id},
        )

    return start_once(http, caller, request=str(row["fingerprint"]), start=start)


def check_allowed(caller: Caller, model: AIModel) -> None:
    """Raises ApiError for a model that the key may not use."""
    if caller.only_models is not None and model.name not in caller.only_models:
        raise ApiError(403, "model_not_allowed", "This key may not use this model.", param="model")


def agreed_of(http: HttpRequest) -> Agreed:
    """What the client agrees to pay, by its headers X-Price-Version and X-Max-Credits. Raises
    ApiError."""
    return Agreed(_number(http, "X-Price-Version"), _number(http, "X-Max-Credits"))


def never_clamped(http: HttpRequest) -> bool:
    """Whether the client wants all the output that it asks for or none, by its header
    X-Tally-Clamp. Raises ApiError."""
    value = http.headers.get("X-Tally-Clamp", "allow").strip().lower()
    if value not in {"allow", "never"}:
        raise ApiError(400, "invalid_value", "The header X-Tally-Clamp must be never or allow.")
    return value == "never"


def _number(http: HttpRequest, name: str) -> int | None:
    value = http.headers.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 15:
        raise ApiError(400, "invalid_value", f"The header {name} must be a whole number.")
    return int(value)


class CallStream(ProviderCall):
    """The provider's answer to one call, in chunks. The request is built by hand and sent over the
    SDK's connections: making the SDK's objects takes longer than all else before it is sent."""

    #: The path below the provider's address, and the media type that is accepted.
    path = "chat/completions"
    accepts = "text/event-stream"

    def __init__(self, call: Call, *, granted: int | None) -> None:
        self.reader = self.reader_of(call, granted)
        super().__init__(call.model, self.reader, max_tokens=granted)
        self._headers = {**self.key_header(), **call.headers}
        self._timeout = timeout_of(call.model)
        self._body = {**self.body(call, granted), "model": call.model.provider_model}

    def reader_of(self, call: Call, granted: int | None) -> CallReader:
        """What reads the answer."""
        return ChunkReader(choices=call.asked.choices, max_tokens=granted)

    def body(self, call: Call, granted: int | None) -> dict[str, Any]:
        """The body that the provider is sent, but for the model."""
        most = granted or min(call.asked.output, tokens_of(call.model))
        return {
            **call.body,
            **self.limits(call, most),
            "stream": True,
        }

    def limits(self, call: Call, most: int) -> dict[str, Any]:
        """Parameters that bound the answer at `most` tokens, and ask for its usage at the end."""
        provider = call.model.provider
        return {limit_name(provider): most, **usage_options(provider)}

    def key_header(self) -> dict[str, str]:
        """The header with the provider's key; none where it has no key."""
        if not self._provider.key_is_set:
            return {}
        known_keys.add(self._provider.key)
        return {"Authorization": f"Bearer {self._provider.key}"}

    @contextmanager
    def _answer(self) -> Iterator[Iterator[bytes]]:
        http = http_client(self._provider.address)
        headers = {"Content-Type": "application/json", "Accept": self.accepts, **self._headers}
        content = json.dumps(self._body, separators=(",", ":"))
        request = http.build_request(
            "POST", self.path, content=content, headers=headers, timeout=self._timeout
        )
        try:
            response = http.send(request, stream=True)
        except httpx2.TransportError as error:
            raise unreached(error) from error
        try:
            if response.status_code != 200:
                raise _refusal_of(response)
            yield response.iter_bytes()
        finally:
            response.close()


def _refusal_of(response: httpx2.Response) -> ProviderError:
    """The error that a status other than 200 stands for."""
    body = bytearray()
    with suppress(httpx2.HTTPError, httpx2.StreamError):
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_ERROR_BYTES:
                break
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        error = body[:2000].decode(errors="replace")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        error = error.get("error", error)
    return error_of(error, status=response.status_code, headers=response.headers)


class CallWork(Work[ApiCall]):
    """The provider's part of one call. What has come is paid once any of it was passed on."""

    keeps = False
    #: How the provider is asked.
    stream_type: type[CallStream] = CallStream

    def __init__(self, job: ApiCall, call: Call) -> None:
        super().__init__(job, call.model)
        self.bounds = Bounds.of_text(call.model, total=settings.API_CALL_SECONDS)
        self.call = call
        self.is_cut = False
        self.failure: ProviderError | None = None
        granted = job.output_granted
        self._stream = self.stream_type(call, granted=granted)
        output = tokens_of(call.model) if granted is None else granted
        self._bounds = CallBounds(
            call.text_bytes, call.asked.input_bound, output * call.asked.choices
        )

    @property
    def reader(self) -> CallReader:
        """What has come of the answer so far."""
        return self._stream.reader

    def with_model(self, model: AIModel) -> "CallWork | None":
        return type(self)(self.job, replace(self.call, model=model))

    def pieces(self) -> Generator[Piece]:
        yield from self._stream

    def cancel(self) -> None:
        self._stream.leave()

    def so_far(self) -> Tokens:
        return self.used().tokens

    def ended(self, job: ApiCall | None, *, kept: bool) -> None:
        if job:
            count_call(job)

    def used(self, **how: bool) -> Used:
        return used(self._bounds, self.reader.received, **how)

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        outcome = self._outcome(cause)
        is_stop = outcome.failure == Reason.STOPPED_EARLY
        is_sent = self.reader.has_begun and (self.call.streamed or not self.failure)
        state = State.FAILED if self.failure else State.DONE
        outcome = charged_if_shown(outcome, cause, is_shown=is_sent, state=state)
        is_failed = outcome.delivered == 0 and not (is_stop or outcome.charged_as)
        return replace(outcome, used=self.used(failed=is_failed, input_due=is_stop))

    def _outcome(self, cause: Exception | None) -> Outcome:
        reader = self.reader
        match cause:
            case TimeIsUp() if reader.has_output:
                self.is_cut = True
                return Outcome(State.DONE)
            case ProviderError():
                self.failure = cause
                return Outcome(State.FAILED, cause.reason, delivered=0)
            case Stopped():
                stopped = Outcome(State.STOPPED, Reason.STOPPED_EARLY, delivered=0)
                return Outcome(State.STOPPED) if reader.has_begun else stopped
        if reader.is_filtered:
            return Outcome(State.FAILED, Reason.REFUSED, delivered=0)
        if not reader.has_output:
            # Also what was only thought: the table of outcomes (docs/ledger.md).
            return Outcome(State.FAILED, Reason.EMPTY_ANSWER, delivered=0)
        return Outcome(State.DONE)
