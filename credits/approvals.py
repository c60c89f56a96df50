"""Approval by a second admin. Every service by which admins move credits, on a page, through the
API or by a command, is decorated with `asks`: it does its work, and the credits that it recorded
(`credits.audit.record`) are added to those which the same admin has moved alone in the last 24
hours. Above ADJUSTMENT_APPROVAL_CREDITS all of it is rolled back, and kept as a request that
another admin approves or declines."""

import inspect
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, Protocol, cast
from uuid import uuid4

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Now

from config.errors import DomainError
from credits import audit
from credits.audit import Movement, moving
from credits.exceptions import IdempotencyConflict, LedgerError, OwnAccount, SecondAdminNeeded
from credits.models import Approval, AuditEntry, SyncJob, User
from credits.roles import is_admin

Kind = Approval.Kind
State = Approval.State

#: The sliding window in which the credits that an admin moved alone are summed.
WINDOW = timedelta(hours=24)
#: Arguments of services that have a column of a request; the others are its `arguments`.
COLUMNS = {
    "user_id": "account_id",
    "delta": "delta",
    "target": "target",
    "seen": "balance_then",
    "reason": "reason",
    "key": "key",
}
#: The services by the kind of request, each with all its arguments keyword-only.
_services: dict[str, Callable[..., Any]] = {}


class ApprovalPending(DomainError):
    """Nothing was changed: `approval` is the request to a second admin, or an earlier request with
    the same key, with its state."""

    status = 202
    code = "approval_pending"

    def __init__(self, approval: Approval) -> None:
        if approval.is_pending:
            super().__init__("Nothing has moved yet: a second admin must approve it.")
        else:
            super().__init__(f"This was asked before, and {approval.state}.")
        self.approval = approval

    @property
    def body(self) -> dict[str, Any]:
        return self.approval.as_json


class AlreadyDecided(LedgerError):
    """The request was approved or declined before; a decision is final."""

    status = 409


class NotApproved(LedgerError):
    """The actor may not approve this request, or it is no longer the change that was requested."""

    status = 409


def moved_alone(actor: User | None) -> int:
    """Credits that an admin (None: commands that name none) has moved in the last 24 hours without
    a second one, in either direction, and those that a sync of theirs at work may still move."""
    entries = AuditEntry.objects.filter(
        actor=actor, approved_by=None, credits__gt=0, created_at__gt=Now() - WINDOW
    )
    at_work = Q(state__in=[SyncJob.State.QUEUED, SyncJob.State.RUNNING])
    syncs = SyncJob.objects.filter(at_work, started_by=actor, approval=None)
    moved = entries.aggregate(moved=Sum("credits"))["moved"] or 0
    return int(moved + (syncs.aggregate(moved=Sum("allowance"))["moved"] or 0))


def left_alone(actor: User | None) -> int:
    """Credits that an admin may still move alone now."""
    return max(settings.ADJUSTMENT_APPROVAL_CREDITS - moved_alone(actor), 0)


class _Decorator(Protocol):
    def __call__[**P, R](self, service: Callable[P, R], /) -> Callable[P, R]: ...


type Pin = Callable[[dict[str, Any], Any], dict[str, Any]]


def asks(kind: Kind, *, pin: Pin | None = None) -> _Decorator:
    """Decorates a service that moves credits for its `actor`, with keyword-only arguments that JSON
    can say. It is one transaction. Called by another such service it is a part of that one. `pin`
    takes its arguments and its result, and returns the arguments that the request has instead, so
    that what is approved is what was requested.

    The service then raises ApprovalPending when a second admin is to decide, SecondAdminNeeded
    when no admin is named (a command), and IdempotencyConflict when its `key` was for another
    change.
    """

    def decorate[**P, R](service: Callable[P, R]) -> Callable[P, R]:
        _services[kind] = service

        @wraps(service)
        def asking(*args: P.args, **kwargs: P.kwargs) -> R:
            if audit.movement.get():
                return service(*args, **kwargs)
            with transaction.atomic():
                done, waiting = _do_or_ask(kind, service, kwargs, pin)
            if waiting:  # Raised after the commit, which keeps it.
                raise ApprovalPending(waiting)
            return cast(R, done)

        return asking

    return decorate


def _do_or_ask(
    kind: Kind, service: Callable[..., Any], arguments: dict[str, Any], pin: Pin | None
) -> tuple[Any, Approval | None]:
    """The result of the service, or else the request that was made instead, now or earlier."""
    actor = arguments["actor"]
    _lock(actor)
    approval = _approval_of(kind, actor, arguments)
    if earlier := _earlier(approval):
        return None, earlier
    with transaction.atomic(), moving(Movement(actor)) as change:
        done = service(**arguments)
        moved = moved_alone(actor) if change.credits else 0
        # Only the service knows, under its locks, how much it moves: what is too much is undone.
        too_much = moved > settings.ADJUSTMENT_APPROVAL_CREDITS
        pinned = pin(arguments, done) if pin and too_much else {}
        transaction.set_rollback(too_much)
    if not too_much:
        return done, None
    approval = _approval_of(kind, actor, {**arguments, **pinned})
    approval.credits, approval.effects = change.credits, change.effects
    approval.moved_before = max(moved - change.credits, 0)
    return None, _ask(approval)


def _lock(actor: User | None) -> None:
    """Serialises the changes of one admin, so that each is in the sum of the next. Taken before any
    other lock (docs/ledger.md, Locks)."""
    with connection.cursor() as cursor:
        name = f"moves:{actor.pk if actor else 'command'}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [name])


def _approval_of(kind: Kind, actor: User | None, arguments: dict[str, Any]) -> Approval:
    """An unsaved request with these arguments."""
    rest = {name: arguments[name] for name in arguments.keys() - {"actor", *COLUMNS}}
    columns = {COLUMNS[name]: arguments[name] for name in arguments.keys() & COLUMNS.keys()}
    columns["reason"] = str(columns.get("reason", "")).strip()
    approval = Approval(kind=kind, asked_by=actor, **columns)
    approval.arguments = json.loads(json.dumps(rest, cls=DjangoJSONEncoder))
    return approval


def _earlier(approval: Approval) -> Approval | None:
    """The saved request with the same key. Raises IdempotencyConflict when that is for another
    change."""
    if not (approval.key and approval.asked_by_id):
        return None
    requests = Approval.objects.filter(asked_by=approval.asked_by_id, account=approval.account_id)
    earlier = requests.filter(key=approval.key).first()
    if earlier and not _is_same_change(earlier, approval):
        raise IdempotencyConflict("This idempotency key belongs to another change.")
    return earlier


def _is_same_change(earlier: Approval, approval: Approval) -> bool:
    """Whether both ask for the same change; arguments that were None may have been pinned."""
    names = ("kind", "delta", "target", "reason")
    if any(getattr(earlier, name) != getattr(approval, name) for name in names):
        return False
    pinned = earlier.arguments
    return all(value in {None, pinned[name]} for name, value in approval.arguments.items())


def _ask(approval: Approval) -> Approval:
    if not approval.asked_by_id:
        raise SecondAdminNeeded(
            f"This may move {approval.credits:,} credits, more than "
            f"{settings.ADJUSTMENT_APPROVAL_CREDITS:,} in a day without a second admin. "
            "Say which admin asks for it."
        )
    actor = approval.asked_by
    alike = Approval.objects.filter(
        asked_by=actor, state=State.PENDING, kind=approval.kind, arguments=approval.arguments
    )
    if not approval.key and (waiting := alike.first()):
        return waiting
    approval.key = approval.key or str(uuid4())
    approval.save(force_insert=True)
    _record(actor, "ask", approval, approval.effects)
    return approval


def waiting() -> QuerySet[Approval]:
    """The pending requests, the oldest first."""
    pending = Approval.objects.filter(state=State.PENDING)
    return pending.select_related("user", "asked_by").order_by("id")


@transaction.atomic
def approve(*, actor: User, request_id: int, seen: int | None = None) -> Any:
    """Makes the change that another admin requested, once, and returns the result of its service. A
    balance is not set from another one than `actor` was shown (`seen`), or else the requester was.

    Raises AlreadyDecided, NotApproved, OwnAccount, and whatever the service does.
    """
    approval = _pending(request_id)
    if not is_admin(approval.asked_by):
        raise NotApproved(f"{approval.asked_by} is no admin any more. Decline this.")
    if approval.asked_by_id == actor.pk:
        raise NotApproved("You asked for this yourself. It takes a second admin to approve it.")
    if approval.account_id == actor.pk:
        raise OwnAccount("This is your own account. It takes another admin to approve it.")
    approval.decided_by = actor
    with moving(Movement(approval.asked_by, approval)) as change:
        done = _services[approval.kind](**_arguments(approval, seen))
    if not change.credits:
        raise NotApproved("There is nothing left to change. Decline this.")
    if change.credits > approval.credits and not approval.is_adjustment:
        raise NotApproved(
            f"It would move {change.credits:,} credits now, and {approval.credits:,} were asked "
            "for. Decline this; it can be asked for anew."
        )
    approval.usage_id = change.usage_id
    _decide(approval, actor, State.APPROVED)
    _record(actor, "approve", approval, change.effects)
    return done


def _arguments(approval: Approval, seen: int | None) -> dict[str, Any]:
    """The keyword arguments of the service of a request."""
    names = inspect.signature(_services[approval.kind]).parameters
    columns = {name: getattr(approval, COLUMNS[name]) for name in COLUMNS if name in names}
    arguments = {**columns, **approval.arguments, "actor": approval.asked_by}
    return arguments if seen is None or "seen" not in names else {**arguments, "seen": seen}


@transaction.atomic
def decline(*, actor: User, request_id: int) -> Approval:
    """Declines a request; the admin who made it may do that too. Raises AlreadyDecided."""
    approval = _pending(request_id)
    _decide(approval, actor, State.DECLINED)
    _record(actor, "decline", approval)
    return approval


def _pending(request_id: int) -> Approval:
    """The request, locked before any balance (docs/ledger.md, Locks)."""
    rows = Approval.objects.select_related("asked_by", "decided_by")
    approval = rows.select_for_update(of=("self",)).get(pk=request_id)
    if not approval.is_pending:
        raise AlreadyDecided(f"{approval.decided_by} has {approval.state} this already.")
    return approval


def _decide(approval: Approval, actor: User, state: str) -> None:
    approval.state = state
    approval.decided_by = actor
    approval.decided_at = Now()
    approval.save(update_fields=["state", "decided_by", "decided_at", "usage"])


def _record(
    actor: User, what: str, approval: Approval, effects: Sequence[dict[str, Any]] = ()
) -> None:
    states: dict[str, Any] = {}
    if len(effects) == 1:
        states = {name: effects[0][name] for name in ("before", "after")}
    elif effects:
        states = {
            name: {str(effect["target"]): effect[name] for effect in effects}
            for name in ("before", "after")
        }
    audit.record(
        actor=actor,
        action=f"{approval.kind}.{what}",
        target=f"request {approval.pk}",
        user_id=approval.account_id,
        reason=approval.reason,
        **states,
    )
