"""Syncing with Clerk, and its plans, in JSON for admins."""

import uuid

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.serializers import ApprovalOut
from adminpanel.api.sync_serializers import ClerkPlansOut, JobOut, SyncIn, SyncOut, SyncStartedOut
from adminpanel.api.views import ABOVE, AdminView, described
from config.errors import HttpError
from credits.api.base import body_of, user_of
from credits.api.schema import errors
from credits.clerk import conf
from credits.clerk.client import ClerkClient
from credits.clerk.sync.jobs import cancel_sync, describe, start_sync
from credits.clerk.sync.options import SyncOptions, options_of
from credits.clerk.sync.run import result_of, run_sync
from credits.models import Plan, SyncJob

STARTED = PolymorphicProxySerializer(
    "SyncStartedOrWaiting", [SyncStartedOut, ApprovalOut], resource_type_field_name=None
)
#: Users up to which a sync is done within the request; more go to a worker.
AT_ONCE = 300


class Sync(AdminView):
    @described(
        operation_id="syncWithClerk",
        summary="Sync people and subscriptions from Clerk",
        description="Small bases are done at once; for large ones the answer is 202 with a job. "
        f"`setCredits` may move the plan credits of every subscriber. {ABOVE}",
        request=SyncIn,
        responses={200: SyncOut, 202: STARTED, **errors(403, 409, 502)},
    )
    def post(self, request: Request) -> Response:
        _need_clerk()
        options = options_of(body_of(request, SyncIn))
        background = _is_large(options)
        job = start_sync(actor=user_of(request), options=options, background=background)
        if background:
            return Response({"job": describe(job)}, status=202)
        run_sync(job.pk)
        job.refresh_from_db()
        if job.state == SyncJob.State.FAILED:
            raise HttpError(502, "clerk_unavailable", f"Clerk did not answer: {job.error}")
        return Response({**result_of(job), "job": describe(job)})


class OneSync(AdminView):
    @described(
        operation_id="getSync",
        summary="How far a sync is",
        responses={200: JobOut, **errors(404)},
    )
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        return Response(describe(get_object_or_404(SyncJob, pk=job_id)))

    @described(
        operation_id="cancelSync",
        summary="Stop a sync after its page",
        request=None,
        responses={200: JobOut, **errors(404)},
    )
    def delete(self, request: Request, job_id: uuid.UUID) -> Response:
        job = get_object_or_404(SyncJob, pk=job_id)
        cancel_sync(actor=user_of(request), job_id=job_id)
        job.refresh_from_db()
        return Response(describe(job))


class ClerkPlans(AdminView):
    @described(
        operation_id="getClerkPlans",
        summary="Plans as Clerk has them, to import",
        responses={200: ClerkPlansOut, **errors(409, 502)},
    )
    def get(self, request: Request) -> Response:
        _need_clerk()
        with ClerkClient() as client:
            offers = client.plans()
        known = set(Plan.objects.values_list("clerk_id", flat=True))
        plans = [{**vars(offer), "imported": offer.clerk_id in known} for offer in offers]
        return Response(ClerkPlansOut({"plans": plans}).data)


def _need_clerk() -> None:
    if not conf.has_backend():
        raise HttpError(409, "clerk_off", "Clerk is not configured: CLERK_SECRET_KEY is not set.")


def _is_large(options: SyncOptions) -> bool:
    """Whether there is more to do than a request should wait for."""
    if options.max_pages and options.max_pages * options.page_size <= AT_ONCE:
        return False
    with ClerkClient() as client:
        return client.count_users() > AT_ONCE
