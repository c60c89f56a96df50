"""The shapes of prices, plans, people and their usage, syncs, and Clerk's plans, for admins."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from credits.api.fields import Flag, StrictSerializer, Text, WholeNumber, field_of
from credits.api.serializers import FeatureCostsChange, SettingsOut
from credits.catalogue.fields import PLAN_ACTIVE, PLAN_CREDITS, PLAN_ID, PLAN_NAME
from credits.catalogue.plans import plan_version
from credits.clerk.sync.options import MAX_REASON, OPTIONS, Option, lacks_set_credits, options_of
from credits.models import Plan, SettingsChange, SyncJob


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


@extend_schema_serializer(component_name="SettingsChange")
class ChangeRow(serializers.Serializer[SettingsChange]):
    """One change of a price (numbers) or a plan (objects; null is what was not there)."""

    id = serializers.IntegerField()
    createdAt = serializers.DateTimeField(source="created_at")
    actor = serializers.CharField(source="actor_name")
    actorId = serializers.IntegerField(source="actor_id", allow_null=True)
    subject = serializers.ChoiceField(SettingsChange.Subject.choices)
    name = serializers.CharField(help_text="The feature's key, or the plan's id before.")
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


# --- Syncs with Clerk ----------------------------------------------------------------------------


@extend_schema_serializer(component_name="SyncRequest")
class SyncIn(StrictSerializer):
    """What to sync; everything may be left out."""

    def get_fields(self) -> dict[str, Any]:
        return {option.name: _sync_field(option) for option in OPTIONS}

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if lacks_set_credits(options_of(data)):
            raise serializers.ValidationError({"overrideCredits": ["This needs setCredits."]})
        return data


def _sync_field(option: Option) -> serializers.Field[Any, Any, Any, Any]:
    described: dict[str, Any] = {"default": option.default, "help_text": option.explanation}
    if option.is_flag:
        return Flag(**described)
    if not option.is_number:
        return Text(allow_blank=True, max_length=MAX_REASON, **described)
    nullable = option.default is None
    return WholeNumber(
        min_value=option.low, max_value=option.high, allow_null=nullable, **described
    )


@extend_schema_serializer(component_name="SyncJob")
class JobOut(serializers.Serializer[Any]):
    """A sync and how far it is."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=SyncJob.State.choices)
    phase = serializers.CharField()
    processed = serializers.IntegerField()
    total = serializers.IntegerField()
    rate = serializers.FloatField(help_text="Rows a second.")
    secondsLeft = serializers.IntegerField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField())
    failed = serializers.IntegerField()
    failures = serializers.ListField(child=serializers.DictField())
    changes = serializers.ListField(
        child=serializers.DictField(),
        help_text="Whose plan credits were set, or would be: `who`, and the plan credits `before` "
        "and `after`. The first 50 who gain and the first 50 who lose; `counts` has the totals.",
    )
    error = serializers.CharField(allow_null=True)


@extend_schema_serializer(component_name="SyncResult")
class SyncOut(serializers.Serializer[Any]):
    """The figures of a sync that is done."""

    processed = serializers.IntegerField()
    createdUsers = serializers.IntegerField()
    updatedUsers = serializers.IntegerField()
    deletedUsers = serializers.IntegerField(help_text="Accounts of people who left Clerk.")
    createdBalances = serializers.IntegerField()
    activeSubscriptions = serializers.IntegerField()
    creditsRefreshed = serializers.IntegerField(help_text="People whose credits setCredits set.")
    creditsGranted = serializers.IntegerField(help_text="Plan credits that had been missing.")
    creditsAdded = serializers.IntegerField(help_text="Credits that setCredits added.")
    creditsTaken = serializers.IntegerField(help_text="Credits that setCredits took away.")
    drift = serializers.IntegerField()
    failed = serializers.IntegerField()
    job = JobOut()


@extend_schema_serializer(component_name="SyncStarted")
class SyncStartedOut(serializers.Serializer[Any]):
    """A sync that a worker takes up."""

    job = JobOut()


@extend_schema_serializer(component_name="ClerkPlan")
class ClerkPlanOut(serializers.Serializer[Any]):
    """A plan as Clerk has it."""

    clerkId = serializers.CharField(source="clerk_id")
    name = serializers.CharField()
    slug = serializers.CharField()
    amount = serializers.IntegerField(allow_null=True, help_text="Monthly fee in cents.")
    currency = serializers.CharField()
    isDefault = serializers.BooleanField(source="is_default")
    imported = serializers.BooleanField(help_text="There is a plan with this id here.")


@extend_schema_serializer(component_name="ClerkPlans")
class ClerkPlansOut(serializers.Serializer[Any]):
    plans = ClerkPlanOut(many=True)
