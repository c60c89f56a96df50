"""Forgetting what deliveries said: their payloads hold names and addresses. What they changed is
in the rows they changed, and the row of the inbox stays, so that a message is still done once."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from credits.clerk.models import WebhookDelivery

#: Rows that one statement empties: short enough for deliveries to wait for.
AT_ONCE = 1000


def _dealt_with() -> QuerySet[WebhookDelivery]:
    """Deliveries that nobody needs to look at again: processed, and not since failed."""
    return WebhookDelivery.objects.filter(
        forgotten=False, processed_at__isnull=False, error=""
    ).order_by("pk")


def forget_old() -> int:
    """Empties payloads that were dealt with and are older than INBOX_PAYLOAD_DAYS; those of plans
    that nobody has mapped yet stay. Returns how many."""
    before = timezone.now() - timedelta(days=settings.INBOX_PAYLOAD_DAYS)
    return _forget(_dealt_with().filter(received_at__lt=before, unmapped=False))


def forget_person(payer: str) -> int:
    """Empties at once what was told of somebody who was deleted; nothing of theirs will be granted,
    so their unmapped plans wait for nothing."""
    return _forget(_dealt_with().filter(payer=payer)) if payer else 0


def _forget(chosen: QuerySet[WebhookDelivery]) -> int:
    done = 0
    while ids := list(chosen.values_list("pk", flat=True)[:AT_ONCE]):
        rows = WebhookDelivery.objects.filter(pk__in=ids)
        done += rows.update(payload={}, forgotten=True, unmapped=False)
    return done
