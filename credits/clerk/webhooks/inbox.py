"""The inbox: each delivery is stored once, processed in a transaction of its own, and marked only
when that commits. What fails stays, with its error, for Clerk's next try or a replay."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from config.errors import DomainError
from credits.clerk.billing.projection import milliseconds
from credits.clerk.models import WebhookDelivery
from credits.clerk.parsing import Json
from credits.clerk.webhooks import effects, handlers, retention

logger = logging.getLogger(__name__)

ERROR_LENGTH = 1000
#: Longer than any handler needs, shorter than the 15 seconds after which Svix gives up.
WAIT_FOR_LOCKS = "10s"


class ProcessingFailed(DomainError):
    """The handler failed; nothing of it was kept but the error on the delivery. 500 makes Clerk
    deliver it again."""

    status = 500
    code = "processing_failed"

    def __init__(self) -> None:
        super().__init__("Stored, but not processed.")


def receive(*, svix_id: str, payload: Json) -> WebhookDelivery:
    """Stores a verified delivery unless it is there, and processes it unless that was done.

    Raises ProcessingFailed.
    """
    event = handlers.read_event(payload, received_ms=milliseconds(datetime.now(UTC)))
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(
                svix_id=svix_id,
                type=event.type,
                payload=payload,
                payer=handlers.payer_of(event),
            )
        ],
        ignore_conflicts=True,
    )
    return process(WebhookDelivery.objects.only("pk").get(svix_id=svix_id).pk)


def process(delivery_id: int, *, again: bool = False) -> WebhookDelivery:
    """Processes a delivery once; `again` also when that was done before (which changes nothing that
    stands: replays are safe).

    Raises ProcessingFailed after keeping the error on the row.
    """
    try:
        return _process(delivery_id, again=again)
    except OperationalError:
        raise  # The database did not answer: no place for the error. 503, and Clerk retries.
    except Exception as error:
        WebhookDelivery.objects.filter(pk=delivery_id).update(
            attempts=F("attempts") + 1, error=f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
        )
        logger.exception("Webhook delivery %d failed", delivery_id)
        raise ProcessingFailed from error


@transaction.atomic
def _process(delivery_id: int, *, again: bool) -> WebhookDelivery:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_LOCKS}'")
    # Whoever delivers the same message meanwhile waits here, and finds it done.
    delivery = WebhookDelivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.forgotten or (delivery.processed_at and not again):
        return delivery
    received = milliseconds(delivery.received_at)
    event = handlers.read_event(delivery.payload, received_ms=received)
    before = effects.look(event)
    note = handlers.handle(event)
    changes = effects.changes(before, effects.look(event))
    if note:
        logger.warning("Webhook delivery %d (%s): %s", delivery.pk, delivery.type, note)
    WebhookDelivery.objects.filter(pk=delivery_id).update(
        processed_at=Now(),
        attempts=F("attempts") + 1,
        error="",
        note=note,
        unmapped=note == WebhookDelivery.Note.UNMAPPED_PLAN,
        effects=_told(delivery, changes),
    )
    if event.type == "user.deleted" or note == WebhookDelivery.Note.DELETED_USER:
        # Behind the commit: deliveries of theirs that are being replayed wait for this one's lock.
        forget = partial(retention.forget_person, delivery.payer)
        transaction.on_commit(forget, robust=True)
    delivery.refresh_from_db()
    return delivery


def _told(delivery: WebhookDelivery, changes: list[effects.Change]) -> list[dict[str, Any]]:
    """What the delivery has changed so far: a replay seldom adds anything."""
    told: list[dict[str, Any]] = delivery.effects or []
    return [*told, {"at": datetime.now(UTC).isoformat(), "changes": changes}] if changes else told


class Replay(NamedTuple):
    """How a replay went: ids that were processed, and ids that failed."""

    processed: list[int]
    failed: list[int]


def replay(delivery_ids: Iterable[int]) -> Replay:
    """Processes deliveries again, oldest first; one that fails does not stop the others."""
    outcome = Replay([], [])
    for delivery_id in sorted(delivery_ids):
        try:
            process(delivery_id, again=True)
        except ProcessingFailed:
            outcome.failed.append(delivery_id)
        else:
            outcome.processed.append(delivery_id)
    return outcome
