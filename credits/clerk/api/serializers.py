"""The shapes of syncs, and of Clerk's plans."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from credits.api.fields import Flag, StrictSerializer, Text, WholeNumber
from credits.clerk.models import SyncJob

MAX_CREDITS = 1_000_000_000


@extend_schema_serializer(component_name="SyncRequest")
class SyncIn(StrictSerializer):
    """What to sync; everything may be left out."""

    syncUsers = Flag(default=True, help_text="People: names, addresses, bans.")
    syncPlans = Flag(default=True, help_text="Subscriptions, through the same rules as webhooks.")
    setCredits = Flag(
        default=False,
        help_text="Set the balance of everybody with an active subscription to its plan's credits; "
        "never to less than their packs.",
    )
    overrideCredits = WholeNumber(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_CREDITS,
        help_text="With setCredits: this many instead of the plan's.",
    )
    pageSize = WholeNumber(default=500, min_value=1, max_value=500)
    maxPages = WholeNumber(required=False, allow_null=True, min_value=1, max_value=10_000)
    dryRun = Flag(default=False, help_text="Count what would change, and change nothing.")
    debug = Flag(
        default=False, help_text="The sync's page at the desk shows at once why each row failed."
    )
    reason = Text(required=False, allow_blank=True, max_length=500)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if data.get("overrideCredits") is not None and not data["setCredits"]:
            raise serializers.ValidationError({"overrideCredits": ["This needs setCredits."]})
        return data


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
    creditsRefreshed = serializers.IntegerField(help_text="Balances that setCredits changed.")
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

    clerkId = serializers.CharField()
    name = serializers.CharField()
    slug = serializers.CharField()
    amount = serializers.IntegerField(allow_null=True, help_text="Monthly fee in cents.")
    currency = serializers.CharField()
    isDefault = serializers.BooleanField()
    imported = serializers.BooleanField(help_text="There is a plan with this id here.")


@extend_schema_serializer(component_name="ClerkPlans")
class ClerkPlansOut(serializers.Serializer[Any]):
    plans = ClerkPlanOut(many=True)
