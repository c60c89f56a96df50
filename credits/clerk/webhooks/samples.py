"""Events in Clerk's documented shapes, to try a site with (`manage.py send_sample_webhook`)."""

from credits.clerk.billing.projection import add_months
from credits.clerk.parsing import Json

ACTIONS = {
    "user": "created updated deleted",
    "session": "ended removed revoked",
    "subscriptionItem": "active updated canceled ended pastDue upcoming incomplete abandoned "
    "freeTrialEnding",
    "subscription": "created updated active pastDue",
    "paymentAttempt": "created updated",
}
TYPES = [f"{family}.{action}" for family in ACTIONS for action in ACTIONS[family].split()]
#: The status of items and subscriptions after an action of another name.
STATUSES = {
    "created": "active",
    "updated": "active",
    "freeTrialEnding": "active",
    "pastDue": "past_due",
}
NAME = {"first_name": "Sample", "last_name": "User"}


def sample_event(kind: str, *, instance_id: str, user_id: str, plan_id: str, now: int) -> Json:
    """An event of one of TYPES about this user and plan; `now` in milliseconds."""
    family, _, action = kind.partition(".")
    status = STATUSES.get(action, action)
    match family:
        case "user":
            data = _user(action, user_id, now)
        case "session":
            data = {"object": "session", "id": "sess_sample", "user_id": user_id}
        case "subscriptionItem":
            data = _item(status, user_id, plan_id, now)
        case "subscription":
            data = {
                "object": "commerce_subscription",
                "id": f"csub_{user_id}",
                "status": status,
                "payer": _payer(user_id),
                "items": [_item(status, user_id, plan_id, now)],
            }
        case _:
            data = _payment(action, user_id, now)
    return {
        "object": "event",
        "type": kind,
        "instance_id": instance_id,
        "timestamp": now,
        "event_attributes": {"http_request": {"client_ip": "192.0.2.1", "user_agent": "sample"}},
        "data": data,
    }


def _user(action: str, user_id: str, now: int) -> Json:
    if action == "deleted":
        return {"object": "user", "id": user_id, "deleted": True}
    address = {
        "id": "idn_sample",
        "object": "email_address",
        "email_address": f"{user_id}@example.com",
        "verification": {"status": "verified"},
    }
    return {
        **NAME,
        "object": "user",
        "id": user_id,
        "primary_email_address_id": "idn_sample",
        "email_addresses": [address],
        "banned": False,
        "locked": False,
        "created_at": now,
        "updated_at": now,
    }


def _payer(user_id: str) -> Json:
    return {
        "object": "commerce_payer",
        "id": f"cpayer_{user_id}",
        "user_id": user_id,
        **NAME,
        "email": f"{user_id}@example.com",
        "organization_id": "",
    }


def _item(status: str, user_id: str, plan_id: str, now: int) -> Json:
    return {
        "object": "subscription_item",
        "id": f"csub_item_{user_id}"[:64],
        "status": status,
        "is_free_trial": False,
        "created_at": now,
        "updated_at": now,
        "period_start": now,
        "period_end": None if status == "ended" else add_months(now, 1),
        "interval": "month",
        "plan_id": plan_id,
        "plan": {"id": plan_id, "slug": "sample", "name": "Sample", "amount": 2000},
        "payer": _payer(user_id),
        "subscription_id": f"csub_{user_id}",
    }


def _payment(action: str, user_id: str, now: int) -> Json:
    paid = action == "updated"
    return {
        "id": "pa_sample",
        "payment_id": f"cpa_{now}",
        "status": "paid" if paid else "pending",
        "created_at": now,
        "updated_at": now,
        "paid_at": now if paid else None,
        "charge_type": "recurring",
        "payer": _payer(user_id),
        "totals": {"grand_total": {"amount": 2000, "currency": "USD"}},
        "subscription_items": [],
    }
