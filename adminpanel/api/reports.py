"""What each model brought in and cost, in JSON, for admins."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.views import AdminView, described
from adminpanel.usage.model_views import ModelsForm
from credits.api.base import query_of
from credits.api.fields import ExactCredits, QueryDate, StrictSerializer, Text
from credits.api.schema import errors
from credits.api.serializers import TokensOut
from credits.reports.models import ModelSums


class ModelsQuery(StrictSerializer):
    model = Text(required=False, max_length=120, help_text="One model, by its id.")
    to = QueryDate(required=False, help_text="The last day (UTC), included; today unless given.")

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name that Python can assign to."""
        first = QueryDate(
            required=False, help_text="The first day (UTC); 30 days in all unless given."
        )
        return {**super().get_fields(), "from": first}


@extend_schema_serializer(component_name="ModelUse")
class ModelUseOut(serializers.Serializer[ModelSums]):
    """One model. Credits are whole; `cost`, `collected` and what follows are exact decimals, of the
    calls by tokens that ended in these days."""

    model = serializers.CharField()
    charges = serializers.IntegerField()
    charged = serializers.IntegerField()
    unused = serializers.IntegerField(help_text="Reserved and not used.")
    refunded = serializers.IntegerField()
    spent = serializers.IntegerField(help_text="Charged, less what came back.")
    uses = serializers.IntegerField()
    estimated = serializers.IntegerField(help_text="Uses whose provider said no tokens.")
    tokens = TokensOut()
    cost = ExactCredits(source="cost_pico", help_text="Tokens times price.")
    collected = ExactCredits(
        source="collected_pico", help_text="Of the cost, at most what was reserved."
    )
    uncollected = ExactCredits(source="uncollected_pico", help_text="The rest of it.")
    providerCost = ExactCredits(
        source="provider_cost_pico",
        allow_null=True,
        help_text="What the provider asks, where it is known.",
    )
    providerCostUnknown = serializers.IntegerField(
        source="unknown", help_text="Uses of which it is not."
    )
    margin = ExactCredits(
        source="margin_pico",
        allow_null=True,
        help_text="Of the others: collected less the provider's cost.",
    )
    marginPercent = serializers.FloatField(source="margin_percent", allow_null=True)


@extend_schema_serializer(component_name="ModelUses")
class ModelUsesOut(serializers.Serializer[Any]):
    models = ModelUseOut(many=True)


class ModelReport(AdminView):
    @described(
        operation_id="listModelUses",
        summary="What each model brought in and cost",
        description="From one day to another (UTC); those with the most charges first.",
        parameters=[ModelsQuery],
        responses={200: ModelUsesOut, **errors(400)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, ModelsQuery)
        form = ModelsForm({name: f"{value}" for name, value in query.items()})
        if not form.is_valid():
            raise form.refusal
        return Response(ModelUsesOut({"models": form.rows()}).data)
