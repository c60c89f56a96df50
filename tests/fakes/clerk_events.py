"""What Clerk sends about a payer: events in their documented shapes, and one whole life of them."""

import json
from copy import deepcopy
from itertools import count
from typing import Any

from tests.fakes.clerk import INSTANCE, FakeClerk, Json, user_json

DAY = 86_400_000
MONTH = 30 * DAY
PLANS = {
    "cplan_free": {"name": "Free", "amount": 0, "is_default": True},
    "cplan_pro": {"name": "Pro", "amount": 2000, "is_default": False},
    "cplan_max": {"name": "Max", "amount": 5000, "is_default": False},
}
_numbers = count(1)


def event(kind: str, data: Json, *, at: int, instance_id: str = INSTANCE) -> Json:
    return {
        "object": "event",
        "type": kind,
        "instance_id": instance_id,
        "timestamp": at,
        "event_attributes": {"http_request": {"client_ip": "192.0.2.1", "user_agent": "Mozilla"}},
        "data": data,
    }


def payer_json(user_id: str = "", organization_id: str = "") -> Json:
    return {
        "object": "commerce_payer",
        "id": f"cpayer_{user_id or organization_id}",
        "user_id": user_id,
        "first_name": "Test",
        "last_name": "User",
        "email": f"{user_id}@example.com",
        "organization_id": organization_id,
        "organization_name": "",
        "image_url": "https://img.clerk.com/xxxxxx",
    }


def plan_json(plan_id: str) -> Json:
    plan = PLANS.get(plan_id, {"name": plan_id, "amount": 1000, "is_default": False})
    return {
        "id": plan_id,
        "slug": plan_id.replace("cplan_", ""),
        "name": plan["name"],
        "is_recurring": bool(plan["amount"]),
        "amount": plan["amount"],
        "currency": "USD",
    }


def item_json(user_id: str, plan_id: str = "cplan_pro", **fields: Any) -> Json:
    """A subscription item as webhooks have it. Give `period_start` and `updated_at`."""
    start = fields.get("period_start", 0)
    return {
        "object": "subscription_item",
        # Of one width, so that they sort in the order of their making.
        "id": f"csub_item_{next(_numbers):06}",
        "status": "active",
        "is_free_trial": False,
        "created_at": start,
        "updated_at": start,
        "period_start": start,
        "period_end": start + MONTH,
        "interval": "month",
        "plan_id": plan_id,
        "plan": plan_json(plan_id) if plan_id else None,
        "payer": payer_json(user_id),
        "subscription_id": f"csub_{user_id}",
        **fields,
    }


def as_api(item: Json) -> Json:
    """The same item as the Backend API has it."""
    plan = item["plan"]
    fee = {"amount": plan["amount"], "currency": "USD"} if plan["amount"] else None
    return {
        **{k: v for k, v in item.items() if k not in {"interval", "plan", "subscription_id"}},
        "object": "commerce_subscription_item",
        "instance_id": INSTANCE,
        "plan_period": item["interval"],
        "payer_id": item["payer"]["id"],
        "canceled_at": None,
        "past_due_at": None,
        "ended_at": item["updated_at"] if item["status"] == "ended" else None,
        "plan": {
            "object": "commerce_plan",
            "id": plan["id"],
            "name": plan["name"],
            "slug": plan["slug"],
            "fee": fee,
            "is_default": plan["amount"] == 0,
            "for_payer_type": "user",
        },
    }


def payment_json(user_id: str, payment_id: str, *, at: int, status: str = "paid") -> Json:
    money = {"amount": 2000, "amount_formatted": "$20.00", "currency": "USD"}
    return {
        "id": f"pa_{payment_id}_{at}",
        "instance_id": INSTANCE,
        "payment_id": payment_id,
        "status": status,
        "created_at": at,
        "updated_at": at,
        "paid_at": at if status == "paid" else None,
        "failed_at": at if status == "failed" else None,
        "failed_reason": {"code": "card_declined", "decline_code": "generic"}
        if status == "failed"
        else None,
        "charge_type": "recurring",
        "payer": {k: v for k, v in payer_json(user_id).items() if not k.startswith("organi")},
        "totals": {"subtotal": money, "tax_total": money, "grand_total": money},
        "subscription_items": [],
    }


class History:
    """One payer's events in the order in which they happened, and how it stands at the end."""

    def __init__(self, user_id: str = "user_1") -> None:
        self.user_id = user_id
        self.events: list[tuple[str, Json]] = []
        self.items: dict[str, Json] = {}

    def add(self, kind: str, data: Json, *, at: int) -> None:
        number = len(self.events)
        self.events.append((f"msg_{self.user_id}_{number}", event(kind, deepcopy(data), at=at)))

    def item(self, kind: str, item: Json, *, at: int, **changes: Any) -> Json:
        """An item changes and `subscriptionItem.<kind>` tells it. What ended names no end."""
        item.update(changes, updated_at=at)
        self.items[item["id"]] = item
        data = {**item, "period_end": None} if kind == "ended" else item
        self.add(f"subscriptionItem.{kind}", data, at=at)
        return item

    def subscription(self, kind: str, *items: Json, at: int) -> None:
        bare = [
            {k: v for k, v in item.items() if k != "payer"} | {"subscription_id": None}
            for item in items
        ]
        data = {
            "object": "commerce_subscription",
            "id": f"csub_{self.user_id}",
            "status": "active",
            "payer": payer_json(self.user_id),
            "items": bare,
            "updated_at": at,
        }
        self.add(f"subscription.{kind}", data, at=at)

    def payment(self, payment_id: str, *, at: int, status: str = "paid") -> None:
        kind = "created" if status == "pending" else "updated"
        data = payment_json(self.user_id, payment_id, at=at, status=status)
        self.add(f"paymentAttempt.{kind}", data, at=at)

    def into(self, fake: FakeClerk) -> None:
        """Clerk's state when all of this has happened."""
        person = next(
            (e["data"] for _, e in reversed(self.events) if e["type"].startswith("user.")), None
        )
        if person:
            fake.users.append(person)
        fake.items.extend(as_api(item) for item in self.items.values())


def full_history(now: int, user_id: str = "user_1") -> History:
    """Sign-up, trial, purchase, renewal, upgrade, failed payment and recovery, cancel, end,
    re-subscription: the last period covers `now`."""
    history = History(user_id)
    at = now - 160 * DAY
    person = user_json(user_id, email=f"{user_id}@example.com", at=at)
    history.add("user.created", person, at=at)
    free = item_json(user_id, "cplan_free", period_start=at, period_end=None)
    history.subscription("created", free, at=at)
    history.items[free["id"]] = free

    at += DAY
    pro = item_json(
        user_id, period_start=at, period_end=at + 7 * DAY, is_free_trial=True, updated_at=at
    )
    history.item("active", pro, at=at)
    history.item("ended", free, at=at + 1, status="ended")
    history.item("freeTrialEnding", pro, at=at + 4 * DAY)

    at += 7 * DAY
    history.payment(f"cpa_{user_id}_1", at=at, status="pending")
    history.payment(f"cpa_{user_id}_1", at=at + 2)
    bought = {"is_free_trial": False, "period_start": at, "period_end": at + MONTH}
    history.item("updated", pro, at=at + 3, **bought)
    history.subscription("active", pro, at=at + 3)

    at += MONTH
    history.payment(f"cpa_{user_id}_2", at=at)
    history.item("updated", pro, at=at + 1, period_start=at, period_end=at + MONTH)

    at += 10 * DAY
    top = item_json(user_id, "cplan_max", period_start=at)
    history.item("active", top, at=at)
    history.item("ended", pro, at=at + 1, status="ended")

    at += MONTH
    history.payment(f"cpa_{user_id}_3", at=at, status="failed")
    late = {"period_start": at, "period_end": at + MONTH}
    history.item("pastDue", top, at=at + 1, status="past_due", **late)
    history.payment(f"cpa_{user_id}_3", at=at + 2 * DAY)
    history.item("active", top, at=at + 2 * DAY + 1, status="active")

    history.item("canceled", top, at=at + 5 * DAY, status="canceled")
    at += MONTH
    history.item("ended", top, at=at, status="ended")
    history.add("user.updated", {**person, "last_name": "Roe", "updated_at": at}, at=at)

    at = now - 5 * DAY
    again = item_json(user_id, period_start=at)
    history.item("active", again, at=at)
    history.subscription("updated", again, at=at)
    return history


def body_of(payload: Json) -> bytes:
    return json.dumps(payload).encode()
