"""The shapes of syncs with Clerk and of its plans, for admins."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from credits.api.fields import Flag, StrictSerializer, Text, WholeNumber
from credits.clerk.sync.options import MAX_REASON, OPTIONS, Option, lacks_set_credits, options_of
from credits.models import SyncJob


@extend_schema_serializer(component_name="SyncRequest")
class SyncIn(StrictSerializer):
    """What to sync; everything may be left out. `overrideCredits` needs `setCredits`."""

    schema_extra = {
        "anyOf": [
            {"properties": {"overrideCredits": {"not": {"type": "integer"}}}},
            {"properties": {"setCredits": {"not": {"enum": [False]}}}, "required": ["setCredits"]},
        ]
    }

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
