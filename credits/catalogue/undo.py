"""Undoing a change of a price or a plan, whose value must still be what that change set. An undo is
a change itself, and stays in the history like any other."""

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
    costs = {change.name: change.before}
    reset = [key for key, cost in costs.items() if cost == FEATURE_CREDIT_COSTS[key]]
    set_feature_costs(actor=actor, costs=costs, reset=reset, reason=reason)


def _undo_plan(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    clerk_id = name_after(change)
    plan = find_plan(clerk_id, lock=True)
    if (plan_state(plan) if plan else None) != change.after:
        raise CannotUndo(CHANGED)
    if change.before is None:
        delete_plan(actor=actor, clerk_id=clerk_id, reason=reason)
        return
    former: dict[str, Any] = {key: change.before[key] for key in ("name", "credits", "active")}
    former["clerk_id"] = change.before["clerkId"]
    try:
        if plan:
            update_plan(actor=actor, clerk_id=clerk_id, changes=former, reason=reason)
        else:
            create_plan(actor=actor, reason=reason, **former)
    except DuplicatePlan as error:
        raise CannotUndo(f"Another plan has the id it had. {error}") from None
