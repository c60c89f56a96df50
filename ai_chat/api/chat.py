"""Chat in JSON: the AI SDK's stream, or one answer when it is finished."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

from django.db import connections
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.api.messages import KeptFiles, kept_files, past_messages, text_of
from ai_chat.api.problems import StillRunning, provider_failed
from ai_chat.api.receipts import chat_answer, chat_receipt, paid_headers
from ai_chat.api.serializers import ChatIn, ChatOut, ModelsOut, ProviderFailedOut
from ai_chat.api.ui_stream import HEADERS, UIMessageStream
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.path import beside, end_of
from ai_chat.conversations.presets import InvalidSetup, checked_setup, find_preset
from ai_chat.conversations.services import (
    find_answered,
    find_conversation,
    find_turn,
    running_turn,
)
from ai_chat.conversations.turns import choose_text_model, send_message
from ai_chat.jobs.errors import AnswerDeleted
from ai_chat.jobs.following import wait
from ai_chat.jobs.running import stop_job
from ai_chat.jobs.start import Agreed
from ai_chat.models import USUAL, Beginning, Place, Setup, Turn
from config.errors import HttpError
from config.serving.capacity import keeps_its_thread
from config.text import as_written
from credits.api.answers import conditional
from credits.api.base import ApiView, body_of, user_of
from credits.api.idempotency import IDEMPOTENCY_KEY, REPLAYED_HEADER, read_key, replay_headers
from credits.api.parsing import LargeJSONParser
from credits.api.schema import MEANINGS, errors
from credits.catalogue.models import all_offered
from credits.features import IMAGE, TEXT
from credits.idempotency import namespaced
from credits.models import AIModel
from credits.users.permissions import refuse_impersonated

JSON = "application/json"
STREAM = "text/event-stream"
#: No type: some readers of the schema take it for the whole stream, others for each event.
STREAM_SCHEMA = {"description": "Server-sent events, each `data` a JSON part or `[DONE]`."}


#: In an address: what the client calls the chat.
CHAT_ID = OpenApiParameter(
    "chat_id",
    str,
    OpenApiParameter.PATH,
    description="The client's id of the chat, or the `conversationId` of one.",
)


class Chat(ApiView):
    parser_classes = [LargeJSONParser]

    @extend_schema(
        operation_id="chat",
        summary="Send a message",
        description="Charges one message and answers it. The answer is the AI SDK's UI message "
        "stream (version 1), or with `Accept: application/json` one object when it is finished. "
        "Closing the stream stops the answer unless `onDisconnect` says otherwise. What was "
        "charged is refunded when the provider fails, in the stream as an `error` part.",
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
        user_id = user_of(request).pk
        key = namespaced("api", read_key(request) or str(uuid4()))
        model = choose_text_model(body["model"], user_id=user_id, idempotency_key=key)
        with files_of(body, model, user_id=user_id) as files:
            turn, is_new = send_message(
                draft_of(body, files, user_id=user_id),
                model,
                external_id=body.get("id"),
                idempotency_key=key,
                max_unit_cost=body.get("maxUnitCost"),
                agreed=Agreed(body.get("priceVersion"), body.get("maxUnitCost")),
                request=request.data,
                temperature=body.get("temperature"),
            )
            files.are_sent = is_new
        if not is_new and turn.is_running:
            raise StillRunning
        headers = replay_headers(is_new=is_new)
        if wants_json(request):
            return whole(turn, headers)
        return stream(UIMessageStream(turn, stops=body["onDisconnect"] == "stop"), headers)


def files_of(
    body: dict[str, Any], model: AIModel, *, user_id: int
) -> AbstractContextManager[KeptFiles]:
    """The files of a body, as `kept_files` has them."""
    return kept_files(body["messages"], body.get("attachments") or (), model, user_id=user_id)


def draft_of(body: dict[str, Any], files: KeptFiles, *, user_id: int) -> Draft:
    """The message of a body: its text, its files, its place and what the client says came before.
    Raises InvalidSetup."""
    attachments = body.get("attachments") or ()
    text = text_of(body["messages"][-1], attachments, kept=files.names)
    place = place_of(body, text, user_id=user_id)
    return Draft(
        user_id=user_id,
        text=text,
        place=place,
        client_messages=past_messages(body["messages"]),
        attachments=files.all,
        beginning=USUAL if place.conversation else beginning_of(body, user_id=user_id),
    )


def beginning_of(body: dict[str, Any], *, user_id: int) -> Beginning:
    """How a body begins a chat. Raises InvalidSetup."""
    preset_id = body.get("preset")
    if preset_id and find_preset(preset_id, user_id=user_id) is None:
        raise InvalidSetup("There is no such preset.", ("preset",))
    return Beginning(checked_setup(Setup(body.get("instructions", ""), preset_id)))


def place_of(body: dict[str, Any], text: str, *, user_id: int) -> Place:
    """Where a message with this text goes: to the end of the conversation, if it is known here; or
    as another version of the turn that is answered anew (`regenerate-message`), or of what followed
    the client's answer before it, where it says that it has changed a message (`messageId`)."""
    name = body.get("id")
    conversation = find_conversation(user_id=user_id, name=name) if name else None
    changed = body.get("messageId") or ""
    if conversation is None:
        return end_of(None)
    if body.get("trigger") == "regenerate-message":
        turn = find_answered(conversation, name=changed, prompt=as_written(text))
        return beside(turn) if turn else end_of(conversation)
    earlier = [each for each in body["messages"][:-1] if each["role"] == "assistant"]
    if changed and not earlier:
        return Place(conversation, None, is_version=True)
    if changed and (answer := find_turn(conversation, earlier[-1].get("id") or "")):
        return Place(conversation, answer.pk, is_version=True)
    return end_of(conversation)


class ChatStream(ApiView):
    @extend_schema(
        operation_id="resumeChat",
        summary="Follow the answer that is being written",
        description="The answer that is being written in the chat, from its beginning, as the UI "
        "stream: what the AI SDK asks for to resume. Closing it stops nothing.",
        parameters=[CHAT_ID],
        responses={
            (200, STREAM): OpenApiResponse(STREAM_SCHEMA, description="The UI stream."),
            204: OpenApiResponse(description="None is being written, or there is no such chat."),
        },
        tags=["ai"],
    )
    @method_decorator(keeps_its_thread)
    def get(self, request: Request, chat_id: str) -> HttpResponseBase:
        conversation = find_conversation(user_id=user_of(request).pk, name=chat_id)
        turn = running_turn(conversation) if conversation else None
        if turn is None:
            return Response(status=204)
        return stream(UIMessageStream(turn, resumed=True), {})


class StopChat(ApiView):
    @extend_schema(
        operation_id="stopChat",
        summary="Stop the answer that is being written",
        description="Whoever follows it gets its end. Nothing happens when none is being written.",
        parameters=[CHAT_ID],
        request=None,
        responses={204: None, **errors(404)},
        tags=["ai"],
    )
    def post(self, request: Request, chat_id: str) -> Response:
        conversation = find_conversation(user_id=user_of(request).pk, name=chat_id)
        if conversation is None:
            raise HttpError(404)
        if turn := running_turn(conversation):
            stop_job(turn)
        return Response(status=204)


def wants_json(request: Request) -> bool:
    """Whether JSON is named in `Accept`, and wanted more than the stream."""
    types = request.accepted_types
    wanted = {f"{each.main_type}/{each.sub_type}": each.quality for each in types}
    return wanted.get(JSON, 0) > wanted.get(STREAM, 0)


def stream(parts: UIMessageStream, headers: Mapping[str, str]) -> StreamingHttpResponse:
    """The headers say what was held; what it came to is in the stream's last part."""
    charge = parts.turn.charge
    response = StreamingHttpResponse(
        parts,
        content_type=f"{STREAM}; charset=utf-8",
        headers={**HEADERS, **headers, "X-Credits-Charged": str(charge.credits_used)},
    )
    response["X-Credits-Remaining"] = str(charge.balance_after)
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
        description="What can be chosen, what it reads and can do, and what one message or one "
        "image costs now. The first of each kind that needs no plan you lack is used when a call "
        "names none.",
        responses={200: ModelsOut, 304: None},
        tags=["ai"],
    )
    def get(self, request: Request) -> Response:
        offered = all_offered(user_id=user_of(request).pk)
        kinds = {
            kind: [model for model in offered if model.feature == feature]
            for kind, feature in (("text", TEXT), ("image", IMAGE))
        }
        return conditional(request, ModelsOut(kinds).data)
