"""The shapes of prices, plans, people and their usage, for admins."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from credits.api.fields import StrictSerializer, Text, field_of
from credits.api.serializers import FeatureCostsChange, SettingsOut
from credits.catalogue.fields import PLAN_ACTIVE, PLAN_CREDITS, PLAN_ID, PLAN_NAME
from credits.catalogue.plans import plan_version
from credits.models import Plan, SettingsChange

VERSION = "Of what you read: if it has changed meanwhile, nothing is done and the answer is 409."


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


@extend_schema_serializer(component_name="PriceChange")
class CostsIn(StrictSerializer):
    """Prices to change."""

    featureCosts = FeatureCostsChange(help_text="The prices to change; others stay.")
    version = Text(required=False, max_length=64, help_text=VERSION)


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
class PlanChange(StrictSerializer):
    """What to change of a plan."""

    clerkId = PlanId(required=False, help_text="As in the address, for those who send all of it.")
    newClerkId = PlanId(source="clerk_id", required=False, help_text="Renames the plan.")
    name = PlanName(required=False)
    credits = PlanCredits(required=False)
    active = PlanActive(required=False)
    version = Text(required=False, max_length=64, help_text=VERSION)


class VersionQuery(StrictSerializer):
    version = Text(required=False, max_length=64, help_text=VERSION)


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


@extend_schema_serializer(component_name="SettingsChanges")
class ChangesPage(serializers.Serializer[Any]):
    """A page of changes."""

    items = ChangeRow(many=True)
    nextCursor = serializers.IntegerField(allow_null=True)


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
