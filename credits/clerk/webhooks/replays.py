"""Replaying deliveries, recorded before and after, because each delivery is a transaction
of its own: at the desk some at a time, so that no request waits long; by a command all at once."""

from typing import NamedTuple

from django.db.models import Q, QuerySet, TextChoices

from credits import audit
from credits.clerk.webhooks.inbox import replay
from credits.models import User, WebhookDelivery

#: Deliveries that one request replays; each takes some hundredths of a second.
BATCH = 100

#: Its handler failed: the first time, or when it was replayed.
FAILED = ~Q(error="")
#: Not processed, and no error: it is being worked on, or that process was killed.
WAITING = Q(processed_at__isnull=True, error="")
UNMAPPED = Q(unmapped=True, error="")


class Which(TextChoices):
    """What is replayed together."""

    FAILED = "failed", "failed"
    UNMAPPED = "unmapped", "unmapped"


class Batch(NamedTuple):
    """How it went; `after` is where the next batch begins, None when this was the last."""

    processed: int
    failed: int
    after: int | None


def deliveries(which: str) -> QuerySet[WebhookDelivery]:
    """Everything that is replayed together, oldest first. What waits counts as failed: replaying
    what is being worked on waits for it."""
    chosen = UNMAPPED if which == Which.UNMAPPED else FAILED | WAITING
    return WebhookDelivery.objects.filter(chosen).order_by("pk")


def replay_some(*, actor: User, which: Which, after: int, up_to: int) -> Batch:
    """The next BATCH deliveries behind `after`, none newer than `up_to`: what failed again, or came
    in meanwhile, is not replayed twice."""
    ids = list(
        deliveries(which)
        .filter(pk__gt=after, pk__lte=up_to)
        .values_list("pk", flat=True)[: BATCH + 1]
    )
    more, ids = len(ids) > BATCH, ids[:BATCH]
    if not ids:
        return Batch(0, 0, None)
    processed, failed = _replay(actor, f"{which.label} deliveries {ids[0]} to {ids[-1]}", ids)
    return Batch(processed, failed, ids[-1] if more else None)


def replay_all(*, what: str, chosen: QuerySet[WebhookDelivery]) -> Batch:
    """All of these, for the command; `what` names them in the audit entry."""
    ids = list(chosen.order_by("pk").values_list("pk", flat=True))
    if not ids:
        return Batch(0, 0, None)
    return Batch(*_replay(None, f"{what} deliveries {ids[0]} to {ids[-1]}", ids), None)


def replay_one(*, actor: User, delivery: WebhookDelivery) -> bool:
    """Whether it was processed."""
    return _replay(actor, f"delivery {delivery.pk} ({delivery.type})", [delivery.pk])[0] == 1


def _replay(actor: User | None, target: str, ids: list[int]) -> tuple[int, int]:
    # First, and for good: if this process is killed halfway, it still says who began it.
    audit.record(
        actor=actor, action="webhook.replay", target=target, after={"deliveries": len(ids)}
    )
    outcome = replay(ids)
    audit.record(
        actor=actor,
        action="webhook.replayed",
        target=target,
        after={"processed": len(outcome.processed), "failed": outcome.failed},
    )
    return len(outcome.processed), len(outcome.failed)
