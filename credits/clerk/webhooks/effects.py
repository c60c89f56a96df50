"""What a delivery changed: found by looking at its payer before and after it was handled, under the
payer's lock, so that nothing else that Clerk tells can slip in between. Kept on the delivery."""

from dataclasses import dataclass, field
from typing import Any

from credits.clerk.identity import lock
from credits.clerk.models import Identity, Payment, SessionLink, SubscriptionItem
from credits.clerk.parsing import as_id, as_objects
from credits.clerk.webhooks.handlers import Event, payer_of
from credits.models import CreditGrant

type Change = dict[str, Any]

#: Of an account only that these changed is kept, not what they were: addresses are forgotten when
#: their owner is deleted.
ACCOUNT = ("name", "email", "is_active")
IDENTITY = ("email_verified", "banned", "deleted_at")
ITEM = ("status", "plan_id", "period_start", "period_end", "is_trial")
#: What Clerk's events bring in; everything else in a balance has other causes.
SOURCES = (CreditGrant.Source.PLAN, CreditGrant.Source.SIGNUP)


@dataclass
class Look:
    """How things stand that an event may change. Keys are ids."""

    user_id: int | None = None
    account: dict[str, Any] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: When each grant ends.
    grants: dict[int, str | None] = field(default_factory=dict)
    payments: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, bool] = field(default_factory=dict)


def look(event: Event) -> Look:
    """How it stands now with everything that this event may change. Takes the payer's lock, which
    its handler needs anyway; inside the delivery's transaction."""
    payer = payer_of(event)
    if payer:
        lock(payer)
    found = Look()
    if payer.startswith("user:"):
        _look_at_person(found, payer.removeprefix("user:"))
    _look_at_billing(found, event)
    return found


def _look_at_person(found: Look, clerk_id: str) -> None:
    identity = Identity.objects.select_related("user").filter(clerk_id=clerk_id).first()
    if identity is None:
        return
    found.account = {name: getattr(identity, name) for name in IDENTITY}
    if identity.user:
        found.user_id = identity.user.pk
        found.account |= {name: getattr(identity.user, name) for name in ACCOUNT}
        grants = CreditGrant.objects.filter(account_id=identity.user.pk, source__in=SOURCES)
        found.grants = {
            pk: ends.isoformat() if ends else None
            for pk, ends in grants.values_list("pk", "expires_at")
        }


def _look_at_billing(found: Look, event: Event) -> None:
    family, _, _ = event.type.partition(".")
    if family in {"subscription", "subscriptionItem"}:
        told = [event.data] if family == "subscriptionItem" else event.data.get("items")
        ids = [as_id(item.get("id")) for item in as_objects(told)]
        rows = SubscriptionItem.objects.filter(item_id__in=ids)
        found.items = {row.item_id: {name: getattr(row, name) for name in ITEM} for row in rows}
    elif family == "paymentAttempt":
        payments = Payment.objects.filter(payment_id=as_id(event.data.get("payment_id")))
        found.payments = dict(payments.values_list("payment_id", "status"))
    elif family == "session":
        links = SessionLink.objects.filter(sid=as_id(event.data.get("id")))
        found.sessions = {link.sid: link.ended_at is not None for link in links}


def changes(before: Look, after: Look) -> list[Change]:
    """What differs, as JSON, in the order in which people ask: account, state, credits."""
    return [
        *_account(before, after),
        *_states("item", before.items, after.items),
        *_states("payment", before.payments, after.payments),
        *({"what": "session", "id": sid} for sid, over in after.sessions.items()
          if over and not before.sessions.get(sid)),
        *({"what": "grant", "id": pk} for pk in sorted(after.grants.keys() - before.grants.keys())),
        *({"what": "end", "id": pk, "before": before.grants[pk], "after": ends}
          for pk, ends in after.grants.items()
          if pk in before.grants and before.grants[pk] != ends),
    ]  # fmt: skip


def _account(before: Look, after: Look) -> list[Change]:
    if before.account == after.account:
        return []
    fields = [name for name in after.account if before.account.get(name) != after.account[name]]
    if not before.account:
        done, fields = "created", []
    elif after.account.get("deleted_at") and not before.account.get("deleted_at"):
        done, fields = "deleted", []
    else:
        done = "updated"
    return [{"what": "account", "id": after.user_id, "done": done, "fields": fields}]


def _states(what: str, before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    return [
        {"what": what, "id": key, "before": before.get(key), "after": state}
        for key, state in after.items()
        if before.get(key) != state
    ]
