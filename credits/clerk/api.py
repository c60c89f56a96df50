"""Syncing with Clerk, and its plans, in JSON for admins."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from credits.api.fields import Flag, StrictSerializer, Text, WholeNumber
from credits.api.http import ApiView, body_of, user_of
from credits.api.problems import Problem, not_found
from credits.api.schema import errors
from credits.clerk import conf
from credits.clerk.client import ClerkClient, ClerkError
from credits.clerk.models import SyncJob
from credits.clerk.sync import result_of, run_sync
from credits.clerk.sync_jobs import SyncOptions, cancel_job, describe, start_job
from credits.models import Plan
from credits.permissions import IsTallyAdmin

#: Users up to which a sync is done within the request; more go to a worker.
AT_ONCE = 300
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
    debug = Flag(default=False, help_text="Name the rows that failed.")
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
    """The figures of a sync that is done; `job` alone while it runs in the background."""

    processed = serializers.IntegerField()
    createdUsers = serializers.IntegerField()
    updatedUsers = serializers.IntegerField()
    createdBalances = serializers.IntegerField()
    activeSubscriptions = serializers.IntegerField()
    creditsRefreshed = serializers.IntegerField()
    drift = serializers.IntegerField()
    failed = serializers.IntegerField()
    job = JobOut()


class AdminView(ApiView):
    permission_classes = (IsTallyAdmin,)


class Sync(AdminView):
    @extend_schema(
        operation_id="syncWithClerk",
        summary="Sync people and subscriptions from Clerk",
        description="Small bases are done at once; for large ones the answer is 202 with a job.",
        request=SyncIn,
        responses={200: SyncOut, 202: JobOut, **errors(409, 502)},
        tags=["admin"],
    )
    def post(self, request: Request) -> Response:
        _need_clerk()
        given = body_of(request, SyncIn)
        background = _is_large(given)
        job = start_job(
            options=options_of(given), actor=str(user_of(request)), background=background
        )
        if background:
            return Response({"job": describe(job)}, status=202)
        run_sync(job.pk)
        job.refresh_from_db()
        if job.state == SyncJob.State.FAILED:
            raise Problem(502, "clerk_unavailable", f"Clerk did not answer: {job.error}")
        names = {} if given["debug"] else {"failures": []}
        return Response({**result_of(job), "job": {**describe(job), **names}})


class OneSync(AdminView):
    @extend_schema(
        operation_id="getSync",
        summary="How far a sync is",
        responses={200: JobOut, **errors(404)},
        tags=["admin"],
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:  # noqa: ARG002 -- DRF's
        return Response(describe(_job(job_id)))

    @extend_schema(
        operation_id="cancelSync",
        summary="Stop a sync after its page",
        request=None,
        responses={200: JobOut, **errors(404)},
        tags=["admin"],
    )
    def delete(self, request: Request, job_id: uuid.UUID) -> Response:  # noqa: ARG002 -- DRF's
        cancel_job(_job(job_id).pk)
        return Response(describe(_job(job_id)))


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


class ClerkPlans(AdminView):
    @extend_schema(
        operation_id="getClerkPlans",
        summary="Plans as Clerk has them, to import",
        responses={200: ClerkPlansOut, **errors(409, 502)},
        tags=["admin"],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's
        _need_clerk()
        try:
            with ClerkClient() as client:
                offers = client.plans()
        except ClerkError as error:
            raise Problem(502, "clerk_unavailable", f"Clerk did not answer: {error}") from None
        known = set(Plan.objects.values_list("clerk_id", flat=True))
        rows = [
            {
                "clerkId": offer.clerk_id,
                "name": offer.name,
                "slug": offer.slug,
                "amount": offer.amount,
                "currency": offer.currency,
                "isDefault": offer.is_default,
                "imported": offer.clerk_id in known,
            }
            for offer in offers
        ]
        return Response({"plans": rows})


def options_of(given: dict[str, Any]) -> SyncOptions:
    return SyncOptions(
        sync_users=given["syncUsers"],
        sync_plans=given["syncPlans"],
        set_credits=given["setCredits"],
        override_credits=given.get("overrideCredits"),
        page_size=given["pageSize"],
        max_pages=given.get("maxPages"),
        dry_run=given["dryRun"],
        reason=given.get("reason", ""),
    )


def _need_clerk() -> None:
    if not conf.has_backend():
        raise Problem(409, "clerk_off", "Clerk is not configured: CLERK_SECRET_KEY is not set.")


def _is_large(given: dict[str, Any]) -> bool:
    """Whether there is more to do than a request should wait for."""
    if given.get("maxPages") and given["maxPages"] * given["pageSize"] <= AT_ONCE:
        return False
    try:
        with ClerkClient() as client:
            return client.count_users() > AT_ONCE
    except ClerkError as error:
        raise Problem(502, "clerk_unavailable", f"Clerk did not answer: {error}") from None


def _job(job_id: uuid.UUID) -> SyncJob:
    job = SyncJob.objects.filter(pk=job_id).first()
    if job is None:
        raise not_found()
    return job
