"""A user's own webhooks and alerts in JSON, as the pages at /account/webhooks have them."""

from functools import partial
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from credits.api.answers import page_of
from credits.api.base import ApiView, body_of, query_of, user_of
from credits.api.fields import Flag, PageQuery, StrictSerializer, Text, field_of
from credits.api.schema import errors
from credits.catalogue.fields import OrEmpty, one_line
from credits.events import endpoints
from credits.events.addresses import LONGEST
from credits.models import User, WebhookAttempt, WebhookEndpoint
from credits.users.permissions import refuse_impersonated

Description = field_of(OrEmpty(one_line(150)))
described = partial(extend_schema, tags=["account"])


class WebhookIn(StrictSerializer):
    """A webhook that is to be added."""

    url = Text(max_length=LONGEST, help_text="A public https address that takes POST requests.")
    description = Description(required=False)


class WebhookChange(StrictSerializer):
    """What is to change of a webhook."""

    url = Text(max_length=LONGEST, required=False)
    description = Description(required=False)
    active = Flag(required=False, help_text="What was not sent while it was off is sent then.")


class RollIn(StrictSerializer):
    """How a secret is replaced."""

    endFormer = Flag(
        default=False, help_text="The present secret stops signing at once, not after 24 hours."
    )


@extend_schema_serializer(component_name="Webhook")
class WebhookOut(serializers.Serializer[WebhookEndpoint]):
    """One of your webhooks."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    active = serializers.BooleanField()
    disabledReason = serializers.SerializerMethodField(help_text="Why it is off, or null.")
    failingSince = serializers.DateTimeField(source="failing_since", allow_null=True)
    formerSecretUntil = serializers.DateTimeField(
        source="former_until", allow_null=True, help_text="Until then two secrets sign, or did."
    )
    createdAt = serializers.DateTimeField(source="created_at")

    def get_disabledReason(self, row: WebhookEndpoint) -> str | None:  # noqa: N802
        return row.disabled_reason or None


@extend_schema_serializer(component_name="WebhookWithSecret")
class WithSecretOut(WebhookOut):
    """A webhook with its new secret, which no other call answers."""

    secret = serializers.CharField(help_text="`whsec_…`")


@extend_schema_serializer(component_name="Webhooks")
class WebhooksOut(serializers.Serializer[Any]):
    """Your webhooks, oldest first."""

    items = WebhookOut(many=True)


@extend_schema_serializer(component_name="WebhookAttempt")
class AttemptOut(serializers.Serializer[WebhookAttempt]):
    """One attempt to send a message."""

    id = serializers.IntegerField()
    messageId = serializers.CharField(
        source="message.public_id", help_text="`webhook-id` of its request."
    )
    type = serializers.CharField(source="message.kind")
    number = serializers.IntegerField()
    state = serializers.CharField(help_text="`pending`, `delivered` or `failed`.")
    status = serializers.IntegerField(allow_null=True, help_text="What was answered.")
    failure = serializers.SerializerMethodField(help_text="Why it failed, or null.")
    dueAt = serializers.DateTimeField(source="due_at")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)
    milliseconds = serializers.IntegerField(allow_null=True)

    def get_failure(self, row: WebhookAttempt) -> str | None:
        return row.failure or None


@extend_schema_serializer(component_name="WebhookAttempts")
class AttemptsPage(serializers.Serializer[Any]):
    """A page of attempts, newest first."""

    items = AttemptOut(many=True)
    nextCursor = serializers.IntegerField(allow_null=True, help_text="Null on the last page.")


class Alerts(StrictSerializer):
    """How you are told what happens to your account."""

    byMail = Flag(help_text="Whether alerts go to your address too.")


def _own(request: Request, endpoint_id: UUID) -> WebhookEndpoint:
    mine = endpoints.endpoints_of(account_id=user_of(request).pk)
    return get_object_or_404(mine, pk=endpoint_id)


def _with_secret(made: endpoints.WithSecret, *, status: int) -> Response:
    body = {**WebhookOut(made.endpoint).data, "secret": made.secret}
    return Response(body, status=status, headers={"Cache-Control": "no-store"})


class Webhooks(ApiView):
    @described(
        operation_id="listWebhooks",
        summary="Your webhooks",
        responses={200: WebhooksOut},
    )
    def get(self, request: Request) -> Response:
        rows = endpoints.endpoints_of(account_id=user_of(request).pk)
        return Response(WebhooksOut({"items": rows}).data)

    @described(
        operation_id="addWebhook",
        summary="Add a webhook",
        description="What is announced of your account is POSTed there, signed with the `secret` "
        "that is in this answer alone.",
        request=WebhookIn,
        responses={201: WithSecretOut, **errors(400, 409, 429)},
    )
    def post(self, request: Request) -> Response:
        refuse_impersonated(request)
        body = body_of(request, WebhookIn)
        made = endpoints.add_endpoint(account_id=user_of(request).pk, **body)
        return _with_secret(made, status=201)


class Webhook(ApiView):
    @described(
        operation_id="getWebhook",
        summary="One of your webhooks",
        responses={200: WebhookOut, **errors(404)},
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        return Response(WebhookOut(_own(request, endpoint_id)).data)

    @described(
        operation_id="changeWebhook",
        summary="Change a webhook",
        description="Its address, its description, or whether it is on.",
        request=WebhookChange,
        responses={200: WebhookOut, **errors(400, 404, 429)},
    )
    def put(self, request: Request, endpoint_id: UUID) -> Response:
        refuse_impersonated(request)
        endpoint = _own(request, endpoint_id)
        body = body_of(request, WebhookChange)
        changed = endpoints.change_endpoint(endpoint_id=endpoint.pk, **body)
        return Response(WebhookOut(changed).data)

    @described(
        operation_id="deleteWebhook",
        summary="Delete a webhook",
        description="With what was sent to it; nothing is sent there any more.",
        request=None,
        responses={204: None, **errors(404)},
    )
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        refuse_impersonated(request)
        endpoints.delete_endpoint(endpoint_id=_own(request, endpoint_id).pk)
        return Response(status=204)


class RollSecret(ApiView):
    @described(
        operation_id="rollWebhookSecret",
        summary="Make a new secret",
        description="Messages are signed with both secrets for 24 hours, unless `endFormer` is "
        "true. 409 while a former one still signs.",
        request=RollIn,
        responses={200: WithSecretOut, **errors(400, 404, 409)},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        refuse_impersonated(request)
        endpoint = _own(request, endpoint_id)
        end_former = body_of(request, RollIn)["endFormer"]
        made = endpoints.roll_secret(endpoint_id=endpoint.pk, end_former=end_former)
        return _with_secret(made, status=200)


class SendTest(ApiView):
    @described(
        operation_id="testWebhook",
        summary="Send a test message",
        description="Of the type `webhook.test`, to this webhook alone.",
        request=None,
        responses={202: None, **errors(404, 409, 429)},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        refuse_impersonated(request)
        endpoints.send_test(endpoint=_own(request, endpoint_id))
        return Response(status=202)


class Attempts(ApiView):
    @described(
        operation_id="listWebhookAttempts",
        summary="What was sent to a webhook",
        description="Of the last 30 days, and what is to be sent, newest first.",
        parameters=[PageQuery],
        responses={200: AttemptsPage, **errors(400, 404)},
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        query = query_of(request, PageQuery)
        return page_of(endpoints.attempts_of(_own(request, endpoint_id)), query, AttemptOut)


class SendAgain(ApiView):
    @described(
        operation_id="sendWebhookAgain",
        summary="Send a message again",
        description="With the same id. Answers the attempt that is due now.",
        request=None,
        responses={202: AttemptOut, **errors(404, 409, 429)},
    )
    def post(self, request: Request, endpoint_id: UUID, attempt_id: int) -> Response:
        refuse_impersonated(request)
        rows = endpoints.attempts_of(_own(request, endpoint_id)).select_related("endpoint")
        attempt = get_object_or_404(rows, pk=attempt_id)
        return Response(AttemptOut(endpoints.send_again(attempt=attempt)).data, status=202)


class MyAlerts(ApiView):
    @described(operation_id="getAlerts", summary="How you are alerted", responses={200: Alerts})
    def get(self, request: Request) -> Response:
        return Response({"byMail": user_of(request).alerts_by_mail})

    @described(
        operation_id="setAlerts",
        summary="Have alerts by mail, or not",
        request=Alerts,
        responses={200: Alerts, **errors(400, 429)},
    )
    def put(self, request: Request) -> Response:
        refuse_impersonated(request)
        by_mail = body_of(request, Alerts)["byMail"]
        User.objects.filter(pk=user_of(request).pk).update(alerts_by_mail=by_mail)
        return Response({"byMail": by_mail})
