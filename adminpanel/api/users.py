"""People, their balances and their usage in JSON, for admins."""

import re
from typing import Any
from uuid import uuid4

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.views import ABOVE, WAITS, AdminView, described, described_list
from adminpanel.users.adjustments import MAX_ADJUSTMENT, adjust
from adminpanel.users.search import State, find_users
from config.errors import InvalidInput
from credits.adjustments import Adjustment
from credits.api.answers import page_of
from credits.api.base import body_of, query_of, user_of
from credits.api.fields import (
    MAX_ID,
    PageQuery,
    QueryNumber,
    StrictSerializer,
    Text,
    WholeNumber,
    field_of,
)
from credits.api.idempotency import IDEMPOTENCY_KEY, read_key
from credits.api.schema import errors
from credits.api.serializers import UsageQuery, UsageRow, filters_of
from credits.catalogue.fields import one_line
from credits.idempotency import namespaced
from credits.models import User
from credits.statement.history import filter_rows, statement

CLERKS = r"user_[A-Za-z0-9]{1,59}"
USER_ID = OpenApiParameter(
    "user_id",
    {
        "oneOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_ID},
            {"type": "string", "pattern": f"^{CLERKS}$"},
        ]
    },
    OpenApiParameter.PATH,
    description="The user's `id`, or `clerkId`.",
)

Reason = field_of(one_line(500))


class PeopleQuery(PageQuery):
    search = Text(
        required=False, max_length=100,
        help_text="Beginnings of words in e-mail and name; of a Clerk id; or an id, whole.",
    )  # fmt: skip
    minBalance = QueryNumber(
        required=False, source="low", min_value=0, max_value=MAX_ADJUSTMENT, help_text="Credits."
    )
    maxBalance = QueryNumber(
        required=False, source="high", min_value=0, max_value=MAX_ADJUSTMENT, help_text="Credits."
    )
    plan = Text(
        required=False, max_length=64, help_text="A plan's Clerk id; `none` for people without one."
    )
    signedInDays = QueryNumber(
        required=False, source="signed_in", min_value=1, max_value=3650,
        help_text="Who signed in within so many days.",
    )  # fmt: skip
    state = serializers.ChoiceField(State.choices, required=False)


def people_of(query: dict[str, Any]) -> QuerySet[User]:
    """Whom a checked PeopleQuery finds."""
    return find_users(**{name: query[name] for name in query if name not in PageQuery().fields})


@extend_schema_serializer(component_name="Person")
class PersonOut(serializers.Serializer[User]):
    """Somebody with a balance."""

    id = serializers.IntegerField()
    email = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    clerkId = serializers.CharField(source="clerk_id", allow_null=True)
    isAdmin = serializers.BooleanField(source="is_staff")
    isActive = serializers.BooleanField(source="is_active")
    createdAt = serializers.DateTimeField(source="date_joined")
    creditsRemaining = serializers.IntegerField(source="credits")


@extend_schema_serializer(component_name="PersonsBalance")
class BalanceRow(serializers.Serializer[User]):
    """What somebody can spend."""

    userId = serializers.IntegerField(source="id")
    email = serializers.CharField(allow_null=True)
    creditsRemaining = serializers.IntegerField(source="credits")
    lastUsageId = serializers.IntegerField(
        source="last_usage", allow_null=True, help_text="The journal row the balance stands at."
    )


class AdminUsageQuery(UsageQuery):
    user = QueryNumber(required=False, min_value=1, max_value=MAX_ID, help_text="A user's id.")


class AdminUsageRow(UsageRow):
    """One row of the journal, and whose it is."""

    userId = serializers.IntegerField(source="account_id")
    actor = serializers.CharField(
        source="details.actor", allow_null=True, help_text="Who adjusted."
    )


class AdjustmentIn(StrictSerializer):
    """Either `credits` or `adjustment`."""

    schema_extra = {"oneOf": [{"required": ["credits"]}, {"required": ["adjustment"]}]}

    credits = WholeNumber(
        required=False, min_value=0, max_value=MAX_ADJUSTMENT, help_text="Sets the balance."
    )
    adjustment = WholeNumber(
        required=False, min_value=-MAX_ADJUSTMENT, max_value=MAX_ADJUSTMENT,
        help_text="Adds to the balance, or takes away.",
    )  # fmt: skip
    reason = Reason(help_text="Why: the user sees it in the statement.")


@extend_schema_serializer(component_name="Adjustment")
class AdjustmentOut(serializers.Serializer[Adjustment]):
    """An adjustment that stands."""

    creditsRemaining = serializers.IntegerField(source="balance")
    change = serializers.IntegerField(help_text="Credits that came in (negative: were taken).")
    usageId = serializers.IntegerField(
        source="usage_id", allow_null=True, help_text="Its journal row; null if nothing changed."
    )


class People(AdminView):
    @described_list(
        "listUsers", "People", PeopleQuery,
        PersonOut, page="PeoplePage", meaning="A page of people, newest first.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        query = query_of(request, PeopleQuery)
        return page_of(people_of(query), query, PersonOut)


class Balances(AdminView):
    @described_list(
        "listBalances", "Balances", PeopleQuery,
        BalanceRow, page="BalancesPage", meaning="A page of balances, newest accounts first.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        query = query_of(request, PeopleQuery)
        return page_of(people_of(query), query, BalanceRow)


class Usage(AdminView):
    @described_list(
        "listUsage", "Everybody's usage", AdminUsageQuery,
        AdminUsageRow, page="AdminUsagePage",
        meaning="A page of everybody's journal, newest first.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        query = query_of(request, AdminUsageQuery)
        rows = filter_rows(statement(user_id=query.get("user")), **filters_of(query))
        return page_of(rows, query, AdminUsageRow)


ADJUST = described(
    summary="Set or adjust a balance",
    description="`credits` sets it, `adjustment` adds (negative takes away). The change and its "
    "reason stand in the user's history. Asked again with the same key, the answer says how it "
    f"went. An admin's own balance is for other admins. {ABOVE}",
    parameters=[USER_ID, IDEMPOTENCY_KEY],
    request=AdjustmentIn,
    responses={
        200: AdjustmentOut,
        **WAITS,
        **errors(402, 403, 404, 422),
    },
)


def pk_of(who: str) -> int:
    """The id of the user that an address names by our id or by Clerk's. Raises Http404."""
    if re.fullmatch("[0-9]{1,19}", who) and int(who) <= MAX_ID:
        return get_object_or_404(User, pk=int(who)).pk
    if re.fullmatch(CLERKS, who):
        return get_object_or_404(User, clerk_id=who).pk
    raise Http404


class PersonsCredits(AdminView):
    @ADJUST
    @extend_schema(operation_id="adjustUserCredits")
    def put(self, request: Request, user_id: str) -> Response:
        """Makes the adjustment of a checked body; a key is one admin's own."""
        body = body_of(request, AdjustmentIn)
        if ("credits" in body) == ("adjustment" in body):
            raise InvalidInput("Send either credits or adjustment.")
        actor = user_of(request)
        key = read_key(request) or str(uuid4())
        done = adjust(
            actor=actor,
            user_id=pk_of(user_id),
            delta=body.get("adjustment"),
            target=body.get("credits"),
            reason=body["reason"],
            key=namespaced(f"adjust:{actor.pk}", key),
        )
        return Response(AdjustmentOut(done).data)


@extend_schema_view(put=extend_schema(operation_id="adjustCredits"))
class OneBalance(PersonsCredits):
    """The same call at its other address."""
