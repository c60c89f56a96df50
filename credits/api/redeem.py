"""Redeeming a code in JSON."""

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.addresses import client_address
from credits.api.base import ApiView, body_of, user_of
from credits.api.fields import StrictSerializer, Text
from credits.api.schema import errors
from credits.packs.codes import LONGEST
from credits.packs.redeeming import redeem


@extend_schema_serializer(component_name="RedeemRequest")
class RedeemIn(StrictSerializer):
    code = Text(max_length=LONGEST, help_text="As it was typed: case and separators do not matter.")


@extend_schema_serializer(component_name="Redemption")
class RedemptionOut(serializers.Serializer[object]):
    """A code that you have redeemed."""

    credits = serializers.IntegerField(help_text="What it brought.")
    redeemedAt = serializers.DateTimeField(source="at")
    replayed = serializers.BooleanField(help_text="Whether that was before this call.")
    creditsRemaining = serializers.IntegerField(source="balance")
    usageId = serializers.IntegerField(source="usage_id", help_text="Its row in your history.")


class Redeem(ApiView):
    @extend_schema(
        operation_id="redeemCode",
        summary="Redeem a code",
        description="Once; the same code again says when you did. 404 is the answer for a code "
        "that is unknown, has ended, or was redeemed by somebody else. Codes that bring nothing "
        "are counted: 10 an hour. A typing error is 400, and is not counted.",
        request=RedeemIn,
        responses={200: RedemptionOut, **errors(403, 404, 409)},
        tags=["credits"],
    )
    def post(self, request: Request) -> Response:
        code = body_of(request, RedeemIn)["code"]
        done = redeem(user=user_of(request), code=code, address=client_address(request))
        return Response(RedemptionOut(done).data)
