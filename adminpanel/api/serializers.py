"""The shapes of prices, plans, approvals and models, for admins."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from credits.api.fields import BoundedList, StrictSerializer, Text, field_of
from credits.api.serializers import FeatureCostsChange, PricingField, SettingsOut, price_fields
from credits.catalogue.fields import (
    MODEL_FIELDS,
    MODEL_ID,
    PLAN_ACTIVE,
    PLAN_CREDITS,
    PLAN_ID,
    PLAN_NAME,
    PROVIDER_FIELDS,
    PROVIDER_PRICE_FIELDS,
    TOKEN_PRICE_FIELDS,
    VALID_FROM,
    OrNull,
    Rule,
)
from credits.catalogue.plans import plan_version
from credits.models import Approval, Plan, SettingsChange

#: Models, or providers, of one call.
MAX_ENTRIES = 500


@extend_schema_serializer(component_name="Plan")
class PlanOut(serializers.Serializer[Plan]):
    """A plan, and what a month of it brings."""

    clerkId = serializers.CharField(source="clerk_id")
    name = serializers.CharField()
    credits = serializers.IntegerField(help_text="Credits per month.")
    active = serializers.BooleanField(help_text="An inactive plan brings 0 credits.")
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")
    version = serializers.SerializerMethodField()

    def get_version(self, plan: Plan) -> str:
        return plan_version(plan)


@extend_schema_serializer(component_name="Approval")
class ApprovalOut(serializers.Serializer[Any]):
    """A change that waits for a second admin, and how it went since (`Approval.as_json`)."""

    requestId = serializers.IntegerField()
    kind = serializers.ChoiceField(Approval.Kind.choices)
    state = serializers.ChoiceField(Approval.State.choices)
    moves = serializers.IntegerField(help_text="Credits that it moves at most.")
    userId = serializers.IntegerField(allow_null=True, help_text="Null if it is not about one.")
    credits = serializers.IntegerField(
        allow_null=True, help_text="The balance to set; null for all else."
    )
    adjustment = serializers.IntegerField(
        allow_null=True, help_text="Credits to add (negative: take); null for all else."
    )
    reason = serializers.CharField()
    usageId = serializers.IntegerField(
        allow_null=True, help_text="The journal row it became, once approved."
    )


@extend_schema_serializer(component_name="Plans")
class PlansOut(serializers.Serializer[Any]):
    """Every plan, by name."""

    plans = PlanOut(many=True)


@extend_schema_serializer(component_name="AdminSettings")
class AdminSettingsOut(SettingsOut):
    """Prices and plans."""

    billingPlans = PlanOut(many=True, help_text="Every plan, also inactive ones.")
    version = serializers.CharField(help_text="Of the prices, for a PUT.")


class VersionQuery(StrictSerializer):
    version = Text(
        required=False,
        max_length=64,
        help_text="Of what you read: if it has changed meanwhile, nothing is done and the answer "
        "is 409.",
    )


@extend_schema_serializer(component_name="PriceChange")
class CostsIn(VersionQuery):
    """Prices to change."""

    featureCosts = FeatureCostsChange(help_text="The prices to change; others stay.")


PlanId, PlanName = field_of(PLAN_ID), field_of(PLAN_NAME)
PlanCredits, PlanActive = field_of(PLAN_CREDITS), field_of(PLAN_ACTIVE)


@extend_schema_serializer(component_name="NewPlan")
class PlanIn(StrictSerializer):
    """A plan to add."""

    clerkId = PlanId(source="clerk_id")
    name = PlanName()
    credits = PlanCredits(help_text="Credits per month.")
    active = PlanActive(default=True)


@extend_schema_serializer(component_name="PlanChange")
class PlanChange(VersionQuery):
    """What to change of a plan."""

    clerkId = PlanId(required=False, help_text="As in the address, for those who send all of it.")
    newClerkId = PlanId(source="clerk_id", required=False, help_text="Renames the plan.")
    name = PlanName(required=False)
    credits = PlanCredits(required=False)
    active = PlanActive(required=False)


def fields_of(rules: Mapping[str, Rule], **options: Any) -> dict[str, Any]:
    """A serializer's fields, one for each rule, by its name in JSON; those in EXPLAINED with their
    meaning."""
    return {
        name: field_of(rule)(help_text=EXPLAINED.get(name, ""), **options)
        for name, rule in rules.items()
    }


#: What the names alone do not say.
EXPLAINED = {
    "id": "What calls, journals and receipts name it; it stays.",
    "providerModel": "What the provider calls it.",
    "tools": "Whether it can call tools.",
    "reasoning": "Whether it thinks before it answers.",
    "contextTokens": "Of a call and its answer together; null: unknown.",
    "outputTokens": "Of an answer; null: ANSWER_MAX_TOKENS.",
    "reasoningTokens": "Budget for reasoning, beside the answer's.",
    "hidesReasoning": "Whether it counts reasoning that it does not send.",
    "bytesPerHundredTokens": "The least bytes of text that 100 of its tokens have.",
    "imageTokens": "The most tokens of a picture.",
    "tokensPerPage": "The most tokens of a page of a file.",
    "outputLeast": "With room for fewer tokens of an answer no call is made; "
    "null: 256, with reasoning 4,096.",
    "imagesPerCall": "The most images that one call of the provider makes.",
    "sizes": "Sizes of images that it makes; empty: any.",
    "priceFactor": "How many times the feature's price a unit costs.",
    "leastPlan": "From which plan on it may be used, by its Clerk id; null: by everybody.",
    "fallback": "Takes over before the answer begins when its provider is down.",
    "active": "Whether it is offered. Models and packs are retired, not removed.",
    "position": "The order in which people see them.",
    "price": "What it costs, in words; empty: not said.",
    "baseUrl": "Empty: OPENAI_BASE_URL.",
    "keyVariable": "The environment variable with its key.",
}


@extend_schema_serializer(component_name="CatalogueModel")
class CatalogueModelOut(serializers.Serializer[Any]):
    """A model of the catalogue, and what a unit of it costs."""

    def get_fields(self) -> dict[str, Any]:
        cost = serializers.IntegerField(
            allow_null=True,
            help_text="Credits of a unit, now; null where only tokens have a price.",
        )
        pricing = PricingField(
            allow_null=True,
            help_text="What it costs now: a unit, or tokens; null: embeddings without a price, "
            "which nobody can use.",
        )
        return {**fields_of(MODEL_FIELDS), "cost": cost, "pricing": pricing}


@extend_schema_serializer(component_name="CatalogueProvider")
class CatalogueProviderOut(serializers.Serializer[Any]):
    """A server that answers calls."""

    def get_fields(self) -> dict[str, Any]:
        is_set = serializers.BooleanField(help_text="Whether the environment has its key.")
        return {**fields_of(PROVIDER_FIELDS), "keyIsSet": is_set}


@extend_schema_serializer(component_name="ProviderPrice")
class ProviderPriceIn(StrictSerializer):
    """What the provider asks, in the same units."""

    def get_fields(self) -> dict[str, Any]:
        return price_fields(PROVIDER_PRICE_FIELDS, required=False)


@extend_schema_serializer(component_name="TokenPrice")
class TokenPriceIn(StrictSerializer):
    """Credits per 1,000,000 tokens (at most 6 decimals), and per request (at most 12)."""

    def get_fields(self) -> dict[str, Any]:
        provider = ProviderPriceIn(required=False, allow_null=True, help_text="Null: not known.")
        return {**price_fields(TOKEN_PRICE_FIELDS, required=False), "provider": provider}


#: What null says in place of a price by tokens.
PER_UNIT_AGAIN = "Null: its feature's price, times its factor, holds again."


@extend_schema_serializer(component_name="ModelTokenPrice")
class ModelPriceOut(serializers.Serializer[Any]):
    """What a model costs by tokens from a moment on."""

    model = serializers.CharField()
    validFrom = serializers.DateTimeField()
    version = serializers.IntegerField()
    price = TokenPriceIn(allow_null=True, help_text=PER_UNIT_AGAIN)


@extend_schema_serializer(component_name="ModelTokenPriceChange")
class ModelPriceIn(StrictSerializer):
    """A price by tokens to set. What is announced for later stays; what begins at the same moment
    is replaced."""

    model = field_of(MODEL_ID)(help_text="The model's id.")
    validFrom = field_of(OrNull(VALID_FROM))(
        required=False, help_text="The moment from which it holds; null, or left out: now."
    )
    price = TokenPriceIn(allow_null=True, help_text=PER_UNIT_AGAIN)


@extend_schema_serializer(component_name="Catalogue")
class CatalogueOut(serializers.Serializer[Any]):
    """Every model, also retired ones, and every provider."""

    models = CatalogueModelOut(many=True)
    providers = CatalogueProviderOut(many=True)
    tokenPrices = ModelPriceOut(
        many=True, help_text="The prices by tokens that hold, and those that are announced."
    )
    version = serializers.CharField(help_text="Of all of it, for a PUT.")


@extend_schema_serializer(component_name="CatalogueModelChange")
class ModelChange(StrictSerializer):
    """A model to add or to change: what is not named stays, or begins with its default."""

    def get_fields(self) -> dict[str, Any]:
        fields = fields_of(MODEL_FIELDS, required=False)
        return {**fields, "id": field_of(MODEL_FIELDS["id"])()}


@extend_schema_serializer(component_name="CatalogueProviderChange")
class ProviderChange(StrictSerializer):
    """A provider to add or to change."""

    def get_fields(self) -> dict[str, Any]:
        fields = fields_of(PROVIDER_FIELDS, required=False)
        return {**fields, "name": field_of(PROVIDER_FIELDS["name"])()}


@extend_schema_serializer(component_name="CatalogueChange")
class CatalogueIn(VersionQuery):
    """Models and providers to add or to change, and prices by tokens to set; others stay."""

    models = BoundedList(child=ModelChange(), required=False, max_length=MAX_ENTRIES)
    providers = BoundedList(child=ProviderChange(), required=False, max_length=MAX_ENTRIES)
    tokenPrices = BoundedList(
        child=ModelPriceIn(),
        required=False,
        max_length=MAX_ENTRIES,
        help_text="Set after the models are changed.",
    )


@extend_schema_serializer(component_name="SettingsChange")
class ChangeRow(serializers.Serializer[SettingsChange]):
    """One change of a price (numbers), or of a plan, pack, model, its price by tokens or a provider
    (objects; null is what was not there)."""

    id = serializers.IntegerField()
    createdAt = serializers.DateTimeField(source="created_at")
    actor = serializers.CharField(source="actor_name")
    actorId = serializers.IntegerField(source="actor_id", allow_null=True)
    subject = serializers.ChoiceField(SettingsChange.Subject.choices)
    name = serializers.CharField(
        help_text="The feature's key, the plan's id before, or the model's or provider's name."
    )
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


@extend_schema_serializer(component_name="FeatureMapping")
class MappingOut(serializers.Serializer[Any]):
    """A feature, and who knows what its charges are recorded as."""

    feature = serializers.CharField()
    operationType = serializers.CharField(source="operation_type")
    inPython = serializers.BooleanField(source="in_python")
    inDatabase = serializers.BooleanField(source="in_database")


@extend_schema_serializer(component_name="FeatureHealth")
class EnumHealthOut(serializers.Serializer[Any]):
    """Whether each feature can be charged."""

    ok = serializers.BooleanField()
    mappings = MappingOut(many=True)
