"""API keys of all users in JSON, for admins."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.users import Reason
from adminpanel.api.views import AdminView, described, described_list
from adminpanel.keys.search import find_keys
from credits.api.answers import page_of
from credits.api.base import query_of, user_of
from credits.api.fields import MAX_ID, PageQuery, QueryNumber, Text
from credits.api.keys import KEY_ID, KeyRow, RevokeQuery
from credits.api.schema import errors
from credits.keys.services import find_key, revoke_key
from credits.keys.states import State, key_states
from credits.models import ApiKey


class KeysQuery(PageQuery):
    user = QueryNumber(required=False, min_value=1, max_value=MAX_ID, help_text="A user's id.")
    search = Text(
        required=False,
        max_length=100,
        help_text="Part of the name; or the id, or the last characters of a secret, whole.",
    )
    state = serializers.ChoiceField(State.values, required=False)


@extend_schema_serializer(component_name="AdminApiKey")
class AdminKeyRow(KeyRow):
    """Somebody's key, without its secret."""

    userId = serializers.IntegerField(source="key.account_id")
    email = serializers.CharField(source="key.member.email", allow_null=True)


class AdminRevokeQuery(RevokeQuery):
    reason = Reason(help_text="Why: for the audit.")


class AllKeys(AdminView):
    @described_list(
        "listAllKeys", "Everybody's API keys", KeysQuery,
        AdminKeyRow, page="AdminApiKeys", meaning="A page of keys, newest first.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        query = query_of(request, KeysQuery)
        filters = {name: query[name] for name in ("user", "search", "state") if name in query}

        def shown(rows: list[ApiKey], **options: Any) -> serializers.BaseSerializer[Any]:
            states: Any = key_states(rows)
            return AdminKeyRow(states, **options)

        return page_of(find_keys(**filters), query, shown)


class AnyKey(AdminView):
    @described(
        operation_id="revokeAnyKey",
        summary="Revoke somebody's API key",
        description="For good, and at once. It stands in the audit.",
        parameters=[KEY_ID, AdminRevokeQuery],
        responses={204: None, **errors(400, 404)},
    )
    def delete(self, request: Request, key_id: str) -> Response:
        key, query = find_key(public_id=key_id), query_of(request, AdminRevokeQuery)
        revoke_key(
            actor=user_of(request),
            key=key,
            stop=query["stop"] == "1",
            by_admin=True,
            reason=query["reason"],
        )
        return Response(status=204)
