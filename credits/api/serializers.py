"""The shapes of credits in JSON: camelCase, whole credits, times in UTC."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from credits.api.fields import PageQuery, QueryDate, StrictSerializer, field_of
from credits.api.limits import LimitOut
from credits.catalogue.fields import COST
from credits.features import FEATURES, Kind, OperationType
from credits.models import UsageHistory
from credits.statement.days import range_problem

Cost = field_of(COST)


def _costs_serializer(name: str, **options: Any) -> type[serializers.Serializer[Any]]:
    """One number per feature, so that the schema (and types made from it) name each."""
    fields: dict[str, Any] = {
        key: Cost(help_text=f"{feature.label}: credits per {feature.unit}.", **options)
        for key, feature in FEATURES.items()
    }
    return type(name, (StrictSerializer,), {"__doc__": "Credits per unit.", **fields})


FeatureCosts = _costs_serializer("FeatureCosts")
#: Some of the prices: those that are to change.
FeatureCostsChange = _costs_serializer("FeatureCostsChange", required=False)


@extend_schema_serializer(component_name="Balance")
class BalanceOut(serializers.Serializer[Any]):
    """Your credits, as they stand."""

    creditsRemaining = serializers.IntegerField(source="remaining", help_text="Can be spent now.")
    held = serializers.IntegerField(help_text="Taken by work in flight; comes back if it fails.")
    granted = serializers.IntegerField(help_text="Size of the grants that still hold something.")
    expiresAt = serializers.DateTimeField(
        source="expires_at", allow_null=True, help_text="When the next credits leave."
    )
    expiring = serializers.IntegerField(allow_null=True, help_text="How many leave then.")
    limits = LimitOut(many=True, required=False, help_text="Your limits, if there are any.")


@extend_schema_serializer(component_name="Settings")
class SettingsOut(serializers.Serializer[Any]):
    """What things cost, and what plans bring."""

    featureCosts = FeatureCosts(help_text="Credits per unit of each feature.")
    planCredits = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Credits per month of each active plan, by its Clerk id (`cplan_…`).",
    )


class UsageQuery(PageQuery):
    kind = serializers.ChoiceField(Kind.choices, required=False)
    feature = serializers.ChoiceField(list(FEATURES), required=False)
    to = QueryDate(required=False, source="last", help_text="The last day (UTC), included.")

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name that Python can assign to."""
        first = QueryDate(required=False, source="first", help_text="The first day (UTC).")
        return {**super().get_fields(), "from": first}

    def validate(self, attrs: Any) -> Any:
        if problem := range_problem(attrs.get("first"), attrs.get("last")):
            raise serializers.ValidationError({"from": [problem]})
        return attrs


def filters_of(query: dict[str, Any]) -> dict[str, Any]:
    """The part of a checked UsageQuery that `history.filter_rows` takes."""
    return {key: query[key] for key in ("kind", "feature", "first", "last") if key in query}


class UsageRow(serializers.Serializer[UsageHistory]):
    """One row of the journal. `creditsUsed` is positive for what left the balance."""

    id = serializers.IntegerField()
    createdAt = serializers.DateTimeField(source="created_at")
    kind = serializers.ChoiceField(Kind.choices)
    operationType = serializers.ChoiceField(OperationType.choices, source="operation_type")
    feature = serializers.CharField(allow_null=True)
    creditsUsed = serializers.IntegerField(source="credits_used")
    balanceAfter = serializers.IntegerField(source="balance_after")
    unitCost = serializers.IntegerField(source="unit_cost", allow_null=True)
    quantity = serializers.IntegerField(allow_null=True)
    refundOf = serializers.IntegerField(source="refund_of_id", allow_null=True)
    held = serializers.BooleanField(help_text="Whether the work it pays for is still going on.")
    reason = serializers.CharField(source="details.reason", allow_null=True)
    actor = serializers.CharField(
        source="actor_for_payer", allow_null=True, help_text="`an admin` where one did this."
    )
    model = serializers.CharField(source="details.model", allow_null=True)


class UsagePage(serializers.Serializer[Any]):
    """A page of your history, newest first."""

    items = UsageRow(many=True)
    nextCursor = serializers.IntegerField(allow_null=True, help_text="Null on the last page.")
