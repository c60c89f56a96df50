"""The flag on deliveries that named a plan which the catalogue did not have."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from credits.clerk.billing.projection import EARNING
from credits.clerk.models import WebhookDelivery
from credits.clerk.parsing import Json, as_object, as_objects, parse_item
from credits.models import Plan

#: A delivery may be processed while its plan is saved, and neither sees the other: the hourly task
#: looks at so many hours again.
LOOK_AGAIN = timedelta(days=1)


def unflag_plan(clerk_id: str) -> None:
    """A plan was mapped: deliveries that name it lose their flag, unless they wait for another."""
    by_id, by_plan = {"plan_id": clerk_id}, {"plan": {"id": clerk_id}}
    named = Q(payload__data__contains=by_id) | Q(payload__data__contains=by_plan)
    for item in (by_id, by_plan):
        named |= Q(payload__data__items__contains=[item])
    _unflag(WebhookDelivery.objects.filter(named))


def unflag_recent() -> None:
    """The same for every plan, among the deliveries of late."""
    _unflag(WebhookDelivery.objects.filter(received_at__gt=timezone.now() - LOOK_AGAIN))


def _unflag(deliveries: QuerySet[WebhookDelivery]) -> None:
    mapped = set(Plan.objects.filter(active=True).values_list("clerk_id", flat=True))
    rows = deliveries.filter(unmapped=True).values_list("pk", "payload")
    settled = [pk for pk, payload in rows.iterator() if _plans_of(payload) <= mapped]
    WebhookDelivery.objects.filter(pk__in=settled).update(unmapped=False)


def _plans_of(payload: Json) -> set[str]:
    """The plans by which a delivery's items earn something; "" where one names none."""
    data = as_object(payload.get("data"))
    told = as_objects(data.get("items")) or [data]
    items = [parse_item(item, payer="", instance_id="", seen=0) for item in told]
    return {item.plan_id for item in items if item.status in EARNING and not item.is_free}
