"""Taking back a change of a price or a plan. What is undone must still be as that change left it;
undoing is a change itself, and stays in the history like any other."""

from typing import Any

from django.db import transaction

from credits.catalogue.exceptions import CannotUndo, DuplicatePlan
from credits.catalogue.history import Subject, name_after, plan_state
from credits.catalogue.plans import create_plan, delete_plan, find_plan, update_plan
from credits.catalogue.prices import lock_prices, set_feature_costs
from credits.features import FEATURE_CREDIT_COSTS
from credits.models import SettingsChange, User
from credits.pricing import get_feature_costs

CHANGED = "It has been changed since."


@transaction.atomic
def undo_change(*, actor: User | None, change_id: int) -> SettingsChange:
    """Puts back what was before that change. Raises SettingsChange.DoesNotExist, CannotUndo."""
    change = SettingsChange.objects.get(pk=change_id)
    undo = _undo_price if change.subject == Subject.PRICE else _undo_plan
    undo(actor, change, reason=f"Undoes change {change_id}")
    return change


def _undo_price(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    lock_prices()
    if get_feature_costs().get(change.name) != change.after:
        raise CannotUndo(CHANGED)
    is_default = change.before == FEATURE_CREDIT_COSTS[change.name]
    set_feature_costs(
        actor=actor,
        costs={change.name: change.before},
        reset=[change.name] if is_default else [],
        reason=reason,
    )


def _undo_plan(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    clerk_id = name_after(change)
    plan = find_plan(clerk_id, lock=True)
    if (plan_state(plan) if plan else None) != change.after:
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
