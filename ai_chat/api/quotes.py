"""What a message would cost, asked for by a program."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.api.chat import draft_of, files_of
from ai_chat.api.serializers import ChatIn
from ai_chat.conversations.quotes import count_quote, quote_message
from credits.api.base import ApiView, body_of, user_of
from credits.api.fields import ExactCredits
from credits.api.parsing import LargeJSONParser
from credits.api.schema import errors
from credits.api.serializers import PricingField
from credits.catalogue.models import get_model
from credits.features import TEXT


class PricingOfModel(PricingField):
    """The same of an object's model."""

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance.model)


class QuoteOut(serializers.Serializer[Any]):
    """What sending a message now would reserve. `inputBound` and what follows is null, or missing,
    where a message has a price of its own."""

    model = serializers.CharField(source="model.name")
    priceVersion = serializers.IntegerField(
        source="price_id", allow_null=True, help_text="For `priceVersion` of the message."
    )
    pricing = PricingOfModel(help_text="What it costs: a unit, or tokens.")
    reserved = serializers.IntegerField(
        source="credits", help_text="Credits that are taken at first; what is not used comes back."
    )
    atMost = ExactCredits(source="most", help_text="Credits that it costs at most.")
    inputBound = serializers.IntegerField(
        source="asked.input_bound", help_text="Tokens that the model reads at most."
    )
    outputGranted = serializers.IntegerField(
        source="reserve.output_granted",
        allow_null=True,
        help_text="Tokens that the answer has at most, with what the model thinks.",
    )
    likely = ExactCredits(
        allow_null=True,
        help_text="What such a message usually costs you; null while too few have told.",
    )
    creditsRemaining = serializers.IntegerField(source="balance.remaining")
    limit = serializers.JSONField(
        source="limit.members",
        allow_null=True,
        help_text="The limit because of which the answer may be no longer.",
    )


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
        with files_of(body, model, user_id=user_id) as files:
            quote = quote_message(draft_of(body, files, user_id=user_id), model)
        return Response(QuoteOut(quote).data, headers={"Cache-Control": "no-store"})
