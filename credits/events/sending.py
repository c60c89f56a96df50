"""Sending what is due. The row of an attempt is what is still to be sent, and an endpoint is
claimed for a while by whoever sends to it: a worker that is killed loses nothing, and what it may
have sent is sent again with the same id. Threads make the calls, at most AT_ONCE and one for each
endpoint, so that a slow one holds nobody up; they need no database."""

import json
import random
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.urls import reverse
from standardwebhooks import Webhook

from credits.events.announcing import send_soon
from credits.events.calls import Call, Outcome, post
from credits.events.encryption import Unreadable, decrypt
from credits.kernel import database_time
from credits.models import User, WebhookAttempt, WebhookEndpoint, WebhookMessage
from credits.users.letters import send_later

#: Calls at once, and how many of them may be to endpoints whose last attempt failed: slow receivers
#: must not keep the others waiting.
AT_ONCE, FAILING_AT_ONCE = 32, 16
#: For which an endpoint is claimed: longer than any call.
CLAIM = timedelta(minutes=2)
#: Seconds after which a run takes up nothing more, so that a worker can be stopped.
RUN_SECONDS = 30
#: Pauses in seconds after the first attempt, the second, … that failed.
PAUSES = [5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20))]
#: An endpoint that answered nothing well for so long is turned off.
FAILING = timedelta(days=3)
MESSAGE_KEPT = timedelta(days=30)

CLAIM_DUE = """
WITH due AS (
    SELECT DISTINCT ON (endpoint_id) endpoint_id, id, due_at FROM credits_webhookattempt
    WHERE ended_at IS NULL AND due_at <= credits_now()
    ORDER BY endpoint_id, due_at, id
), free AS (
    SELECT e.id, due.id AS attempt_id FROM due
    JOIN credits_webhookendpoint e ON e.id = due.endpoint_id
    WHERE e.active AND (e.failing_since IS NOT NULL) = %(failing)s
    AND (e.claimed_until IS NULL OR e.claimed_until < credits_now())
    ORDER BY due.due_at LIMIT %(at_most)s
    FOR NO KEY UPDATE OF e SKIP LOCKED
)
UPDATE credits_webhookendpoint e SET claimed_until = credits_now() + %(claim)s
FROM free WHERE e.id = free.id
RETURNING free.attempt_id
"""

Reason = WebhookEndpoint.DisabledReason

_wanted, _sending = threading.Event(), threading.Lock()


def send_due() -> None:
    """Sends all that is due. Where this process does so already, that run takes up what is new: a
    worker has few places for jobs, and slow endpoints must not fill them."""
    _wanted.set()
    while _wanted.is_set() and _sending.acquire(blocking=False):
        try:
            _wanted.clear()
            _run()
        finally:
            _sending.release()


def _run() -> None:
    end = time.monotonic() + RUN_SECONDS
    calls: dict[Future[Outcome], WebhookAttempt] = {}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while True:
            for attempt in _claim_some(calls.values()) if time.monotonic() < end else []:
                if call := _call_of(attempt):
                    calls[threads.submit(post, call)] = attempt
            if not calls:
                break
            done, _ = wait(calls, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                _record(calls.pop(future), future.result())
    if time.monotonic() >= end:
        send_soon()


def _claim_some(current: Collection[WebhookAttempt]) -> list[WebhookAttempt]:
    """What can be sent beside the `current` calls, endpoints that answered lately first."""
    well = _claim(AT_ONCE - len(current))
    failing = sum(1 for attempt in current if attempt.endpoint.failing_since)
    room = min(AT_ONCE - len(current) - len(well), FAILING_AT_ONCE - failing)
    return [*well, *_claim(room, failing=True)]


def _claim(at_most: int, *, failing: bool = False) -> list[WebhookAttempt]:
    """Attempts that are due, one of each endpoint, which is claimed for this process: of endpoints
    whose last attempt failed, or of the others."""
    if at_most <= 0:
        return []
    values: dict[str, Any] = {"at_most": at_most, "claim": CLAIM, "failing": failing}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_DUE, values)
        ids = [key for (key,) in cursor.fetchall()]
    # Read anew: another worker may have ended one between the statement's look and its claim.
    rows = WebhookAttempt.objects.filter(pk__in=ids).select_related("message", "endpoint")
    for row in rows:
        if row.ended_at:
            _release(row)
    return [row for row in rows if row.ended_at is None]


def _release(attempt: WebhookAttempt) -> bool:
    """Ends the claim with which this attempt was taken up, unless it is another worker's now."""
    mine = WebhookEndpoint.objects.filter(
        pk=attempt.endpoint_id, claimed_until=attempt.endpoint.claimed_until
    )
    return bool(mine.update(claimed_until=None))


def _call_of(attempt: WebhookAttempt) -> Call | None:
    """The request, signed now; None where the secret cannot be read, and the endpoint is off."""
    message, endpoint, now = attempt.message, attempt.endpoint, datetime.now(UTC)
    body = body_of(message)
    try:
        signed = [
            Webhook(secret).sign(message.public_id, now, body) for secret in _secrets(endpoint)
        ]
    except Unreadable:
        with transaction.atomic():
            _release(attempt)
            _disable(endpoint, Reason.SECRET_LOST)
        return None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Tally-Webhooks",
        "webhook-id": message.public_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }
    return Call(endpoint.url, headers, body.encode())


def body_of(message: WebhookMessage) -> str:
    """The body, the same in every attempt."""
    at = message.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"type": message.kind, "timestamp": at, "data": message.payload})


def _secrets(endpoint: WebhookEndpoint) -> Iterator[str]:
    """The secrets that sign now, the present one first. Raises Unreadable."""
    yield decrypt(endpoint.secret)
    if endpoint.former_until and endpoint.former_until > database_time():
        yield decrypt(endpoint.former_secret)


@transaction.atomic
def _record(attempt: WebhookAttempt, outcome: Outcome) -> None:
    """Writes down how an attempt ended, once, and what follows of it."""
    rows = WebhookEndpoint.objects.select_for_update(no_key=True)
    endpoint = rows.filter(pk=attempt.endpoint_id).first()
    if endpoint is None:
        return  # Deleted meanwhile.
    _release(attempt)
    now = database_time()
    open_rows = WebhookAttempt.objects.filter(pk=attempt.pk, ended_at=None)
    if not open_rows.update(ended_at=now, **outcome._asdict()):
        return  # This claim was over, and another worker has recorded its own.
    since = (endpoint.failing_since or now) if outcome.failure else None
    if since != endpoint.failing_since:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=since)
    if outcome.status == 410:
        _disable(endpoint, Reason.GONE)
    elif since and since <= now - FAILING:
        _disable(endpoint, Reason.FAILING)
    elif since and attempt.number <= len(PAUSES):
        _try_later(attempt, now)


def _try_later(attempt: WebhookAttempt, now: datetime) -> None:
    # Jitter: endpoints of one server that was down do not all come back at one moment.
    pause = PAUSES[attempt.number - 1] * random.uniform(0.9, 1.1)  # noqa: S311
    WebhookAttempt.objects.create(
        message_id=attempt.message_id,
        endpoint_id=attempt.endpoint_id,
        number=attempt.number + 1,
        due_at=now + timedelta(seconds=pause),
    )
    if pause < 60:  # Later ones are found by the look of each minute.
        send_soon(seconds=pause)


def _disable(endpoint: WebhookEndpoint, reason: WebhookEndpoint.DisabledReason) -> None:
    """Turns an endpoint off, and notifies its owner by mail. What waits is sent when it is turned
    on again."""
    active = WebhookEndpoint.objects.filter(pk=endpoint.pk, active=True)
    owner = User.objects.filter(pk=endpoint.account_id, is_active=True).first()
    if active.update(active=False, disabled_reason=reason) and owner:
        text = f"your webhook at {endpoint.host} was turned off. {reason.label}."
        path = reverse("webhook", args=[endpoint.pk])
        context = {"text": text, "path": path}
        subject = "Your webhook was turned off"
        send_later(template="alert.txt", subject=subject, user=owner, context=context)


def forget() -> int:
    """Deletes messages older than MESSAGE_KEPT, with their attempts; how many."""
    old = WebhookMessage.objects.filter(created_at__lt=database_time() - MESSAGE_KEPT)
    deleted, _ = old.delete()
    return deleted
