"""OpenAI's endpoints over an engine: models, chat completions, images."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from ai_chat.local_provider import faults, wire
from ai_chat.local_provider.engine import (
    ChatRequest,
    ContextTooLong,
    Done,
    Engine,
    EngineFailed,
    Event,
    Events,
    ImageRequest,
    Pause,
)
from ai_chat.local_provider.server import Call, ClientGone, Connection, ProviderServer
from ai_chat.local_provider.wire import ApiError


def serve(
    engine: Engine,
    port: int,
    host: str = "127.0.0.1",
    on_call: Callable[[Call], None] | None = None,
) -> ProviderServer:
    """Serve `engine` through OpenAI's endpoints, as ProviderServer says."""
    return ProviderServer(engine, Api, port=port, host=host, on_call=on_call)


class Api(Connection):
    """A connection with OpenAI's endpoints.

    A client that leaves ends its generation at the engine's next event, because the events are
    then closed. Nothing is sent before the first event, so that an error can have its own status.
    """

    def route(self, path: str) -> str:
        """The path, if it is an endpoint's."""
        return path if path in ROUTES else "(unknown)"

    def answer(self, path: str, body: bytes) -> None:
        """Call the endpoint of the path."""
        if path not in ROUTES:
            raise ApiError(404, "There is nothing at this address.", code="unknown_url")
        method, endpoint = ROUTES[path]
        if self.command != method:
            raise ApiError(405, f"Only {method} works here.", code="method_not_allowed")
        endpoint(self, body)

    def send_constant(self, _: bytes, *, data: dict[str, Any]) -> None:
        """An answer that is always the same."""
        self.send_body(wire.encode(data))

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

    def _events(self, request: ChatRequest | ImageRequest) -> closing[Events]:
        """The engine's events, with the faults that markers in the prompt ask for."""
        prompt, wanted = faults.split_markers(request.prompt)
        request = request.with_prompt(prompt)
        if self.server.on_call is not None:
            self.server.on_call(Call(request, tuple(wanted)))
        engine = self.server.engine
        events = engine.chat(request) if isinstance(request, ChatRequest) else engine.paint(request)
        return closing(faults.apply(wanted, events))

    def _watched(self, events: Events) -> Iterator[Event]:
        """The events while the client listens. Raises ClientGone, and ApiError for the engine's."""
        try:
            for event in events:
                if self.server.stopping.is_set() or self.client_gone():
                    raise ClientGone
                yield event
        except ContextTooLong as error:
            code = "context_length_exceeded"
            raise ApiError(400, str(error), code=code, param="messages") from error
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
            self.send_body(wire.GARBAGE)
            return
        self.send_body(wire.encode(body(units, done)), cut=cut)

    def _stream(self, request: ChatRequest, events: Events) -> None:
        completion = wire.Completion(request.model)
        try:
            for event in self._watched(events):
                self._open_stream(completion)
                self._send_event(request, completion, event)
        except faults.Cut:
            self._open_stream(completion)
            self.hang_up()
            return
        except faults.Garbage:
            self._open_stream(completion)
            self.send_chunk(wire.GARBAGE_EVENT)
        self.send_chunk(b"")

    def _open_stream(self, completion: wire.Completion) -> None:
        if not self.streaming:
            self.start_stream()
            self.send_chunk(completion.chunk({"role": "assistant", "content": ""}))

    def _send_event(self, request: ChatRequest, completion: wire.Completion, event: Event) -> None:
        match event:
            case str():
                self.send_chunk(completion.chunk({"content": event}))
            case Pause(comment=True):
                self.send_chunk(wire.COMMENT)
            case Done():
                self.send_chunk(completion.ending(event, with_usage=request.include_usage))


type Endpoint = Callable[[Api, bytes], None]


def _constant(data: dict[str, Any]) -> tuple[str, Endpoint]:
    return "GET", partial(Api.send_constant, data=data)


ROUTES: dict[str, tuple[str, Endpoint]] = {
    "/healthz": _constant({"status": "ok"}),  # the engine is loaded before the server starts
    "/v1/models": _constant(wire.models()),
    **{f"/v1/models/{name}": _constant(wire.model(name)) for name in wire.MODELS},
    "/v1/chat/completions": ("POST", Api.chat),
    "/v1/images/generations": ("POST", Api.images),
}
