"""Credits in JSON: one's balance and history, and the prices."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from credits.api import serializers
from credits.api.answers import conditional, page_of
from credits.api.base import ApiView, query_of, user_of
from credits.api.schema import errors
from credits.ledger import get_balance
from credits.limit_states import limit_states
from credits.pricing import get_feature_costs, get_plans_credits
from credits.statement.history import filter_rows, statement


class MyBalance(ApiView):
    @extend_schema(
        operation_id="getMyBalance",
        summary="Your balance",
        description="Straight from the database, after expired credits have left. Send the "
        "answer's ETag as `If-None-Match` and get 304 while nothing has moved.",
        responses={200: serializers.BalanceOut, 304: None},
        tags=["credits"],
    )
    def get(self, request: Request) -> Response:
        user_id = user_of(request).pk
        balance = get_balance(user_id=user_id)
        limits = limit_states(account_id=user_id) if balance.counted else []
        values = {**balance._asdict(), **({"limits": limits} if limits else {})}
        return conditional(request, serializers.BalanceOut(values).data)


class PublicSettings(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="getSettings",
        summary="Prices and plans",
        description="What each feature costs now, and what each active plan brings a month.",
        responses={200: serializers.SettingsOut, 304: None},
        tags=["credits"],
        auth=[],
    )
    def get(self, request: Request) -> Response:
        values = {"featureCosts": get_feature_costs(), "planCredits": get_plans_credits()}
        return conditional(request, serializers.SettingsOut(values).data)


class MyUsage(ApiView):
    @extend_schema(
        operation_id="listMyUsage",
        summary="Your history",
        description="Every change of your balance, newest first. Pass `nextCursor` as `cursor` for "
        "the next page; rows written meanwhile do not shift it.",
        parameters=[serializers.UsageQuery],
        responses={200: serializers.UsagePage, **errors(400)},
        tags=["credits"],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, serializers.UsageQuery)
        rows = filter_rows(statement(user_id=user_of(request).pk), **serializers.filters_of(query))
        return page_of(rows, query, serializers.UsageRow)
