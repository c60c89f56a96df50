"""POST /api/webhooks/clerk."""

import logging

from django.conf import settings
from django.http.request import UnreadablePostError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.errors import HttpError
from credits.api.base import ApiView
from credits.api.schema import errors
from credits.clerk.parsing import as_id
from credits.clerk.webhooks import inbox, signatures

logger = logging.getLogger(__name__)

#: Bytes; Clerk's largest documented example has 3 kB.
MAX_BODY = 256 * 1024


SIGNED = [
    OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, required=True)
    for name in ("svix-id", "svix-timestamp", "svix-signature")
]
NOTE = serializers.CharField(allow_null=True, help_text="What became of it.")
RECEIVED = inline_serializer("Received", {"received": serializers.BooleanField(), "note": NOTE})


class ClerkWebhook(ApiView):
    """Clerk's deliveries. The signature is the only credential: no session, no CSRF token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="receiveClerkWebhook",
        summary="A delivery of Clerk's",
        description="Signed by Clerk over the raw body. Stored once per `svix-id`; a delivery that "
        "could not be processed is answered with 500, so that Clerk sends it again. 404 while no "
        "signing secret is configured.",
        parameters=SIGNED,
        request=OpenApiTypes.OBJECT,
        responses={200: RECEIVED, **errors(400, 404, 413, 500)},
        tags=["clerk"],
        auth=[],
    )
    def post(self, request: Request) -> Response:
        if not settings.CLERK_WEBHOOK_SIGNING_SECRET:
            raise HttpError(404)
        secrets, body = settings.CLERK_WEBHOOK_SIGNING_SECRET, _body_of(request)
        try:
            svix_id = signatures.verify(body, request.headers, secrets)
            payload = signatures.parse(body)
        except signatures.BadWebhook as error:
            logger.warning("Webhook refused: %s", error)
            raise
        # Without CLERK_INSTANCE_ID the signature decides: each instance signs with its own secret.
        instance_id = as_id(payload.get("instance_id"))
        if not instance_id or instance_id != (settings.CLERK_INSTANCE_ID or instance_id):
            logger.warning("Webhook refused: it is of another instance")
            raise HttpError(400, "wrong_instance", "This event is of another Clerk instance.")
        delivery = inbox.receive(svix_id=svix_id, payload=payload)
        return Response({"received": True, "note": delivery.note or None})


def _body_of(request: Request) -> bytes:
    """The raw body: a signature covers bytes, not what a parser makes of them."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length[:12]) > MAX_BODY:
        raise HttpError(413)
    try:
        body: bytes = request._request.body  # noqa: SLF001 - DRF hides it
    except UnreadablePostError:
        raise signatures.BadWebhook("The body ended early.") from None
    if len(body) > MAX_BODY:
        raise HttpError(413)
    return body
