"""Webhooks of a user's own: adding, changing and deleting them, their secrets, sending again."""

import secrets
from base64 import b64encode
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet

from config.errors import DomainError, InvalidInput, TooManyRequests
from credits import rate_limits
from credits.events.addresses import check
from credits.events.announcing import send_soon, send_to
from credits.events.encryption import encrypt
from credits.kernel import database_time
from credits.models import Account, WebhookAttempt, WebhookEndpoint, WebhookMessage

#: Webhooks that one account may have.
MOST = 5
#: Addresses looked up, tests and messages sent again, of one account in an hour.
BY_HAND_PER_HOUR = 30
#: For how long the secret before the present one still signs.
FORMER_SECRET_KEPT = timedelta(hours=24)
#: The message that a user sends to see whether it arrives.
TEST = "webhook.test"

Reason = WebhookEndpoint.DisabledReason


class TooManyEndpoints(DomainError):
    """The account has MOST webhooks."""

    status = 409
    code = "too_many_webhooks"

    def __init__(self) -> None:
        super().__init__(f"You have {MOST} webhooks. Delete one first.", most=MOST)


class DuplicateAddress(InvalidInput):
    """The account has a webhook at this address."""

    path = ("url",)

    def __init__(self) -> None:
        super().__init__("You have a webhook at this address already.")


class RolledLately(DomainError):
    """The secret before the present one still signs: another one would replace it too early."""

    status = 409
    code = "rolled_lately"

    def __init__(self, endpoint: WebhookEndpoint) -> None:
        assert endpoint.former_until
        super().__init__(
            "The secret was changed less than 24 hours ago, and the one before it still signs. "
            "End that one to have another.",
            formerUntil=endpoint.former_until.isoformat(),
        )


class WebhookOff(DomainError):
    """Nothing is sent to a webhook that is off."""

    status = 409
    code = "webhook_off"

    def __init__(self) -> None:
        super().__init__("This webhook is off. Turn it on first.")


class TooManyByHand(TooManyRequests):
    """BY_HAND_PER_HOUR were sent by hand."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        message = f"You sent {BY_HAND_PER_HOUR} by hand in an hour. Try again in {minutes} minutes."
        super().__init__(message, retry_seconds=seconds)


class WithSecret(NamedTuple):
    """A webhook with its new secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def endpoints_of(*, account_id: int) -> QuerySet[WebhookEndpoint]:
    """The webhooks of an account, oldest first."""
    return WebhookEndpoint.objects.filter(account_id=account_id).order_by("created_at", "pk")


def attempts_of(endpoint: WebhookEndpoint) -> QuerySet[WebhookAttempt]:
    """What was sent to a webhook in the last 30 days, and what is to be sent."""
    return WebhookAttempt.objects.filter(endpoint=endpoint).select_related("message")


def add_endpoint(*, account_id: int, url: str, description: str = "") -> WithSecret:
    """Adds a webhook. Raises AddressRefused, DuplicateAddress, TooManyEndpoints, TooManyByHand."""
    _limit(account_id)
    address = check(url)
    secret = _new_secret()
    with transaction.atomic():
        # Locked, so that two at once are counted one after the other.
        Account.objects.select_for_update(no_key=True).get(pk=account_id)
        mine = endpoints_of(account_id=account_id)
        if mine.filter(url=address).exists():
            raise DuplicateAddress
        if mine.count() >= MOST:
            raise TooManyEndpoints
        endpoint = WebhookEndpoint.objects.create(
            account_id=account_id, url=address, description=description, secret=encrypt(secret)
        )
    return WithSecret(endpoint, secret)


def change_endpoint(*, endpoint_id: UUID, **values: Any) -> WebhookEndpoint:
    """Changes `url`, `description` or `active`. What was not sent while it was off is sent when it
    is turned on. Raises AddressRefused, DuplicateAddress, TooManyByHand, and DoesNotExist if it was
    deleted."""
    if "url" in values:
        _limit(WebhookEndpoint.objects.get(pk=endpoint_id).account_id)
        values["url"] = check(values["url"])
    if "active" in values:
        on = values["active"]
        values |= {"disabled_reason": Reason.NONE if on else Reason.BY_USER, "failing_since": None}
    try:
        with transaction.atomic():
            endpoint = _locked(endpoint_id)
            for name, value in values.items():
                setattr(endpoint, name, value)
            endpoint.save(update_fields=list(values))
            if endpoint.active:
                send_soon()
    except IntegrityError:
        raise DuplicateAddress from None
    return endpoint


@transaction.atomic
def roll_secret(*, endpoint_id: UUID, end_former: bool = False) -> WithSecret:
    """A new secret. The present one signs too for FORMER_SECRET_KEPT, so that the receiver can be
    changed meanwhile; with `end_former` it does not, nor does the one before. Raises
    RolledLately."""
    endpoint, now, secret = _locked(endpoint_id), database_time(), _new_secret()
    if not end_former and endpoint.former_until and endpoint.former_until > now:
        raise RolledLately(endpoint)
    # One that cannot be read any more signs nothing.
    keeps = not end_former and endpoint.disabled_reason != Reason.SECRET_LOST
    endpoint.former_secret = endpoint.secret if keeps else ""
    endpoint.former_until = now + FORMER_SECRET_KEPT if keeps else None
    endpoint.secret = encrypt(secret)
    if endpoint.disabled_reason == Reason.SECRET_LOST:
        endpoint.active, endpoint.disabled_reason = True, Reason.NONE
    endpoint.save()
    return WithSecret(endpoint, secret)


def delete_endpoint(*, endpoint_id: UUID) -> None:
    """Deletes a webhook with its attempts; one that is being made ends without a record."""
    WebhookEndpoint.objects.filter(pk=endpoint_id).delete()


def delete_all(*, user_id: int, **_: Any) -> None:
    """Receiver of `account_closed`: deletes webhooks and messages."""
    WebhookEndpoint.objects.filter(account_id=user_id).delete()
    WebhookMessage.objects.filter(account_id=user_id).delete()


def send_test(*, endpoint: WebhookEndpoint) -> WebhookMessage:
    """Has a test message sent to this webhook alone. Raises WebhookOff, TooManyByHand."""
    if not endpoint.active:
        raise WebhookOff
    _limit(endpoint.account_id)
    with transaction.atomic():
        message = WebhookMessage.objects.create(
            account_id=endpoint.account_id,
            kind=TEST,
            key=f"test:{uuid4()}",
            payload={"webhook": str(endpoint.pk)},
        )
        send_to(message, [endpoint])
    return message


def send_again(*, attempt: WebhookAttempt) -> WebhookAttempt:
    """Has the message of an attempt sent again now, with the same id: one that still waits is due
    at once. Raises WebhookOff, TooManyByHand, and DoesNotExist if the webhook was deleted."""
    _limit(attempt.endpoint.account_id)
    with transaction.atomic():
        endpoint, now = _locked(attempt.endpoint_id), database_time()
        if not endpoint.active:
            raise WebhookOff
        same = WebhookAttempt.objects.filter(message=attempt.message_id, endpoint=endpoint)
        waiting = same.filter(ended_at=None).first()
        if waiting is None:
            last = same.aggregate(last=Max("number"))["last"] or 0
            waiting = WebhookAttempt(
                message_id=attempt.message_id, endpoint=endpoint, number=last + 1
            )
        waiting.due_at = now
        waiting.save()
        send_soon()
    return waiting


def _locked(endpoint_id: UUID) -> WebhookEndpoint:
    return WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)


def _limit(account_id: int) -> None:
    """Raises TooManyByHand."""
    key, window = f"webhooks:{account_id}", rate_limits.LONGEST
    if seconds := rate_limits.take(key, limit=BY_HAND_PER_HOUR, window=window):
        raise TooManyByHand(seconds)


def _new_secret() -> str:
    """As Standard Webhooks has it: 24 to 64 random bytes in Base64."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()
