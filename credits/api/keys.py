"""API keys in JSON: a user's own. What a key opens is `/v1`, and nothing here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.errors import InvalidInput
from credits.api.answers import page_of
from credits.api.base import ApiView, body_of, query_of, user_of
from credits.api.fields import BoundedList, PageQuery, StrictSerializer, field_of
from credits.api.limits import LimitOut
from credits.api.schema import errors
from credits.catalogue.fields import (
    KEY_EXPIRES_AT,
    KEY_FIELDS,
    KEY_MODELS,
    KEY_NAME,
    KEY_OVERLAP_DAYS,
    KEY_SCOPES,
    LIMIT_FIELDS,
    OneOf,
)
from credits.keys.services import WithSecret, change_key, find_key, make_key, revoke_key, roll_key
from credits.keys.states import KeyState, State, key_states
from credits.models import ApiKey, Limit
from credits.users.permissions import refuse_impersonated

described = partial(extend_schema, tags=["keys"])
KEY_ID = OpenApiParameter(
    "key_id", {"type": "string", "pattern": "^key_[0-9A-Za-z]{16}$"}, OpenApiParameter.PATH,
    description="The key's id.",
)  # fmt: skip
ExpiresAt = partial(
    field_of(KEY_EXPIRES_AT), required=False, help_text="When it ends by itself; null: never."
)
Models = partial(
    field_of(KEY_MODELS),
    required=False,
    help_text="The models that it may call, by id; null: all, those to come too.",
)


class KeyLimitIn(StrictSerializer):
    """What may be spent in the name of the key in a period: what would pass it is refused."""

    period = field_of(LIMIT_FIELDS["period"])()
    credits = field_of(LIMIT_FIELDS["credits"])()


class Limits(BoundedList):
    """At most one limit for each period."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=KeyLimitIn(), max_length=len(Limit.Period), **options)


class KeyChange(StrictSerializer):
    """What is to change of a key; what is not named stays."""

    name = field_of(KEY_NAME)(required=False)
    models = Models()
    scopes = field_of(KEY_SCOPES)(required=False, help_text="What it may be used for.")
    expiresAt = ExpiresAt()
    callsPerMinute = field_of(KEY_FIELDS["calls_per_minute"])(
        required=False, help_text="Calls in a minute; null: as many as of all your keys."
    )
    limits = Limits(required=False, help_text="Those that you set for it; others of yours go.")


class KeyIn(KeyChange):
    """A key that is to be made."""

    name = field_of(KEY_NAME)(help_text="What you call it.")
    limits = Limits(required=False)


class KeyRollIn(StrictSerializer):
    """How a secret is replaced."""

    overlapDays = field_of(KEY_OVERLAP_DAYS)(
        default=1, help_text="Days for which the present secret still works, 0 to 7."
    )


class RevokeQuery(StrictSerializer):
    stop = field_of(OneOf(("0", "1")))(
        default="0", help_text="`1`: calls in its name that are going on end too."
    )


class KeyRow(serializers.Serializer[KeyState]):
    """A key in a list."""

    id = serializers.CharField(source="key.public_id", help_text="`key_…`")
    name = serializers.CharField(source="key.name")
    hint = serializers.CharField(help_text="The last characters of its secret.")
    state = serializers.ChoiceField(State.values)
    scopes = serializers.ListField(child=serializers.CharField(), source="key.scopes")
    models = serializers.ListField(
        child=serializers.CharField(), source="key.only_models", allow_null=True
    )
    callsPerMinute = serializers.IntegerField(source="key.calls_per_minute", allow_null=True)
    createdAt = serializers.DateTimeField(source="key.created_at")
    expiresAt = serializers.DateTimeField(source="key.expires_at", allow_null=True)
    revokedAt = serializers.DateTimeField(source="key.revoked_at", allow_null=True)
    lastUsedAt = serializers.DateTimeField(
        source="last_used_at", allow_null=True, help_text="To a minute."
    )
    formerSecretUntil = serializers.DateTimeField(
        source="former.valid_until",
        default=None,
        allow_null=True,
        help_text="Until then the secret before the present one works too.",
    )
    spentThisMonth = serializers.CharField(
        source="spent_exact", help_text="Credits, exactly; of the month in UTC."
    )


@extend_schema_serializer(component_name="ApiKey")
class KeyOut(KeyRow):
    """A key, without its secret."""

    limits = LimitOut(many=True, help_text="What is left of its limits, those of admins first.")


@extend_schema_serializer(component_name="ApiKeyWithSecret")
class WithSecretOut(KeyOut):
    """A key with its new secret, which no other call answers."""

    key = serializers.CharField(source="secret", help_text="`sk-tally_…`, this once.")


@extend_schema_serializer(component_name="ApiKeys")
class KeysPage(serializers.Serializer[Any]):
    """A page of your keys, newest first."""

    items = KeyOut(many=True)
    nextCursor = serializers.IntegerField(allow_null=True, help_text="Null on the last page.")


def moment_of(text: str | None) -> datetime | None:
    """A moment that its rule accepted."""
    return datetime.fromisoformat(text) if text else None


def values_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """A checked body as the services take it. Raises InvalidInput."""
    values = {name: body[name] for name in ("name", "models", "scopes") if name in body}
    if "expiresAt" in body:
        values["expires_at"] = moment_of(body["expiresAt"])
    if "callsPerMinute" in body:
        values["calls_per_minute"] = body["callsPerMinute"]
    if "limits" in body:
        values["limits"] = _limits_of(body["limits"])
    return values


def _limits_of(limits: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    credits: dict[str, int] = {}
    for place, limit in enumerate(limits):
        if limit["period"] in credits:
            sentence = "There is one limit for each period."
            raise InvalidInput(sentence, ("limits", place, "period"))
        credits[limit["period"]] = limit["credits"]
    return credits


def _out(key: ApiKey, *, secret: str = "") -> dict[str, Any]:
    [state] = key_states([key], limits_of=key.account_id)
    data = dict(KeyOut(state).data)
    return data | {"key": secret} if secret else data


def _with_secret(made: WithSecret, *, status: int) -> Response:
    """No cache keeps a secret."""
    return Response(
        _out(made.key, secret=made.secret), status=status, headers={"Cache-Control": "no-store"}
    )


class Keys(ApiView):
    @described(
        operation_id="listKeys",
        summary="Your API keys",
        description="Those that were revoked too, newest first.",
        parameters=[PageQuery],
        responses={200: KeysPage, **errors(400)},
    )
    def get(self, request: Request) -> Response:
        account = user_of(request).pk
        keys = ApiKey.objects.filter(account_id=account)

        def shown(rows: list[ApiKey], **options: Any) -> serializers.BaseSerializer[Any]:
            states: Any = key_states(rows, limits_of=account)
            return KeyOut(states, **options)

        return page_of(keys, query_of(request, PageQuery), shown)

    @described(
        operation_id="makeKey",
        summary="Make an API key",
        description="`key` in the answer is what a program sends to `/v1`, as `Authorization: "
        "Bearer sk-tally_…`. No other call answers it. Sent twice, this makes two keys.",
        request=KeyIn,
        responses={201: WithSecretOut, **errors(400, 409)},
    )
    def post(self, request: Request) -> Response:
        refuse_impersonated(request)
        body, user = body_of(request, KeyIn), user_of(request)
        made = make_key(actor=user, account_id=user.pk, request=request, **values_of(body))
        return _with_secret(made, status=201)


def _own(request: Request, key_id: str) -> ApiKey:
    return find_key(public_id=key_id, account_id=user_of(request).pk)


class OneKey(ApiView):
    @described(
        operation_id="getKey",
        summary="One API key",
        parameters=[KEY_ID],
        responses={200: KeyOut, **errors(404)},
    )
    def get(self, request: Request, key_id: str) -> Response:
        return Response(_out(_own(request, key_id)))

    @described(
        operation_id="changeKey",
        summary="Change an API key",
        description="Its secret stays. 409 for one that was revoked.",
        parameters=[KEY_ID],
        request=KeyChange,
        responses={200: KeyOut, **errors(404, 409)},
    )
    def patch(self, request: Request, key_id: str) -> Response:
        refuse_impersonated(request)
        key = _own(request, key_id)
        values = values_of(body_of(request, KeyChange))
        return Response(_out(change_key(actor=user_of(request), key=key, **values)))

    @described(
        operation_id="revokeKey",
        summary="Revoke an API key",
        description="For good, and at once: nothing more is charged in its name. Calls that are "
        "going on end as they would, or with `stop=1` now. Its spend stays in your statement.",
        parameters=[KEY_ID, RevokeQuery],
        responses={204: None, **errors(400, 404)},
    )
    def delete(self, request: Request, key_id: str) -> Response:
        refuse_impersonated(request)
        key = _own(request, key_id)
        stop = query_of(request, RevokeQuery)["stop"] == "1"
        revoke_key(actor=user_of(request), key=key, stop=stop, request=request)
        return Response(status=204)


class RollKey(ApiView):
    @described(
        operation_id="rollKey",
        summary="Make a new secret of an API key",
        description="Its limits, history and id stay. The present secret works for `overlapDays` "
        "more. 409 while one before it still does, unless that is to end too (`0`).",
        parameters=[KEY_ID],
        request=KeyRollIn,
        responses={200: WithSecretOut, **errors(404, 409)},
    )
    def post(self, request: Request, key_id: str) -> Response:
        refuse_impersonated(request)
        key = _own(request, key_id)
        overlap_days = body_of(request, KeyRollIn)["overlapDays"]
        made = roll_key(actor=user_of(request), key=key, overlap_days=overlap_days, request=request)
        return _with_secret(made, status=200)
