"""Images in JSON."""

from uuid import UUID, uuid4

from django.db import connections
from django.http import Http404, HttpResponseBase
from django.utils.decorators import method_decorator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.api.image_serializers import (
    ImageIn,
    ImagesOut,
    ImagesPage,
    ImagesQuery,
    PaidImagesOut,
)
from ai_chat.api.problems import StillRunning, provider_failed
from ai_chat.api.receipts import paid_headers, remaining
from ai_chat.api.serializers import ProviderFailedOut
from ai_chat.images.gallery import own_image_or_404, own_request, requests_page
from ai_chat.images.requests import delete_image, start_request
from ai_chat.jobs.ending import job_or_404
from ai_chat.jobs.following import wait
from ai_chat.jobs.running import stop_job
from ai_chat.models import ImageRequest
from ai_chat.serving import serve
from config.serving.capacity import keeps_its_thread
from credits.api.base import ApiView, body_of, query_of, user_of
from credits.api.idempotency import IDEMPOTENCY_KEY, REPLAYED_HEADER, read_key, replay_headers
from credits.api.schema import MEANINGS, errors
from credits.idempotency import namespaced
from credits.reasons import Reason
from credits.users.permissions import refuse_impersonated


class CreateImages(ApiView):
    @extend_schema(
        operation_id="createImages",
        summary="Make images",
        description="Charges `count` images together and answers when they are made. Images that "
        "were not delivered are refunded one by one.",
        parameters=[IDEMPOTENCY_KEY, REPLAYED_HEADER],
        request=ImageIn,
        responses={
            200: PaidImagesOut,
            **errors(402, 409, 422, 429),
            502: OpenApiResponse(ProviderFailedOut, description=MEANINGS[502][1]),
        },
        tags=["ai"],
    )
    @method_decorator(keeps_its_thread)
    def post(self, request: Request) -> Response:
        refuse_impersonated(request)
        body = body_of(request, ImageIn)
        key = namespaced("api", read_key(request) or str(uuid4()))
        agreed = body.pop("maxUnitCost", None)
        job, is_new = start_request(
            user_id=user_of(request).pk, idempotency_key=key, max_unit_cost=agreed, **body
        )
        if is_new:
            connections.close_all()  # Before waiting: the pool is for those who work.
            job = wait(job) or job
        if job.is_running:  # The first call with this key; or the end could not be saved.
            raise StillRunning
        headers = replay_headers(is_new=is_new)
        answer = {**ImagesOut(job).data, "creditsRemaining": remaining(job)}
        if job.state == ImageRequest.State.FAILED and not Reason(job.failure).is_stop:
            raise provider_failed(job, answer, headers)
        return Response(answer, headers=paid_headers(answer, headers))


class MyImages(ApiView):
    @extend_schema(
        operation_id="listImages",
        summary="Your images",
        description="What you asked for, newest first, with what came of it, without temporary "
        "chats. 404 when the request that `cursor` names is deleted: begin without one.",
        parameters=[ImagesQuery],
        responses={200: ImagesPage, **errors(400, 404)},
        tags=["ai"],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, ImagesQuery)
        user_id, cursor = user_of(request).pk, query.get("cursor")
        last = own_request(user_id=user_id, request_id=cursor) if cursor else None
        if cursor and last is None:
            raise Http404  # The first page again could go on without end.
        rows, more = requests_page(user_id=user_id, last=last, limit=query["limit"])
        page = {"items": rows, "nextCursor": rows[-1].pk if more else None}
        return Response(ImagesPage(page).data)


class OneImages(ApiView):
    @extend_schema(
        operation_id="getImages",
        summary="One request for images",
        description="By the `id` that `createImages` answered with.",
        responses={200: ImagesOut, **errors(404)},
        tags=["ai"],
    )
    def get(self, request: Request, request_id: UUID) -> Response:
        job = job_or_404(ImageRequest, pk=request_id, user_id=user_of(request).pk)
        return Response(ImagesOut(job).data)


class StopImages(ApiView):
    @extend_schema(
        operation_id="stopImages",
        summary="Stop making images",
        description="Answers once the request has ended: what was made by then is kept and "
        "charged, the rest is refunded. A request that has ended is answered as it is.",
        request=None,
        responses={200: ImagesOut, **errors(404)},
        tags=["ai"],
    )
    @method_decorator(keeps_its_thread)
    def post(self, request: Request, request_id: UUID) -> Response:
        job = job_or_404(ImageRequest, pk=request_id, user_id=user_of(request).pk)
        stop_job(job)
        connections.close_all()  # Before waiting: the pool is for those who work.
        return Response(ImagesOut(wait(job) or job).data)


class OneImage(ApiView):
    @extend_schema(
        operation_id="deleteImage",
        summary="Delete an image",
        description="For good; what it cost stays in your history.",
        request=None,
        responses={204: None, **errors(404)},
        tags=["ai"],
    )
    def delete(self, request: Request, image_id: UUID) -> Response:
        delete_image(image=own_image_or_404(user_id=user_of(request).pk, image_id=image_id))
        return Response(status=204)


class ImageFile(ApiView):
    @extend_schema(
        operation_id="getImageFile",
        summary="An image's file",
        parameters=[
            OpenApiParameter("download", OpenApiTypes.STR, description="Saves it as a file.")
        ],
        responses={
            (200, media_type): OpenApiResponse(OpenApiTypes.BINARY, description="The file.")
            for media_type in ("image/png", "image/jpeg", "image/webp")
        }
        | {304: None, **errors(404, 429)},
        tags=["ai"],
    )
    def get(self, request: Request, image_id: UUID) -> HttpResponseBase:
        django = request._request  # noqa: SLF001 -- the documented way to the request DRF wraps
        return serve(django, own_image_or_404(user_id=user_of(request).pk, image_id=image_id))
