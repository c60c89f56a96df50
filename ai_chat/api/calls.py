"""The log of calls by API keys in JSON."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.api.serializers import TextOrNull
from ai_chat.calls import log
from ai_chat.calls.keeping import kept_days
from ai_chat.calls.log import CallFilter, Line, Outcome, call_id_of
from config.pagination import LATEST_KEY, key_of
from credits.api.base import ApiView, query_of, user_of
from credits.api.fields import QueryDate, QueryNumber, StrictSerializer
from credits.api.schema import errors
from credits.api.serializers import KeyId, UsedTokens
from credits.statement.days import range_problem


class CallsQuery(StrictSerializer):
    cursor = serializers.RegexField(
        r"^[0-9]{1,17}\.[0-9a-f]{32}$", required=False, help_text="`nextCursor` of the page before."
    )
    limit = QueryNumber(
        default=50, min_value=1, max_value=200, help_text="Calls of a page, 50 unless given."
    )
    key = KeyId(required=False, help_text="By this API key: its `id`.")
    model = serializers.CharField(required=False, max_length=120, help_text="Answered by it.")
    outcome = serializers.ChoiceField(Outcome.choices, required=False)
    request = serializers.RegexField(
        "^req_[0-9a-f]{32}$", required=False, help_text="The one that was answered with this id."
    )
    to = QueryDate(required=False, source="last", help_text="The last day (UTC), included.")

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name that Python can assign to."""
        first = QueryDate(required=False, source="first", help_text="The first day (UTC).")
        return {**super().get_fields(), "from": first}

    def validate_request(self, request_id: str) -> UUID | None:
        return call_id_of(request_id)

    def validate(self, attrs: Any) -> Any:
        if problem := range_problem(attrs.get("first"), attrs.get("last")):
            raise serializers.ValidationError({"from": [problem]})
        return attrs


@extend_schema_serializer(component_name="Call")
class CallOut(serializers.Serializer[Line]):
    """A call by an API key, without what was asked and answered."""

    id = serializers.CharField(
        source="call.request_id", help_text="`req_…`, the `x-request-id` of the answer."
    )
    createdAt = serializers.DateTimeField(source="call.created_at")
    endedAt = serializers.DateTimeField(source="call.ended_at", allow_null=True)
    key = serializers.CharField(source="call.api_key.public_id")
    endpoint = serializers.CharField(source="call.endpoint", help_text="As `chat/completions`.")
    model = serializers.CharField(source="call.model")
    answeredBy = TextOrNull(
        source="call.answered_by",
        help_text="The model that took over because this one's provider was down.",
    )
    streamed = serializers.BooleanField(source="call.streamed")
    outcome = serializers.ChoiceField(Outcome.choices)
    status = serializers.IntegerField(
        allow_null=True,
        help_text="The HTTP status; 499: the client left. `broke_off` began with its own.",
    )
    reason = TextOrNull(source="call.failure", help_text="Why it failed or was stopped.")
    usage = UsedTokens(source="call.use", allow_null=True)
    cost = serializers.CharField(allow_null=True, help_text="Credits, exactly; null while it runs.")
    charge = serializers.IntegerField(source="call.charge_id", help_text="Its row in your history.")
    firstSeconds = serializers.FloatField(
        source="call.first_seconds", allow_null=True, help_text="Until the first piece came."
    )


class CallsPage(serializers.Serializer[Any]):
    """A page of calls, the latest first."""

    items = CallOut(many=True)
    nextCursor = serializers.CharField(allow_null=True, help_text="Null on the last page.")


def _filter_of(query: dict[str, Any]) -> CallFilter:
    names = ("key", "model", "outcome", "first", "last")
    values = {name: query[name] for name in names if name in query}
    return CallFilter(call_id=query.get("request"), **values)


class MyCalls(ApiView):
    @extend_schema(
        operation_id="listCalls",
        summary="Calls by your API keys",
        description="The latest first, never with what was asked or answered. Calls are listed for "
        f"{kept_days()} days; what they cost stays in your history.",
        parameters=[CallsQuery],
        responses={200: CallsPage, **errors(400)},
        tags=["keys"],
    )
    def get(self, request: Request) -> Response:
        query, user_id = query_of(request, CallsQuery), user_of(request).pk
        rows = _filter_of(query).of(log.calls(user_id=user_id))
        place = key_of(query["cursor"], *LATEST_KEY) if "cursor" in query else None
        page = log.get_page(rows, size=query["limit"], older_than=place)
        return Response(CallsPage({"items": page.rows, "nextCursor": page.older}).data)
