"""Undoing a change of a price, plan, model, provider or pack, whose value must still be what that
change set. An undo is a change itself, and stays in the history like any other."""

from typing import Any

from config.errors import DomainError
from credits.approvals import Kind, asks
from credits.catalogue.exceptions import CannotUndo, InUse, NameTaken
from credits.catalogue.history import (
    Subject,
    model_state,
    name_after,
    pack_state,
    plan_state,
    provider_state,
)
from credits.catalogue.model_changes import (
    change_model,
    change_provider,
    create_provider,
    remove_provider,
)
from credits.catalogue.models import find_model, find_provider
from credits.catalogue.packs import change_pack
from credits.catalogue.plans import create_plan, delete_plan, find_plan, update_plan
from credits.catalogue.prices import lock_prices, set_feature_costs
from credits.catalogue.token_price_changes import set_token_price
from credits.catalogue.token_prices import change_state, latest_rows
from credits.features import FEATURE_CREDIT_COSTS
from credits.kernel import database_time
from credits.models import Pack, SettingsChange, User
from credits.pricing import get_feature_costs

CHANGED = "It has been changed since."


@asks(Kind.UNDO)
def undo_change(*, actor: User | None, change_id: int) -> SettingsChange:
    """Puts back what was before that change. Raises SettingsChange.DoesNotExist, CannotUndo,
    OwnAccount, ApprovalPending."""
    change = SettingsChange.objects.get(pk=change_id)
    undo = {
        Subject.PRICE: _undo_price,
        Subject.PLAN: _undo_plan,
        Subject.MODEL: _undo_model,
        Subject.PROVIDER: _undo_provider,
        Subject.PACK: _undo_pack,
        Subject.TOKEN_PRICE: _undo_token_price,
    }[Subject(change.subject)]
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
        try:
            delete_plan(actor=actor, clerk_id=clerk_id, reason=reason)
        except InUse as error:
            raise CannotUndo(str(error)) from None
        return
    former: dict[str, Any] = {key: change.before[key] for key in ("name", "credits", "active")}
    former["clerk_id"] = change.before["clerkId"]
    try:
        if plan:
            update_plan(actor=actor, clerk_id=clerk_id, changes=former, reason=reason)
        else:
            create_plan(actor=actor, reason=reason, **former)
    except NameTaken as error:
        raise CannotUndo(f"Another plan has the id it had. {error}") from None


def state_before(change: SettingsChange) -> Any:
    """What undoing a change puts back. A model or pack that was added is retired: journals and
    receipts name it."""
    if change.subject in {Subject.MODEL, Subject.PACK} and change.before is None:
        return {**(change.after or {}), "active": False}
    return change.before


def _undo_model(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    lock_prices()
    model = find_model(change.name)
    if model is None or model_state(model) != change.after:
        raise CannotUndo(CHANGED)
    former = _former(change)
    try:
        change_model(actor=actor, name=change.name, changes=former, reason=reason)
    except DomainError as error:
        raise CannotUndo(str(error)) from None


def _former(change: SettingsChange) -> Any:
    """What is put back, of what is retired and not removed."""
    former = state_before(change)
    if former == change.after:
        raise CannotUndo("It is not offered any more. Journals and receipts go on naming it.")
    return former


def _undo_pack(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    pack = Pack.objects.select_for_update(no_key=True).filter(name=name_after(change)).first()
    if pack is None or pack_state(pack) != change.after:
        raise CannotUndo(CHANGED)
    former = _former(change)
    try:
        change_pack(actor=actor, pack_id=pack.pk, changes=former, reason=reason)
    except DomainError as error:
        raise CannotUndo(str(error)) from None


def _undo_token_price(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    """A price that holds already is not undone for what was used meanwhile: the former one is set
    again from now on."""
    lock_prices()
    row = latest_rows().filter(model__name=change.name).first()
    if row is None or change_state(row) != change.after:
        raise CannotUndo(CHANGED)
    former = {**(change.before or {})}
    former.pop("validFrom", None)
    begins = row.valid_from if row.valid_from > database_time() else None
    set_token_price(
        actor=actor, model=change.name, prices=former or None, valid_from=begins, reason=reason
    )


def _undo_provider(actor: User | None, change: SettingsChange, *, reason: str) -> None:
    lock_prices()
    provider = find_provider(change.name)
    if (provider_state(provider) if provider else None) != change.after:
        raise CannotUndo(CHANGED)
    try:
        if change.before is None:
            remove_provider(actor=actor, name=change.name, reason=reason)
        elif provider:
            change_provider(actor=actor, name=change.name, changes=change.before, reason=reason)
        else:
            create_provider(actor=actor, values=change.before, reason=reason)
    except DomainError as error:
        raise CannotUndo(str(error)) from None
