"""Limits in JSON: a user's own, and those that admins set beside them."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from credits.api.base import ApiView, body_of, query_of, user_of
from credits.api.fields import MAX_ID, StrictSerializer, Text, WholeNumber, field_of
from credits.api.schema import errors
from credits.catalogue.fields import LIMIT_FIELDS
from credits.keys.services import find_key
from credits.limit_states import LimitState, limit_state, limit_states
from credits.limits.setting import NEW, limit_version, remove_limit, set_limit
from credits.models import Limit, User
from credits.users.permissions import refuse_impersonated


@extend_schema_serializer(component_name="Limit")
class LimitOut(serializers.Serializer[LimitState]):
    """A limit in its present period."""

    id = serializers.IntegerField(source="limit.pk")
    period = serializers.ChoiceField(
        Limit.Period.values,
        source="limit.period",
        help_text="Of the calendar in UTC; weeks begin on Monday. `ever` counts from `since`.",
    )
    credits = serializers.IntegerField(source="limit.credits", help_text="What may be spent.")
    hard = serializers.BooleanField(
        source="limit.hard", help_text="Whether it refuses what would pass it, or only tells."
    )
    alertAt = serializers.ListField(
        child=serializers.IntegerField(), source="limit.alert_at", help_text="Percentages."
    )
    byAdmin = serializers.BooleanField(
        source="limit.by_admin", help_text="Set by an admin: its user cannot change it."
    )
    keyId = serializers.CharField(
        source="limit.api_key.public_id",
        default=None,
        allow_null=True,
        help_text="For this API key alone.",
    )
    memberId = serializers.IntegerField(
        source="limit.member_id", allow_null=True, help_text="For this member alone."
    )
    since = serializers.DateField(source="window_start", help_text="The first day that counts.")
    spent = serializers.CharField(source="spent_exact", help_text="Credits, exactly.")
    held = serializers.CharField(
        source="held_exact", help_text="Credits held by what is going on, exactly."
    )
    remaining = serializers.IntegerField(source="left", help_text="Whole credits.")
    resetsAt = serializers.DateTimeField(
        source="resets_at", allow_null=True, help_text="When the next period begins."
    )
    version = serializers.SerializerMethodField(help_text="For a later change of just this.")

    def get_version(self, state: LimitState) -> str:
        return limit_version(state.limit)


class LimitsOut(serializers.Serializer[Any]):
    """All limits of an account, those that admins set first."""

    limits = LimitOut(many=True)


class LimitIn(StrictSerializer):
    """What a limit is to be. What is not named stays, or begins with its default: hard, told at 80
    and 100 percent. It is for a key or for a member, not for both."""

    schema_extra = {"not": {"required": ["keyId", "memberId"]}}

    period = field_of(LIMIT_FIELDS["period"])()
    credits = field_of(LIMIT_FIELDS["credits"])()
    hard = field_of(LIMIT_FIELDS["hard"])(required=False)
    alertAt = field_of(LIMIT_FIELDS["alertAt"])(required=False)
    keyId = Text(required=False, max_length=24, help_text="An API key.")
    memberId = WholeNumber(required=False, min_value=1, max_value=MAX_ID, help_text="A member.")
    restart = field_of(LIMIT_FIELDS["hard"])(
        required=False, help_text="Counts from today anew: of the period `ever`."
    )


class LimitVersion(StrictSerializer):
    """Which state of a limit is meant."""

    version = Text(required=False, max_length=16, help_text="409 unless it is still at this.")


class LimitChange(LimitIn, LimitVersion):
    """The same, of the state that was read."""


NAMES = {
    "alertAt": "alert_at",
    "memberId": "member_id",
    "version": "expected_version",
}


def put_limit(
    body: dict[str, Any], *, actor: User, account_id: int, **further: Any
) -> dict[str, Any]:
    """Sets the limit of a checked body; the limit as it is now, as JSON."""
    values = {NAMES.get(name, name): value for name, value in body.items() if name != "keyId"}
    if key := body.get("keyId"):
        values["key_id"] = find_key(public_id=key, account_id=account_id).pk
    limit = set_limit(actor=actor, account_id=account_id, **{**values, **further})
    state = limit_state(limit.pk)
    assert state, "It was set in this transaction's time."
    return dict(LimitOut(state).data)


class OwnLimits(ApiView):
    @extend_schema(
        operation_id="listLimits",
        summary="Your limits",
        description="What you may spend in a period, and what is left of it.",
        responses=LimitsOut,
        tags=["credits"],
    )
    def get(self, request: Request) -> Response:
        states = limit_states(account_id=user_of(request).pk)
        return Response(LimitsOut({"limits": states}).data)

    @extend_schema(
        operation_id="addLimit",
        summary="Set a limit",
        description="Adds one. There is one for each period: 409 where it is set already.",
        request=LimitIn,
        responses={201: LimitOut, **errors(404, 409)},
        tags=["credits"],
    )
    def post(self, request: Request) -> Response:
        refuse_impersonated(request)
        body, user = body_of(request, LimitIn), user_of(request)
        made = put_limit(body, actor=user, account_id=user.pk, expected_version=NEW)
        return Response(made, status=201)

    @extend_schema(
        operation_id="changeLimit",
        summary="Set or change a limit",
        description="The limit of this period is to be so, whether it is set already or not. One "
        "that is below what is spent refuses from then on.",
        request=LimitChange,
        responses={200: LimitOut, **errors(404, 409)},
        tags=["credits"],
    )
    def put(self, request: Request) -> Response:
        refuse_impersonated(request)
        body, user = body_of(request, LimitChange), user_of(request)
        return Response(put_limit(body, actor=user, account_id=user.pk))


class OwnLimit(ApiView):
    @extend_schema(
        operation_id="removeLimit",
        summary="Remove a limit",
        parameters=[LimitVersion],
        responses={204: None, **errors(400, 404, 409)},
        tags=["credits"],
    )
    def delete(self, request: Request, limit_id: int) -> Response:
        refuse_impersonated(request)
        user, version = user_of(request), query_of(request, LimitVersion).get("version")
        remove_limit(actor=user, account_id=user.pk, limit_id=limit_id, expected_version=version)
        return Response(status=204)
