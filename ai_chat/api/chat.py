"""Chat in JSON: the AI SDK's stream, or one answer when it is finished."""

from collections.abc import Mapping
from uuid import uuid4

from django.db import connections
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.api.messages import recent_messages, text_of
from ai_chat.api.problems import StillRunning, provider_failed
from ai_chat.api.receipts import chat_answer, chat_receipt, paid_headers
from ai_chat.api.serializers import ChatIn, ChatOut, ModelsOut, ProviderFailedOut
from ai_chat.api.ui_stream import HEADERS, UIMessageStream
from ai_chat.conversations.turns import answer_turn, start_turn
from ai_chat.jobs.capacity import keeps_its_thread
from ai_chat.jobs.errors import AnswerDeleted
from ai_chat.jobs.following import wait
from ai_chat.models import Turn
from ai_chat.offer import IMAGE, TEXT, choices
from credits.api.answers import conditional
from credits.api.base import ApiView, body_of, user_of
from credits.api.idempotency import IDEMPOTENCY_KEY, REPLAYED_HEADER, read_key, replay_headers
from credits.api.schema import MEANINGS, errors
from credits.catalogue.models import get_model
from credits.clerk.auth.requests import refuse_impersonated
from credits.idempotency import namespaced

JSON = "application/json"
STREAM = "text/event-stream"
#: No type: some readers of the schema take it for the whole stream, others for each event.
STREAM_SCHEMA = {"description": "Server-sent events, each `data` a JSON part or `[DONE]`."}


class Chat(ApiView):
    @extend_schema(
        operation_id="chat",
        summary="Send a message",
        description="Charges one message and answers it. The answer is the AI SDK's UI message "
        "stream (version 1), or with `Accept: application/json` one object when it is finished. "
        "Closing the stream stops the answer. What was charged is refunded when the provider "
        "fails, in the stream as an `error` part.",
        parameters=[IDEMPOTENCY_KEY, REPLAYED_HEADER],
        request=ChatIn,
        responses={
            (200, JSON): ChatOut,
            (200, STREAM): OpenApiResponse(STREAM_SCHEMA, description="The UI stream."),
            **errors(402, 403, 409, 422, 429),
            502: OpenApiResponse(ProviderFailedOut, description=MEANINGS[502][1]),
        },
        tags=["ai"],
    )
    @method_decorator(keeps_its_thread)
    def post(self, request: Request) -> HttpResponseBase:
        refuse_impersonated(request)
        body = body_of(request, ChatIn)
        model = get_model(body["model"], feature=TEXT, user_id=user_of(request).pk)
        turn, is_new = start_turn(
            user_id=user_of(request).pk,
            conversation=None,
            external_id=body.get("id"),
            text=text_of(body["messages"][-1], body.get("attachments") or ()),
            model=model,
            idempotency_key=namespaced("api", read_key(request) or str(uuid4())),
            request=request.data,
        )
        if is_new:
            messages = recent_messages(body["messages"], turn.prompt)
            answer_turn(turn, model, messages, temperature=body.get("temperature"))
        elif turn.is_running:
            raise StillRunning
        answer = whole if wants_json(request) else stream
        return answer(turn, replay_headers(is_new=is_new))


def wants_json(request: Request) -> bool:
    """Whether JSON is named in `Accept`, and wanted more than the stream."""
    types = request.accepted_types
    wanted = {f"{each.main_type}/{each.sub_type}": each.quality for each in types}
    return wanted.get(JSON, 0) > wanted.get(STREAM, 0)


def stream(turn: Turn, headers: Mapping[str, str]) -> StreamingHttpResponse:
    """The headers say what was held; what it came to is in the stream's last part."""
    response = StreamingHttpResponse(
        UIMessageStream(turn),
        content_type=f"{STREAM}; charset=utf-8",
        headers={**HEADERS, **headers, "X-Credits-Charged": str(turn.charge.credits_used)},
    )
    response["X-Credits-Remaining"] = str(turn.charge.balance_after)
    connections.close_all()
    return response


def whole(turn: Turn, headers: Mapping[str, str]) -> Response:
    """Waits for the end. Raises HttpError: 502 when the turn failed and was refunded, 409 when its
    end could not be saved, so that its lease decides."""
    connections.close_all()  # Before waiting: the pool is for those who work.
    ended = wait(turn)
    if ended is None:
        raise AnswerDeleted("The conversation was deleted meanwhile.")
    if ended.is_running:
        raise StillRunning
    if ended.state == Turn.State.FAILED:
        raise provider_failed(ended, chat_receipt(ended), headers, text=ended.answer)
    answer = chat_answer(ended)
    return Response(answer, headers=paid_headers(answer, headers))


class Models(ApiView):
    @extend_schema(
        operation_id="listModels",
        summary="Models and prices",
        description="What can be chosen, with what one message or one image costs now. The first "
        "of each kind that needs no plan you lack is used when a call names none.",
        responses={200: ModelsOut, 304: None},
        tags=["ai"],
    )
    def get(self, request: Request) -> Response:
        offered = choices(user_id=user_of(request).pk)
        kinds = {"text": offered[TEXT], "image": offered[IMAGE]}
        return conditional(request, ModelsOut(kinds).data)
