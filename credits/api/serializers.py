"""The shapes of credits in JSON: camelCase, whole credits, times in UTC."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import (
    PolymorphicProxySerializer,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers

from credits.api.fields import ExactCredits, PageQuery, QueryDate, StrictSerializer, field_of
from credits.api.limits import LimitOut
from credits.catalogue.fields import COST, TOKEN_PRICE_FIELDS, Rule
from credits.catalogue.token_prices import UNIT, pricing_of
from credits.features import ALL_FEATURES, FEATURES, Kind, OperationType
from credits.models import AIModel, Use
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
    paidAhead = ExactCredits(
        source="ahead",
        help_text="The part of a credit that is paid and not used: the next call by tokens takes "
        "from it first.",
    )
    limits = LimitOut(many=True, required=False, help_text="Your limits, if there are any.")


@extend_schema_serializer(component_name="Settings")
class SettingsOut(serializers.Serializer[Any]):
    """What things cost, and what plans bring."""

    featureCosts = FeatureCosts(help_text="Credits per unit of each feature.")
    planCredits = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Credits per month of each active plan, by its Clerk id (`cplan_…`).",
    )


class UnitPricing(serializers.Serializer[Any]):
    """A number of credits for each unit."""

    unit = serializers.ChoiceField([feature.unit for feature in FEATURES.values()])
    credits = serializers.IntegerField()


class TokenPricing(serializers.Serializer[Any]):
    """Credits per 1,000,000 tokens, and per request, as exact decimals."""

    unit = serializers.ChoiceField([UNIT])
    version = serializers.IntegerField(help_text="Another price has another one.")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **price_fields(TOKEN_PRICE_FIELDS)}


#: What the names alone do not say.
PRICES_EXPLAINED = {
    "input": "Of tokens that are read.",
    "cached": "Of those among them that come from a cache; unless named, as `input`.",
    "cacheWrite": "Of those among them that are written to a cache; unless named, as `input`.",
    "output": "Of tokens that are written.",
    "reasoning": "Of those among them that the model thinks; unless named, as `output`.",
    "request": "Of a call, whatever it uses: credits; unless named, 0.",
    "maxInput": "The most tokens that a call may read; null: any number.",
}


def price_fields(rules: Mapping[str, Rule], **options: Any) -> dict[str, Any]:
    """Fields of a price by tokens, each by its rule; `options` hold for those that may be left
    out."""
    return {
        name: field_of(rule)(
            help_text=PRICES_EXPLAINED[name], **({} if name in {"input", "output"} else options)
        )
        for name, rule in rules.items()
    }


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="Pricing",
        serializers=[UnitPricing, TokenPricing],
        resource_type_field_name=None,
    )
)
class PricingField(serializers.Field[Any, Any, Any, Any]):
    """How a model is priced now: of a row of the catalogue, or of an object that has it already."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def get_attribute(self, instance: AIModel | Mapping[str, Any]) -> Any:
        return instance["pricing"] if isinstance(instance, Mapping) else pricing_of(instance)

    def to_representation(self, value: Mapping[str, Any]) -> Any:
        return value


class KeyId(serializers.RegexField):
    """The id of an API key; one that nobody has finds nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__("^key_[0-9A-Za-z]{16}$", trim_whitespace=False, **options)


class UsageQuery(PageQuery):
    kind = serializers.ChoiceField(Kind.choices, required=False)
    feature = serializers.ChoiceField(list(ALL_FEATURES), required=False)
    key = KeyId(required=False, help_text="Of this API key: its `id`.")
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
    return {key: query[key] for key in ("kind", "feature", "key", "first", "last") if key in query}


class TokensOut(serializers.Serializer[Any]):
    """Tokens of one use, or of several together."""

    input = serializers.IntegerField(help_text="All that were read.")
    cached = serializers.IntegerField(help_text="Those among them that came from a cache.")
    cacheWrite = serializers.IntegerField(
        source="cache_write", help_text="Those among them that were written to a cache."
    )
    output = serializers.IntegerField(help_text="All that were written.")
    reasoning = serializers.IntegerField(help_text="Those among them that the model thought.")


class UsedTokens(TokensOut):
    """The tokens of a charge by tokens, and whose count they are."""

    source = serializers.ChoiceField(Use.Source.choices)  # type: ignore[assignment]  # as above


class UseFields(serializers.Serializer[Any]):
    """What rows and receipts say of a charge by tokens; null for others, and while it is held."""

    usage = UsedTokens(source="use", allow_null=True)
    cost = ExactCredits(
        source="use.collected",
        allow_null=True,
        help_text="What the usage came to, exactly; never more than was reserved.",
    )
    paidAhead = ExactCredits(
        source="use.ahead", allow_null=True, help_text="What was paid ahead after it."
    )


class UsageRow(UseFields):
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
    priceVersion = serializers.IntegerField(
        source="price_id", allow_null=True, help_text="The price by tokens of a charge."
    )
    key = serializers.CharField(
        source="api_key.public_id", allow_null=True, help_text="The API key that it was charged by."
    )


class UsagePage(serializers.Serializer[Any]):
    """A page of your history, newest first."""

    items = UsageRow(many=True)
    nextCursor = serializers.IntegerField(allow_null=True, help_text="Null on the last page.")
