"""POST /v1/responses, and what is kept of responses."""

import logging
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from ai_chat.data.kept_responses import input_of, whole_response
from ai_chat.gateway.answers import Data, RunningCall, StreamedAnswer, WholeAnswer, answer_call
from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import read_body
from ai_chat.gateway.calls import Call
from ai_chat.gateway.catalogue import model_named
from ai_chat.gateway.chat import chat_call
from ai_chat.gateway.errors import ApiError, Unsupported, meaning
from ai_chat.gateway.headers import cost_of
from ai_chat.gateway.json_output import json_response
from ai_chat.gateway.responses.events import ResponseEvents
from ai_chat.gateway.responses.incoming import Incoming, read_request
from ai_chat.gateway.responses.stored import KeptItems, delete_response, find_response
from ai_chat.jobs.running import released_connection
from ai_chat.models import KeptResponse
from ai_chat.providers.pieces import Usage
from config.errors import InvalidInput
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
    keep_in = kept if incoming.store and kept.keeps else None
    answer = partial(ResponseAnswer, incoming=incoming, keep_in=keep_in)
    return answer_call(http, caller, call, whole=answer, streamed=answer)


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


class ResponseAnswer(StreamedAnswer, WholeAnswer):
    """A response, in events or whole. It is kept in `keep_in`; None if it is not to be kept."""

    def __init__(
        self, running: RunningCall, *, incoming: Incoming, keep_in: KeptItems | None
    ) -> None:
        self._running, self._incoming, self._keep_in = running, incoming, keep_in
        self._events = ResponseEvents(
            running.job.pk.hex,
            incoming.repeated,
            incoming.tools,
            store=keep_in is not None,
            streamed=incoming.stream,
            call_ids=incoming.call_ids,
        )

    def begin(self) -> bytes:
        return self._events.begin()

    def add(self, chunk: Data) -> bytes:
        return self._events.add(chunk)

    def end(self) -> bytes:
        """The last events. The response is kept before: the next call may refer to it."""
        running, tokens = self._running, self._running.tokens
        usage = Usage(
            tokens.input, tokens.cached, tokens.cache_write, tokens.output, tokens.reasoning
        )
        events = self._events.end(running.finishes[0], usage, cost=cost_of(running.job))
        if self._keep_in:
            self._keep(self._keep_in)
        return events

    def fail(self, error: ApiError) -> bytes:
        _, code = meaning(error)
        return self._events.fail(code if code in FAILED_CODES else "server_error", str(error))

    def body(self) -> Data:
        self.end()
        return self._events.whole()

    def _keep(self, kept: KeptItems) -> None:
        with released_connection():
            try:
                kept.keep(self._incoming, self._events.whole())
            except DatabaseError as error:
                # Its message may quote what was to be kept.
                what = type(error).__name__
                job = self._running.job
                logger.warning("call %s: the response was not kept (%s)", job.pk, what)


def response(http: HttpRequest, response_id: str) -> HttpResponse:
    """A kept response, or its deletion."""
    kept = _kept(http, response_id, "GET", "DELETE")
    if http.GET.get("stream") == "true":
        raise Unsupported("stream")
    if http.method == "DELETE":
        delete_response(kept)
        return json_response({"id": response_id, "object": "response", "deleted": True})
    return json_response(whole_response(kept))


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
    return json_response(
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
