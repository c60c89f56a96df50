"""OpenAI's endpoints over an engine: models, chat completions, pictures."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from ai_chat.local_provider import faults, wire
from ai_chat.local_provider.connection import ClientGone, Connection
from ai_chat.local_provider.engine import (
    ChatRequest,
    ContextTooLong,
    Done,
    Engine,
    EngineFailed,
    Event,
    Events,
    Pause,
)
from ai_chat.local_provider.errors import ApiError
from ai_chat.local_provider.requests import (
    IMAGE_MODEL,
    TEXT_MODEL,
    read_chat,
    read_image,
    read_object,
    replace_prompt,
)
from ai_chat.local_provider.server import Call, ProviderServer

MODELS = (TEXT_MODEL, IMAGE_MODEL)


def serve(
    engine: Engine,
    port: int,
    host: str = "127.0.0.1",
    on_call: Callable[[Call], None] | None = None,
) -> ProviderServer:
    """Start serving `engine` in a thread of this process; `stop()` on the result ends it.

    Port 0 picks a free one. Raises OSError where the port is taken.
    """
    server = ProviderServer(engine, Api, port=port, host=host, on_call=on_call)
    server.start()
    return server


class Api(Connection):
    """A connection that knows the endpoints.

    A client that leaves ends its generation at the engine's next event, because the events are
    then closed. Nothing is sent before the first event, so that an error can have its own status.
    """

    def route(self, path: str) -> str:
        """The path, if it is one of ours."""
        return path if path in ROUTES else "(unknown)"

    def answer(self, path: str, body: bytes) -> None:
        """Find the endpoint and let it answer."""
        if path not in ROUTES:
            raise ApiError(404, "There is nothing at this address.", code="unknown_url")
        method, endpoint = ROUTES[path]
        if self.command != method:
            raise ApiError(405, f"Only {method} works here.", code="method_not_allowed")
        endpoint(self, body)

    def health(self, _: bytes) -> None:
        """Ready: the engine was loaded before the first request could come in."""
        self.send_json(200, {"status": "ok"})

    def list_models(self, _: bytes) -> None:
        """All models."""
        self.send_json(200, wire.models(MODELS))

    def show_model(self, _: bytes, *, name: str) -> None:
        """One model."""
        self.send_json(200, wire.model(name))

    def chat(self, body: bytes) -> None:
        """A text, streamed or whole."""
        request = read_chat(read_object(body))
        prompt, wanted = faults.split_markers(request.prompt)
        request = replace_prompt(request, prompt)
        self._announce(Call(request, tuple(wanted)))
        with closing(faults.apply(wanted, self.server.engine.chat(request))) as events:
            if request.stream:
                self._stream(request, events)
            else:
                self._whole(events, wire.Completion(request.model).whole)

    def images(self, body: bytes) -> None:
        """Pictures."""
        request = read_image(read_object(body))
        prompt, wanted = faults.split_markers(request.prompt)
        request = replace(request, prompt=prompt)
        self._announce(Call(request, tuple(wanted)))
        with closing(faults.apply(wanted, self.server.engine.paint(request))) as events:
            self._whole(events, _pictures)

    def _announce(self, call: Call) -> None:
        if self.server.on_call is not None:
            self.server.on_call(call)

    def _watched(self, events: Events) -> Iterator[Event]:
        """The events while the client listens. Raises ClientGone; the engine's errors as ours."""
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
                elif not isinstance(event, Pause):
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


def _pictures(units: list[Event], done: Done) -> dict[str, Any]:
    if done.refusal is not None:
        raise ApiError(400, done.refusal, code="content_policy_violation", param="prompt")
    return wire.images([unit for unit in units if isinstance(unit, bytes)])


type Endpoint = Callable[[Api, bytes], None]

ROUTES: dict[str, tuple[str, Endpoint]] = {
    "/healthz": ("GET", Api.health),
    "/v1/models": ("GET", Api.list_models),
    **{f"/v1/models/{name}": ("GET", partial(Api.show_model, name=name)) for name in MODELS},
    "/v1/chat/completions": ("POST", Api.chat),
    "/v1/images/generations": ("POST", Api.images),
}
