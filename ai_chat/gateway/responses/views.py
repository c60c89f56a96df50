"""POST /v1/responses, and what is kept of responses."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from ai_chat.data.kept_responses import input_of, whole_response
from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import read_body
from ai_chat.gateway.calls import Call, Driven, start_call
from ai_chat.gateway.catalogue import model_named
from ai_chat.gateway.chat import chat_call, streaming
from ai_chat.gateway.completions import json_of
from ai_chat.gateway.errors import ApiError, Unsupported, meaning
from ai_chat.gateway.headers import charge_headers, cost_of, ended_headers
from ai_chat.gateway.responses.events import ResponseEvents
from ai_chat.gateway.responses.incoming import Incoming, read_request
from ai_chat.gateway.responses.stored import KeptItems, delete_response, find_response
from ai_chat.jobs.running import released_connection
from ai_chat.models import KeptResponse
from ai_chat.providers.pieces import Piece, Usage
from config.errors import InvalidInput
from config.serving.capacity import keeps_a_thread
from credits.features import TEXT
from credits.models import AIModel

logger = logging.getLogger(__name__)

ENDPOINT = "responses"
#: Codes of errors that clients know in a response which has failed; others are `server_error`.
FAILED_CODES = {"context_length_exceeded", "rate_limit_exceeded"}
#: Items in one page, as OpenAI has them.
USUAL_PAGE, LARGEST_PAGE = 20, 100


def responses(http: HttpRequest) -> HttpResponseBase:
    """Answers with a response, streamed or whole."""
    caller = caller_of(http)
    body = read_body(http)
    kept = KeptItems(caller.account_id, wanted=caller.keeps_answers)
    incoming = read_request(body, kept, remote_images=settings.API_REMOTE_IMAGES)
    model = model_named(incoming.chat["model"], caller, feature=TEXT)
    call = response_call(http, incoming, model)
    store = incoming.store and kept.keeps
    with keeps_a_thread(caller.account_id) as slot:
        job = start_call(http, caller, call)
        driven = Driven(job, call)
        told = ResponseEvents(
            job.pk.hex,
            incoming.repeated,
            incoming.tools,
            store=store,
            streamed=call.streamed,
            call_ids=incoming.call_ids,
        )
        answer = Answer(driven, told, incoming, kept if store else None)
        headers = charge_headers(job, call)
        first = driven.first(http)
        if call.streamed:
            return slot.by(streaming(answer.streamed(first), headers))
        return answer.whole(first, headers)


def response_call(http: HttpRequest, incoming: Incoming, model: AIModel) -> Call:
    """What is asked of the model. Fields of the messages are the client's `input`."""
    try:
        call = chat_call(http, incoming.chat, model, endpoint=ENDPOINT)
    except InvalidInput as error:
        raise ApiError(400, "invalid_value", str(error), param="input") from error
    except ApiError as error:
        error.param = "input" if (error.param or "").startswith("messages") else error.param
        raise
    return replace(call, streamed=incoming.stream, ignored=incoming.ignored)


class Answer:
    """A response that is being answered. `kept` is where it is kept; None if it is not."""

    def __init__(
        self, driven: Driven, told: ResponseEvents, incoming: Incoming, kept: KeptItems | None
    ) -> None:
        self._driven, self._told, self._incoming, self._kept = driven, told, incoming, kept

    def streamed(self, piece: Piece | None) -> Iterator[bytes]:
        """Its events."""
        pieces = self._driven.pieces
        try:
            yield self._told.begin()
            yield from filter(None, self._driven.told(piece, self._told.add))
            yield self._end()
        finally:
            pieces.close()

    def whole(self, piece: Piece | None, headers: Mapping[str, str]) -> HttpResponse:
        """It in one object. Raises ApiError."""
        for _ in self._driven.told(piece, self._told.add):
            pass
        self._driven.check()
        self._end()
        return _json(self._told.whole(), {**headers, **ended_headers(self._driven.job)})

    def _end(self) -> bytes:
        """The events of its end. It is kept before they are told: the next call may refer to it."""
        driven = self._driven
        if error := driven.error():
            code = meaning(error)[1]
            return self._told.fail(code if code in FAILED_CODES else "server_error", str(error))
        tokens = driven.job.use or driven.work.used().tokens
        usage = Usage(
            tokens.input, tokens.cached, tokens.cache_write, tokens.output, tokens.reasoning
        )
        events = self._told.end(driven.finishes[0], usage, cost=cost_of(driven.job))
        if self._kept:
            with released_connection():
                try:
                    self._kept.keep(self._incoming, self._told.whole())
                except DatabaseError as error:
                    # Its message may quote what was to be kept.
                    what = type(error).__name__
                    logger.warning("call %s: the response was not kept (%s)", driven.job.pk, what)
        return events


def response(http: HttpRequest, response_id: str) -> HttpResponse:
    """A kept response, or its deletion."""
    kept = _kept(http, response_id, "GET", "DELETE")
    if http.GET.get("stream") == "true":
        raise Unsupported("stream")
    if http.method == "DELETE":
        delete_response(kept)
        return _json({"id": response_id, "object": "response", "deleted": True})
    return _json(whole_response(kept))


def input_items(http: HttpRequest, response_id: str) -> HttpResponse:
    """The items that a kept response answered, the last one first unless `order` is asc."""
    items = input_of(_kept(http, response_id, "GET"))
    if http.GET.get("order") != "asc":
        items.reverse()
    ids = [item["id"] for item in items]
    after = http.GET.get("after")
    begin = ids.index(after) + 1 if after in ids else 0
    wanted = http.GET.get("limit", "")
    most = min(LARGEST_PAGE, int(wanted) if wanted.isdecimal() and len(wanted) < 5 else USUAL_PAGE)
    page = items[begin : begin + most]
    return _json(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": begin + most < len(items),
        }
    )


def _kept(http: HttpRequest, response_id: str, *methods: str) -> KeptResponse:
    """The caller's kept response. Raises ApiError."""
    caller = caller_of(http)
    if http.method not in methods:
        message = f"Not allowed: {http.method}. Use {' or '.join(methods)}."
        raise ApiError(405, "method_not_allowed", message, headers={"Allow": ", ".join(methods)})
    kept = find_response(account_id=caller.account_id, response_id=response_id)
    if kept is None:
        raise ApiError(404, "not_found", "No response has this id, or it is not kept any more.")
    return kept


def _json(body: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(json_of(body), content_type="application/json", headers=headers)
