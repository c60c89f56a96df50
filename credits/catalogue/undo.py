"""Taking back a change of a price or a plan. What is undone must still be as that change left it;
undoing is a change itself, and stays in the history like any other."""

from typing import Any

from django.db import transaction
from django.db.models import Q

from config.errors import DomainError
from credits.catalogue.services import (
    DuplicatePlan,
    create_plan,
    delete_plan,
    plan_state,
    set_feature_costs,
    update_plan,
)
from credits.features import FEATURE_CREDIT_COSTS
from credits.models import AdminSettings, Plan, SettingsChange, User
from credits.pricing import get_feature_costs

Subject = SettingsChange.Subject
CHANGED = "It has been changed since."


class CannotUndo(DomainError):
    """Something stands in the way; the message says what. Nothing was changed."""

    status = 409
    code = "cannot_undo"


@transaction.atomic
def undo_change(*, actor: User | None, change_id: int) -> SettingsChange:
    """Puts back what was before that change. Raises SettingsChange.DoesNotExist, CannotUndo."""
    change = SettingsChange.objects.get(pk=change_id)
    undo = _undo_price if change.subject == Subject.PRICE else _undo_plan
    undo(actor, change, reason=f"Undoes change {change_id}")
    return change


def latest_change(subject: str, name: str) -> SettingsChange | None:
    """The newest change of a price, or of the plan that has (or had last) this id."""
    rows = SettingsChange.objects.filter(subject=subject)
    named = rows.filter(Q(name=name) | Q(after__clerkId=name))
    return named.order_by("-pk").first()


def standing() -> dict[tuple[str, str], Any]:
    """What holds now by subject and name, in the shape the history keeps it."""
    prices = {(Subject.PRICE.value, key): cost for key, cost in get_feature_costs().items()}
    plans = {(Subject.PLAN.value, plan.clerk_id): plan_state(plan) for plan in Plan.objects.all()}
    return {**prices, **plans}


def left_by(change: SettingsChange) -> tuple[str, str]:
    """Where in `standing` that must be found which the change left behind."""
    after = change.after
    return change.subject, after["clerkId"] if isinstance(after, dict) else change.name


def _undo_price(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    AdminSettings.objects.get_or_create(id=1)
    AdminSettings.objects.select_for_update().get(id=1)
    now = get_feature_costs().get(change.name)
    if now != change.after:
        raise CannotUndo(CHANGED)
    is_default = change.before == FEATURE_CREDIT_COSTS[change.name]
    set_feature_costs(
        actor=actor,
        costs={change.name: change.before},
        reset=[change.name] if is_default else [],
        reason=reason,
    )


def _undo_plan(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    clerk_id = left_by(change)[1]
    plan = Plan.objects.select_for_update().filter(clerk_id=clerk_id).first()
    now = plan_state(plan) if plan else None
    if now != change.after:
        raise CannotUndo(CHANGED)
    try:
        _put_back(actor, clerk_id, change.before, exists=bool(plan), reason=reason)
    except DuplicatePlan as error:
        raise CannotUndo(f"Another plan has the id it had. {error}") from None


def _put_back(actor: User | None, clerk_id: str, before: Any, *, exists: bool, reason: str) -> None:
    if before is None:
        delete_plan(actor=actor, clerk_id=clerk_id, reason=reason)
        return
    fields = {key: before[key] for key in ("name", "credits", "active")}
    if exists:
        changes = {"clerk_id": before["clerkId"], **fields}
        update_plan(actor=actor, clerk_id=clerk_id, changes=changes, reason=reason)
    else:
        create_plan(actor=actor, clerk_id=before["clerkId"], reason=reason, **fields)
