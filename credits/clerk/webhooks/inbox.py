"""The inbox: each delivery is stored once, and processed in a transaction of its own; a failure is
kept with its error for Clerk's next try or a replay. Payloads hold names and addresses, so they are
emptied in time; the row stays, so that a repeated message is recognised."""

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from config.errors import DomainError, error_text
from credits.clerk.billing.projection import milliseconds
from credits.clerk.changes import ORDER, Change, Note
from credits.clerk.parsing import Json
from credits.clerk.webhooks import handlers
from credits.models import WebhookDelivery

logger = logging.getLogger(__name__)

ERROR_LENGTH = 1000
#: Longer than any handler needs, shorter than the 15 seconds after which Svix gives up.
WAIT_FOR_LOCKS = "10s"
#: Payloads that one statement empties: short enough for deliveries to wait for.
EMPTIED_AT_ONCE = 1000


class ProcessingFailed(DomainError):
    """The handler failed, and only its error was kept. Clerk repeats on a 500."""

    status = 500
    code = "processing_failed"

    def __init__(self) -> None:
        super().__init__("Stored, but not processed.")


def receive(*, svix_id: str, payload: Json) -> WebhookDelivery:
    """Stores and processes a verified delivery, each once. Raises ProcessingFailed."""
    event = handlers.read_event(payload, received_ms=milliseconds(datetime.now(UTC)))
    payer = handlers.payer_of(event)
    row = WebhookDelivery(
        svix_id=svix_id, type=event.type, payload=payload, payer_kind=payer.kind, payer_id=payer.id
    )
    WebhookDelivery.objects.bulk_create([row], ignore_conflicts=True)
    return process(WebhookDelivery.objects.only("pk").get(svix_id=svix_id).pk)


def process(delivery_id: int, *, again: bool = False) -> WebhookDelivery:
    """Processes a delivery once, or `again`. Raises ProcessingFailed."""
    try:
        return _process(delivery_id, again=again)
    except OperationalError:
        raise  # The database did not answer: no place for the error. 503, and Clerk retries.
    except Exception as error:
        WebhookDelivery.objects.filter(pk=delivery_id).update(
            attempts=F("attempts") + 1, error=error_text(error)[:ERROR_LENGTH]
        )
        logger.exception("Webhook delivery %d failed", delivery_id)
        raise ProcessingFailed from error


@transaction.atomic
def _process(delivery_id: int, *, again: bool) -> WebhookDelivery:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_FOR_LOCKS}'")
    # The same message, delivered at the same time, waits here and finds it processed.
    delivery = WebhookDelivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.forgotten or (delivery.processed_at and not again):
        return delivery
    event = handlers.read_event(delivery.payload, received_ms=milliseconds(delivery.received_at))
    result = handlers.handle(event)
    if result.note:
        logger.warning("Webhook delivery %d (%s): %s", delivery.pk, delivery.type, result.note)
    WebhookDelivery.objects.filter(pk=delivery_id).update(
        processed_at=Now(),
        attempts=F("attempts") + 1,
        error="",
        note=result.note,
        unmapped=result.note == Note.UNMAPPED_PLAN,
        effects=[*(delivery.effects or []), *_effects(result.changes)],
    )
    if event.type == "user.deleted" or result.note == Note.DELETED_USER:
        # After the commit: deliveries of theirs that are being replayed wait for this one's lock.
        transaction.on_commit(partial(empty_payloads_of, delivery.payer_id), robust=True)
    delivery.refresh_from_db()
    return delivery


def _effects(changes: list[Change]) -> list[dict[str, Any]]:
    if not changes:
        return []
    changes = sorted(changes, key=lambda change: ORDER.index(change["what"]))
    return [{"at": datetime.now(UTC).isoformat(), "changes": changes}]


def empty_old_payloads() -> int:
    """Empties settled, mapped payloads older than INBOX_PAYLOAD_DAYS; how many."""
    before = timezone.now() - timedelta(days=settings.INBOX_PAYLOAD_DAYS)
    return _empty(received_at__lt=before, unmapped=False)


def empty_payloads_of(payer_id: str) -> int:
    """Empties the settled payloads about a deleted user, also unmapped; how many."""
    return _empty(payer_id=payer_id) if payer_id else 0


def erase_payloads_of(payer_id: str) -> int:
    """Empties every payload about a user whose account is closed, also those that failed: there is
    nothing left that they could change. Returns how many."""
    rows = WebhookDelivery.objects.filter(payer_id=payer_id, forgotten=False).exclude(payload={})
    settled = {"processed_at": Coalesce("processed_at", Now()), "error": "", "unmapped": False}
    return rows.update(payload={}, forgotten=True, **settled)


def _empty(**chosen: Any) -> int:
    """Settled are deliveries that were processed, and did not fail in a later replay."""
    done, settled = 0, {"forgotten": False, "processed_at__isnull": False, "error": ""}
    deliveries = WebhookDelivery.objects.filter(**settled, **chosen).order_by("pk")
    while ids := list(deliveries.values_list("pk", flat=True)[:EMPTIED_AT_ONCE]):
        rows = WebhookDelivery.objects.filter(pk__in=ids)
        done += rows.update(payload={}, forgotten=True, unmapped=False)
    return done
