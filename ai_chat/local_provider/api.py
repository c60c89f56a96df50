"""OpenAI's endpoints over an engine: models, chat completions, images, embeddings."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, override

from ai_chat.local_provider import faults, wire
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
    Pause,
    Request,
    Thought,
)
from ai_chat.local_provider.server import Call, ProviderServer
from ai_chat.local_provider.wire import ApiError

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES
IDLE_SECONDS = 120.0

logger = logging.getLogger(__name__)


class ClientGone(Exception):
    """The client closed its connection, or the server is stopping."""


class Api(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other. Never logs a body. A client that
    leaves ends its generation at the engine's next event, because the events are then closed.
    Nothing is sent before the first event, so that an error can have its own status."""

    protocol_version = "HTTP/1.1"
    server_version = "TallyLocalProvider"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: ProviderServer
    status = 0
    streaming = False

    def _answer(self, path: str, body: bytes) -> None:
        if path not in ROUTES:
            raise ApiError(404, "There is nothing at this address.", code="unknown_url")
        method, endpoint = ROUTES[path]
        if self.command != method:
            raise ApiError(405, f"Only {method} works here.", code="method_not_allowed")
        endpoint(self, body)

    def send_constant(self, _: bytes, *, data: dict[str, Any]) -> None:
        """An answer that is always the same."""
        self._send_body(wire.encode(data))

    def chat(self, body: bytes) -> None:
        """A text, streamed or whole."""
        request = wire.read_chat(wire.read_object(body))
        with self._events(request) as events:
            if request.stream:
                self._stream(request, events)
            else:
                self._whole(events, wire.Completion(request.model).whole)

    def images(self, body: bytes) -> None:
        """Pictures."""
        with self._events(wire.read_image(wire.read_object(body))) as events:
            self._whole(events, wire.images)

    def embeddings(self, body: bytes) -> None:
        """Vectors."""
        request = wire.read_embeddings(wire.read_object(body))
        with self._events(request) as events:
            self._whole(events, partial(wire.embeddings, request))

    def _events(self, request: Request) -> closing[Events]:
        """The engine's events, with the faults that markers in the prompt ask for."""
        prompt, markers = faults.split_markers(request.prompt)
        request = request.with_prompt(prompt)
        if self.server.on_call is not None:
            self.server.on_call(Call(request, tuple(markers.faults)))
        return closing(faults.apply(markers, self._events_of(request, markers)))

    def _events_of(self, request: Request, markers: faults.Markers) -> Events:
        engine = self.server.engine
        match request:
            case ChatRequest():
                return faults.answer(markers, engine, request)
            case ImageRequest():
                return engine.paint(request)
            case EmbeddingsRequest():
                return engine.embed(request)

    def _watched(self, events: Events) -> Iterator[Event]:
        """The events while the client listens. Raises ClientGone, and ApiError for the engine's."""
        try:
            for event in events:
                if self.server.stopping.is_set() or self._client_gone():
                    raise ClientGone
                yield event
        except ContextTooLong as error:
            code = "context_length_exceeded"
            raise ApiError(400, str(error), code=code, param=error.param) from error
        except InvalidTokens as error:
            raise ApiError(400, str(error), code="invalid_value", param="input") from error
        except EngineFailed as error:
            raise ApiError(500, str(error), code="server_error") from error

    def _whole(self, events: Events, body: Callable[[list[Event], Done], dict[str, Any]]) -> None:
        units: list[Event] = []
        done, cut = Done(), False
        try:
            for event in self._watched(events):
                if isinstance(event, Done):
                    done = event
                else:
                    units.append(event)
        except faults.Cut:
            cut = True
        except faults.Garbage:
            self._send_body(wire.GARBAGE)
            return
        self._send_body(wire.encode(body(units, done)), cut=cut)

    def _stream(self, request: ChatRequest, events: Events) -> None:
        completion = wire.Completion(request.model)
        try:
            for event in self._watched(events):
                self._open_stream(completion)
                self._send_event(request, completion, event)
        except faults.Cut:
            self._open_stream(completion)
            self._hang_up()
            return
        except faults.Garbage:
            self._open_stream(completion)
            self._send_chunk(wire.GARBAGE_EVENT)
        self._send_chunk(b"")

    def _open_stream(self, completion: wire.Completion) -> None:
        """The head of a stream of server-sent events, once; `_send_chunk(b"")` ends it."""
        if not self.streaming:
            self.streaming = True
            self._send_head(
                200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
            )
            self._send_chunk(completion.chunk({"role": "assistant", "content": ""}))

    def _send_event(self, request: ChatRequest, completion: wire.Completion, event: Event) -> None:
        match event:
            case str():
                self._send_chunk(completion.chunk({"content": event}))
            case Thought():
                self._send_chunk(completion.chunk({"reasoning_content": event.text}))
            case Pause(comment=True):
                self._send_chunk(wire.COMMENT)
            case Done():
                self._send_chunk(completion.ending(event, with_usage=request.include_usage))

    def do_GET(self) -> None:
        """Answer one request, whatever its method."""
        started = time.monotonic()
        self.status, self.streaming = 0, False
        path = self.path.partition("?")[0]
        try:
            self._answer(path, self._read_body())
        except ApiError as error:
            self._send_error(error)
        except (ClientGone, OSError):
            self.close_connection = True
            self.status = 499
        seconds = time.monotonic() - started
        # A path that does not exist could hold anything.
        route = path if path in ROUTES else "(unknown)"
        logger.info("%s %s %d %.3fs", self.command, route, self.status, seconds)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not valid HTTP; the base class would send HTML."""
        self.close_connection = True
        # Where the first line is invalid, the version read from it is 0.9: no head at all.
        self.request_version = self.protocol_version
        self.streaming = False
        self._send_error(ApiError(code, self.responses[code][0]))

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Not the base class's lines on stderr: `do_GET` logs one of its own."""

    def _client_gone(self) -> bool:
        """Whether the client has closed: only then is there an end of file to peek at."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.connection.settimeout(IDLE_SECONDS)

    def _send_body(self, body: bytes, *, status: int = 200, cut: bool = False) -> None:
        """A whole JSON answer; with `cut` the connection ends half-way through it."""
        self._send_head(status, {"Content-Type": "application/json", "Content-Length": len(body)})
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _send_chunk(self, data: bytes) -> None:
        """One piece of a stream, in one packet."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _hang_up(self) -> None:
        """End the connection in the middle of an answer."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send_error(self, error: ApiError) -> None:
        if self.streaming:
            self._send_chunk(wire.event(error.body()))
            self._send_chunk(b"")
        else:
            self._send_body(wire.encode(error.body()), status=error.status)

    def _send_head(self, status: int, headers: dict[str, str | int]) -> None:
        self.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _read_body(self) -> bytes:
        text = self.headers.get("Content-Length") or "0"
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise ApiError(411, "Send the body with a Content-Length.", code="length_required")
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            self.close_connection = True
            raise ApiError(400, "The Content-Length is not valid.", code="invalid_header")
        length = int(text)
        if length > MAX_BODY_BYTES:
            self._discard(length)
            raise ApiError(413, f"A body has at most {MAX_BODY_BYTES} bytes.", code="too_large")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ClientGone
        return body

    def _discard(self, length: int) -> None:
        # Closing on unread bytes resets the connection, and the client would never see the answer.
        self.close_connection = True
        left = min(length, MAX_DISCARDED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)


#: An engine behind OpenAI's endpoints.
serve = partial(ProviderServer, handler=Api)

type Endpoint = Callable[[Api, bytes], None]


def _constant(data: dict[str, Any]) -> tuple[str, Endpoint]:
    return "GET", partial(Api.send_constant, data=data)


ROUTES: dict[str, tuple[str, Endpoint]] = {
    "/healthz": _constant({"status": "ok"}),  # the engine is loaded before the server starts
    "/v1/models": _constant(wire.models()),
    **{f"/v1/models/{name}": _constant(wire.model(name)) for name in wire.MODELS},
    "/v1/chat/completions": ("POST", Api.chat),
    "/v1/images/generations": ("POST", Api.images),
    "/v1/embeddings": ("POST", Api.embeddings),
}
