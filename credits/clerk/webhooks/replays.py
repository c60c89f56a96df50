"""Replaying deliveries, recorded before and after, because each delivery is a transaction of its
own: on the page some at a time, so that no request waits long; by a command all at once."""

from typing import NamedTuple

from django.db.models import Q, QuerySet, TextChoices

from credits import audit
from credits.clerk.webhooks.inbox import ProcessingFailed, process
from credits.models import User, WebhookDelivery

#: Deliveries that one request replays; each takes some hundredths of a second.
BATCH = 100

#: Its handler failed: the first time, or when it was replayed.
FAILED = ~Q(error="")
#: Not processed, and no error: it is being worked on, or that process was killed.
WAITING = Q(processed_at__isnull=True, error="")
UNMAPPED = Q(unmapped=True, error="")


class Which(TextChoices):
    """Deliveries that are replayed together."""

    FAILED = "failed", "failed"
    UNMAPPED = "unmapped", "unmapped"


class Batch(NamedTuple):
    """The counts; the next batch begins after the id `after`, None after the last."""

    processed: int
    failed: int
    after: int | None


def deliveries(which: str) -> QuerySet[WebhookDelivery]:
    """Oldest first. Replaying a waiting one that is being processed waits for that."""
    chosen = UNMAPPED if which == Which.UNMAPPED else FAILED | WAITING
    return WebhookDelivery.objects.filter(chosen).order_by("pk")


def replay_some(*, actor: User, which: Which, after: int, up_to: int) -> Batch:
    """The next BATCH from `after` to `up_to`: none that failed again or is new."""
    rows = deliveries(which).filter(pk__gt=after, pk__lte=up_to)
    ids = list(rows.values_list("pk", flat=True)[: BATCH + 1])
    batch = _replay(actor, which.label, ids[:BATCH])
    return batch._replace(after=ids[BATCH - 1]) if len(ids) > BATCH else batch


def replay_all(*, what: str, chosen: QuerySet[WebhookDelivery]) -> Batch:
    """All of these, for the command; `what` names them in the audit entry."""
    return _replay(None, what, list(chosen.order_by("pk").values_list("pk", flat=True)))


def replay_one(*, actor: User, delivery: WebhookDelivery) -> bool:
    """Whether it was processed."""
    return _replay(actor, delivery.type, [delivery.pk], single=True).processed == 1


def _replay(actor: User | None, what: str, ids: list[int], *, single: bool = False) -> Batch:
    """Processes these again, oldest first; one that fails does not stop the others."""
    if not ids:
        return Batch(0, 0, None)
    target = f"delivery {ids[0]} ({what})" if single else f"{what} deliveries {ids[0]} to {ids[-1]}"
    # First, and committed: if this process is killed halfway, it still says who began it.
    before, failed = {"deliveries": len(ids)}, list[int]()
    audit.record(actor=actor, action="webhook.replay", target=target, after=before)
    for delivery_id in ids:
        try:
            process(delivery_id, again=True)
        except ProcessingFailed:
            failed.append(delivery_id)
    after = {"processed": len(ids) - len(failed), "failed": failed}
    audit.record(actor=actor, action="webhook.replayed", target=target, after=after)
    return Batch(len(ids) - len(failed), len(failed), None)
