"""What each model brought in and cost, in JSON, for admins."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.views import AdminView, described
from adminpanel.usage.model_views import ModelsForm
from credits.amounts import as_decimal
from credits.api.base import query_of
from credits.api.fields import QueryDate, StrictSerializer, Text
from credits.api.schema import errors
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


@extend_schema_field({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{12}$"})
class Pico(serializers.Field[Any, Any, Any, Any]):
    """Pico-credits as credits, exactly."""

    def to_representation(self, value: int) -> str:
        return as_decimal(value)


def _pico(source: str, meaning: str, **options: Any) -> Pico:
    return Pico(source=source, read_only=True, help_text=meaning, **options)


class TokensOut(serializers.Serializer[Any]):
    """Tokens: all that were read, of which cached and written to a cache; all that were written, of
    which reasoning."""

    input = serializers.IntegerField()
    cached = serializers.IntegerField()
    cacheWrite = serializers.IntegerField(source="cache_write")
    output = serializers.IntegerField()
    reasoning = serializers.IntegerField()


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
    cost = _pico("cost_pico", "Tokens times price.")
    collected = _pico("collected_pico", "Of the cost, at most what was reserved.")
    uncollected = _pico("uncollected_pico", "The rest of it.")
    providerCost = _pico(
        "provider_cost_pico", "What the provider asks, where it is known.", allow_null=True
    )
    providerCostUnknown = serializers.IntegerField(
        source="unknown", help_text="Uses of which it is not."
    )
    margin = _pico(
        "margin_pico", "Of the others: collected less the provider's cost.", allow_null=True
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
