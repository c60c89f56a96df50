"""Changing plans. Each function is one transaction, and leaves a change in the history. Where
people get more by it, it moves credits (`credits.approvals`)."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q

from credits import audit
from credits.approvals import Kind, asks
from credits.catalogue.exceptions import InUse, InvalidValue, NameTaken, NotInCatalogue
from credits.catalogue.fields import PLAN_FIELDS, PLAN_ID, problems_of
from credits.catalogue.history import Subject, check_version, plan_state, record_change, version_of
from credits.exceptions import OwnAccount
from credits.models import Period, Plan, SubscriptionItem, User
from credits.models.subscriptions import SUBSCRIBED, PayerKind


def plan_version(plan: Plan) -> str:
    """Differs for two states of a plan: for `expected_version`."""
    return version_of(plan_state(plan))


def find_plan(clerk_id: str, *, lock: bool = False) -> Plan | None:
    """The plan of this Clerk id, whatever the text: one that is no id may hold what PostgreSQL does
    not take (a NUL). With `lock` nobody else changes it before this transaction ends."""
    if not PLAN_ID.accepts(clerk_id):
        return None
    plans = Plan.objects.select_for_update() if lock else Plan.objects.all()
    return plans.filter(clerk_id=clerk_id).first()


@asks(Kind.PLAN_ADD)
def create_plan(
    *,
    actor: User | None,
    clerk_id: str,
    name: str,
    credits: int,
    active: bool = True,
    reason: str = "",
) -> Plan:
    """Adds a plan that brings `credits` a month. Raises InvalidValue, NameTaken, OwnAccount,
    ApprovalPending."""
    plan = Plan(clerk_id=clerk_id, name=name, credits=credits, active=active)
    _save(plan)
    _record(actor, clerk_id, None, plan_state(plan), reason)
    return plan


def _pinned(arguments: dict[str, Any], _: Plan) -> dict[str, Any]:
    """A change that is asked for is of the plan as it was then."""
    change = audit.movement.get()
    assert change
    version = version_of(change.effects[-1]["before"])
    return {"expected_version": arguments.get("expected_version") or version}


@asks(Kind.PLAN_CHANGE, pin=_pinned)
def update_plan(
    *,
    actor: User | None,
    clerk_id: str,
    changes: Mapping[str, Any],
    expected_version: str | None = None,
    reason: str = "",
) -> Plan:
    """Changes a plan's `clerk_id`, `name`, `credits` or `active`: those that `changes` names.
    Raises NotInCatalogue, InvalidValue, NameTaken, ChangedMeanwhile, OwnAccount,
    ApprovalPending."""
    plan = _locked(clerk_id, expected_version)
    before = plan_state(plan)
    for field in changes.keys() & {"clerk_id", "name", "credits", "active"}:
        setattr(plan, field, changes[field])
    after = plan_state(plan)
    if after != before:
        _save(plan)
        _record(actor, clerk_id, before, after, reason)
    return plan


@transaction.atomic
def delete_plan(
    *, actor: User | None, clerk_id: str, expected_version: str | None = None, reason: str = ""
) -> None:
    """Removes a plan; grants made under it stay. Raises NotInCatalogue, ChangedMeanwhile, InUse."""
    plan = _locked(clerk_id, expected_version)
    if labels := [model.label for model in plan.models.all()]:
        raise InUse(f"It is needed for {', '.join(labels)}. Choose another plan there first.")
    before = plan_state(plan)
    plan.delete()
    record_change(actor, Subject.PLAN, clerk_id, before, None, reason=reason)


class PlanRow(NamedTuple):
    """A plan to import; `version` is that of the plan it would change, None where there was no such
    plan."""

    clerk_id: str
    name: str
    credits: int
    active: bool
    version: str | None


@asks(Kind.PLAN_IMPORT)
def import_plans(*, actor: User | None, rows: Iterable[PlanRow], reason: str = "") -> None:
    """Adds and changes plans, all or none. Raises what `create_plan` and `update_plan` do."""
    # In one order, so that two imports at once wait for each other and do not deadlock.
    for row in sorted(PlanRow(*row) for row in rows):
        plan: dict[str, Any] = {"actor": actor, "clerk_id": row.clerk_id, "reason": reason}
        fields: dict[str, Any] = {"name": row.name, "credits": row.credits, "active": row.active}
        if row.version is None:
            create_plan(**plan, **fields)
        else:
            update_plan(**plan, changes=fields, expected_version=row.version)


def _record(
    actor: User | None, clerk_id: str, before: Any, after: Mapping[str, Any], reason: str
) -> None:
    """Writes a change down, with the credits a month that its subscribers get more by it; at least
    one's, who may come. What is taken off a plan is taken from nobody: what it brought stays."""
    more = _monthly(after) - (_monthly(before) if before else 0)
    if before and before["clerkId"] != after["clerkId"]:
        more = _monthly(after)
    credits = max(more, 0) * max(_subscribers(after["clerkId"]), 1)
    if credits:
        _refuse_own(actor, after["clerkId"])
    record_change(actor, Subject.PLAN, clerk_id, before, after, reason=reason, credits=credits)


def _monthly(state: Mapping[str, Any]) -> int:
    return int(state["credits"]) if state["active"] else 0


def _subscribers(clerk_id: str) -> int:
    """How often a plan's credits come in a month: subscriptions, or periods that wait for it."""
    items = SubscriptionItem.objects.filter(plan_id=clerk_id, status__in=SUBSCRIBED)
    waiting = Period.objects.filter(plan_id=clerk_id, earned=True, settled=False)
    return max(items.count(), waiting.count())


def _refuse_own(actor: User | None, clerk_id: str) -> None:
    """Raises OwnAccount when who changes a plan, or who approved that, pays for it or has a period
    that waits for its credits. The free plan is everybody's."""
    change = audit.movement.get()
    people = [each for each in (actor, change and change.approved_by) if each and each.clerk_id]
    ids = [each.clerk_id for each in people]
    own = SubscriptionItem.objects.filter(payer_kind=PayerKind.USER, payer_id__in=ids)
    pays = Q(plan_id=clerk_id, status__in=SUBSCRIBED, is_free=False)
    waits = Q(periods__plan_id=clerk_id, periods__earned=True, periods__settled=False)
    if people and own.filter(pays | waits).exists():
        raise OwnAccount("You have this plan yourself. An admin without it has to change it.")


def _locked(clerk_id: str, expected_version: str | None) -> Plan:
    plan = find_plan(clerk_id, lock=True)
    if plan is None:
        raise NotInCatalogue("plan", clerk_id)
    check_version(plan_version(plan), expected_version)
    return plan


def _save(plan: Plan) -> None:
    for field, sentence in problems_of(plan_state(plan), PLAN_FIELDS).items():
        raise InvalidValue(sentence, field)
    try:
        with transaction.atomic():
            plan.save()
    except IntegrityError as error:
        if Plan.objects.filter(clerk_id=plan.clerk_id).exists():
            raise NameTaken("plan", plan.clerk_id) from error
        raise
