"""What one admin may move alone, and asking a second one for the rest. Every service by which
admins move credits, on a page, through the API or by a command, is decorated with `asks`: it does
its work, and the credits that it recorded (`credits.audit.record`) are added to those which the
same admin has moved alone in the last 24 hours. Above ADJUSTMENT_APPROVAL_CREDITS all of it is
taken back, and kept as a request that another admin approves or declines."""

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

#: For how long what an admin has moved alone is summed. It slides: midnight changes nothing.
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
    """Nothing was done: a second admin was asked, by `approval`. Or was asked before, and its state
    says how that went."""

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
    """Somebody has approved or declined this request; a decision is final."""

    status = 409


class NotApproved(LedgerError):
    """Only another admin may approve a request, and only what still is what was asked for."""

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
    """How many more they may move."""
    return max(settings.ADJUSTMENT_APPROVAL_CREDITS - moved_alone(actor), 0)


class _Decorator(Protocol):
    def __call__[**P, R](self, service: Callable[P, R], /) -> Callable[P, R]: ...


type Pin = Callable[[dict[str, Any], Any], dict[str, Any]]


def asks(kind: Kind, *, pin: Pin | None = None) -> _Decorator:
    """Decorates a service that moves credits for its `actor`, with keyword-only arguments that JSON
    can say. It is one transaction. Called by another such service it is a part of that one. `pin`
    says, from its arguments and what it returned, which of them a request has otherwise, so that
    what is approved is what was asked for.

    The service then raises ApprovalPending when a second admin is to decide, SecondAdminNeeded
    where there is nobody who asks, and IdempotencyConflict when its `key` was for something else.
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
    """What the service returned, or the request that waits (or waited) instead."""
    actor = arguments["actor"]
    _lock(actor)
    wanted = _request(kind, actor, arguments)
    if earlier := _earlier(wanted):
        return None, earlier
    with transaction.atomic(), moving(Movement(actor)) as change:
        done = service(**arguments)
        moved = moved_alone(actor) if change.credits else 0
        # Only the service knows, under its locks, how much it moves; what it did is undone.
        too_much = moved > settings.ADJUSTMENT_APPROVAL_CREDITS
        pinned = pin(arguments, done) if pin and too_much else {}
        transaction.set_rollback(too_much)
    if not too_much:
        return done, None
    wanted = _request(kind, actor, {**arguments, **pinned})
    wanted.credits, wanted.effects = change.credits, change.effects
    wanted.moved_before = max(moved - change.credits, 0)
    return None, _ask(wanted)


def _lock(actor: User | None) -> None:
    """Lets one change of an admin be judged at a time, so that none escapes the sum. Taken before
    any other lock (docs/ledger.md, Locks)."""
    with connection.cursor() as cursor:
        name = f"moves:{actor.pk if actor else 'command'}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [name])


def _request(kind: Kind, actor: User | None, arguments: dict[str, Any]) -> Approval:
    """The request that these arguments would be."""
    rest = {name: arguments[name] for name in arguments.keys() - {"actor", *COLUMNS}}
    columns = {COLUMNS[name]: arguments[name] for name in arguments.keys() & COLUMNS.keys()}
    columns["reason"] = str(columns.get("reason", "")).strip()
    wanted = Approval(kind=kind, asked_by=actor, **columns)
    wanted.arguments = json.loads(json.dumps(rest, cls=DjangoJSONEncoder))
    return wanted


def _earlier(wanted: Approval) -> Approval | None:
    """The request with its key. Raises IdempotencyConflict when that is for another change."""
    if not (wanted.key and wanted.asked_by_id):
        return None
    requests = Approval.objects.filter(asked_by=wanted.asked_by_id, account=wanted.account_id)
    earlier = requests.filter(key=wanted.key).first()
    if earlier and not _same_wish(earlier, wanted):
        raise IdempotencyConflict("This idempotency key belongs to another change.")
    return earlier


def _same_wish(earlier: Approval, wanted: Approval) -> bool:
    """Whether a key stands for the same; what was left open may have been pinned."""
    names = ("kind", "delta", "target", "reason")
    if any(getattr(earlier, name) != getattr(wanted, name) for name in names):
        return False
    pinned = earlier.arguments
    return all(value in {None, pinned[name]} for name, value in wanted.arguments.items())


def _ask(wanted: Approval) -> Approval:
    if not wanted.asked_by_id:
        raise SecondAdminNeeded(
            f"This may move {wanted.credits:,} credits, more than "
            f"{settings.ADJUSTMENT_APPROVAL_CREDITS:,} in a day without a second admin. "
            "Say which admin asks for it."
        )
    actor = wanted.asked_by
    alike = Approval.objects.filter(
        asked_by=actor, state=State.PENDING, kind=wanted.kind, arguments=wanted.arguments
    )
    if not wanted.key and (waiting := alike.first()):
        return waiting
    wanted.key = wanted.key or str(uuid4())
    wanted.save(force_insert=True)
    _record(actor, "ask", wanted, wanted.effects)
    return wanted


def waiting() -> QuerySet[Approval]:
    """The requests that wait for a second admin, the longest first."""
    pending = Approval.objects.filter(state=State.PENDING)
    return pending.select_related("user", "asked_by").order_by("id")


@transaction.atomic
def approve(*, actor: User, request_id: int, seen: int | None = None) -> Any:
    """Does what another admin asked for, once, and returns what its service does. A balance is not
    set from another one than `actor` was shown (`seen`), or else who asked for it was.

    Raises AlreadyDecided, NotApproved, OwnAccount, and whatever the service does.
    """
    asked = _pending(request_id)
    if not is_admin(asked.asked_by):
        raise NotApproved(f"{asked.asked_by} is no admin any more. Decline this.")
    if asked.asked_by_id == actor.pk:
        raise NotApproved("You asked for this yourself. It takes a second admin to approve it.")
    if asked.account_id == actor.pk:
        raise OwnAccount("This is your own account. It takes another admin to approve it.")
    asked.decided_by = actor
    with moving(Movement(asked.asked_by, asked)) as change:
        done = _services[asked.kind](**_arguments(asked, seen))
    if not change.credits:
        raise NotApproved("There is nothing left to change. Decline this.")
    if change.credits > asked.credits and not asked.is_adjustment:
        raise NotApproved(
            f"It would move {change.credits:,} credits now, and {asked.credits:,} were asked for. "
            "Decline this; it can be asked for anew."
        )
    asked.usage_id = change.usage_id
    _decide(asked, actor, State.APPROVED)
    _record(actor, "approve", asked, change.effects)
    return done


def _arguments(asked: Approval, seen: int | None) -> dict[str, Any]:
    """What the service of a request is called with."""
    names = inspect.signature(_services[asked.kind]).parameters
    columns = {name: getattr(asked, COLUMNS[name]) for name in COLUMNS if name in names}
    given = {**columns, **asked.arguments, "actor": asked.asked_by}
    return given if seen is None or "seen" not in names else {**given, "seen": seen}


@transaction.atomic
def decline(*, actor: User, request_id: int) -> Approval:
    """Nothing will happen; who asked may say so too. Raises AlreadyDecided."""
    asked = _pending(request_id)
    _decide(asked, actor, State.DECLINED)
    _record(actor, "decline", asked)
    return asked


def _pending(request_id: int) -> Approval:
    """The request, locked before any balance (docs/ledger.md, Locks)."""
    rows = Approval.objects.select_related("asked_by", "decided_by")
    asked = rows.select_for_update(of=("self",)).get(pk=request_id)
    if not asked.is_pending:
        raise AlreadyDecided(f"{asked.decided_by} has {asked.state} this already.")
    return asked


def _decide(asked: Approval, actor: User, state: str) -> None:
    asked.state = state
    asked.decided_by = actor
    asked.decided_at = Now()
    asked.save(update_fields=["state", "decided_by", "decided_at", "usage"])


def _record(
    actor: User, what: str, asked: Approval, effects: Sequence[dict[str, Any]] = ()
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
        action=f"{asked.kind}.{what}",
        target=f"request {asked.pk}",
        user_id=asked.account_id,
        reason=asked.reason,
        **states,
    )
