"""What a message would cost, asked for by a program."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.api.chat import message_of
from ai_chat.api.serializers import ChatIn, QuoteOut
from ai_chat.conversations.quotes import count_quote, quote_message
from credits.api.base import ApiView, body_of, user_of
from credits.api.parsing import LargeJSONParser
from credits.api.schema import errors
from credits.catalogue.models import get_model
from credits.features import TEXT


class QuoteChat(ApiView):
    parser_classes = [LargeJSONParser]

    @extend_schema(
        operation_id="quoteChat",
        summary="What a message would cost",
        description="Takes the body of a message, and answers what sending it now would reserve. "
        "Nothing is sent or charged; what would be refused is refused alike.",
        request=ChatIn,
        responses={200: QuoteOut, **errors(402, 403, 429)},
        tags=["ai"],
    )
    def post(self, request: Request) -> Response:
        body = body_of(request, ChatIn)
        user_id = user_of(request).pk
        count_quote(user_id=user_id)
        model = get_model(body["model"], feature=TEXT, user_id=user_id)
        message = message_of(body, model, user_id=user_id)
        quote = quote_message(**message, user_id=user_id, model=model)
        return Response(QuoteOut(quote).data, headers={"Cache-Control": "no-store"})
