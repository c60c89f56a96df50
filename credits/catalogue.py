"""Changing prices and plans. Each function is one transaction; what it changed stays in
SettingsChange: who, when, from, to."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, models, transaction

from credits import audit
from credits.features import FEATURES, MAX_FEATURE_COST
from credits.models import AdminSettings, Plan, SettingsChange, User
from credits.pricing import get_feature_costs

#: The most credits a month of a plan may bring.
MAX_PLAN_CREDITS = 1_000_000_000
PLAN_ID = re.compile(r"cplan_[A-Za-z0-9_]{1,58}")
PLAN_ID_RULE = "Must be cplan_ and 1 to 58 letters, digits or underscores."
NAME_CHARACTERS = 150
#: Something that is no blank, and no control characters.
LINE = re.compile(r"[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*")
PLAN_NAME_RULE = f"Must be 1 to {NAME_CHARACTERS} characters on one line."


class InvalidValue(ValueError):
    """A value that cannot be: `path` names its field. Nothing was changed."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


class ChangedMeanwhile(Exception):
    """Somebody else has changed this since it was read; `version` is what it is at now."""

    def __init__(self, version: str) -> None:
        super().__init__("Somebody else has changed this meanwhile. Look at it again.")
        self.version = version


class DuplicatePlan(Exception):
    """Another plan has this Clerk id."""

    def __init__(self, clerk_id: str) -> None:
        super().__init__(f"There is a plan {clerk_id} already.")


class UnknownPlan(LookupError):
    """No plan has this Clerk id."""

    def __init__(self, clerk_id: str) -> None:
        super().__init__(f"There is no plan {clerk_id!r}.")


def costs_version(costs: Mapping[str, int]) -> str:
    """Tells two states of the prices apart; for `expected_version`."""
    return _version(dict(costs))


def plan_version(plan: Plan) -> str:
    """Tells two states of a plan apart; for `expected_version`."""
    return _version(_state(plan))


def check_cost(value: object) -> str:
    """Why the value is no price of a unit; empty when it is one: a whole number of credits from 0
    to MAX_FEATURE_COST. A bool, a fraction and a string of digits are none."""
    if type(value) is int and 0 <= value <= MAX_FEATURE_COST:
        return ""
    return f"Must be a whole number from 0 to {MAX_FEATURE_COST:,}."


@transaction.atomic
def set_feature_costs(
    *, actor: User | None, costs: Mapping[str, object], expected_version: str | None = None
) -> dict[str, int]:
    """Sets the prices of some features and leaves the others; returns all that hold now.

    `actor` is None when no person decided. With `expected_version` (of `costs_version`) nothing
    is changed if the prices are not those any more.

    Raises InvalidValue, ChangedMeanwhile.
    """
    wanted = _checked_costs(costs)
    AdminSettings.objects.get_or_create(id=1)
    row = AdminSettings.objects.select_for_update().get(id=1)
    before = get_feature_costs()
    if expected_version is not None and expected_version != costs_version(before):
        raise ChangedMeanwhile(costs_version(before))
    changed = {key: cost for key, cost in wanted.items() if cost != before[key]}
    if changed:
        row.feature_costs = {**row.feature_costs, **changed}
        row.save()
        for key, cost in changed.items():
            _record(actor, SettingsChange.Subject.PRICE, key, before[key], cost)
    return {**before, **changed}


def _checked_costs(costs: Mapping[str, object]) -> dict[str, int]:
    checked: dict[str, int] = {}
    for key, value in costs.items():
        if key not in FEATURES:
            raise InvalidValue(f"There is no feature {key!r}.", "featureCosts", key)
        problem = check_cost(value)
        if problem or not isinstance(value, int):
            raise InvalidValue(problem, "featureCosts", key)
        checked[key] = value
    return checked


@transaction.atomic
def create_plan(
    *,
    actor: User | None,
    clerk_id: str,
    name: str,
    credits: int,
    active: bool = True,
) -> Plan:
    """Adds a plan. `credits` are per month. Raises InvalidValue, DuplicatePlan."""
    plan = Plan(clerk_id=clerk_id, name=name, credits=credits, active=active)
    _save_plan(plan)
    _record(actor, SettingsChange.Subject.PLAN, plan.clerk_id, None, _state(plan))
    return plan


@transaction.atomic
def update_plan(
    *,
    actor: User | None,
    clerk_id: str,
    changes: Mapping[str, Any],
    expected_version: str | None = None,
) -> Plan:
    """Changes a plan's `clerk_id`, `name`, `credits` or `active`: those that `changes` names.

    Raises UnknownPlan, InvalidValue, DuplicatePlan, ChangedMeanwhile.
    """
    plan = _locked_plan(clerk_id, expected_version)
    before = _state(plan)
    for field in changes.keys() & {"clerk_id", "name", "credits", "active"}:
        setattr(plan, field, changes[field])
    if _state(plan) != before:
        _save_plan(plan)
        _record(actor, SettingsChange.Subject.PLAN, clerk_id, before, _state(plan))
    return plan


@transaction.atomic
def delete_plan(*, actor: User | None, clerk_id: str, expected_version: str | None = None) -> None:
    """Removes a plan; grants made under it stay. Raises UnknownPlan, ChangedMeanwhile."""
    plan = _locked_plan(clerk_id, expected_version)
    before = _state(plan)
    plan.delete()
    _record(actor, SettingsChange.Subject.PLAN, clerk_id, before, None)


def _locked_plan(clerk_id: str, expected_version: str | None) -> Plan:
    # Anything else is no id, and may hold what PostgreSQL does not take (a NUL).
    is_id = PLAN_ID.fullmatch(clerk_id)
    plan = Plan.objects.select_for_update().filter(clerk_id=clerk_id).first() if is_id else None
    if plan is None:
        raise UnknownPlan(clerk_id)
    if expected_version is not None and expected_version != plan_version(plan):
        raise ChangedMeanwhile(plan_version(plan))
    return plan


def _save_plan(plan: Plan) -> None:
    _check_plan(plan)
    try:
        with transaction.atomic():
            plan.save()
    except IntegrityError as error:
        if Plan.objects.filter(clerk_id=plan.clerk_id).exists():
            raise DuplicatePlan(plan.clerk_id) from error
        raise


def _check_plan(plan: Plan) -> None:
    if not PLAN_ID.fullmatch(plan.clerk_id):
        raise InvalidValue(PLAN_ID_RULE, "clerkId")
    if len(plan.name) > NAME_CHARACTERS or not LINE.fullmatch(plan.name):
        raise InvalidValue(PLAN_NAME_RULE, "name")
    if type(plan.credits) is not int or not 0 <= plan.credits <= MAX_PLAN_CREDITS:
        raise InvalidValue(f"Must be a whole number from 0 to {MAX_PLAN_CREDITS:,}.", "credits")


def _state(plan: Plan) -> dict[str, Any]:
    return {
        "clerkId": plan.clerk_id,
        "name": plan.name,
        "credits": plan.credits,
        "active": plan.active,
    }


def _version(state: Mapping[str, Any]) -> str:
    canonical = json.dumps(state, sort_keys=True).encode()
    return hashlib.blake2b(canonical, digest_size=8).hexdigest()


def _record(
    actor: User | None, subject: models.TextChoices, name: str, before: Any, after: Any
) -> None:
    SettingsChange.objects.create(
        actor=actor,
        actor_name=str(actor) if actor else "",
        subject=subject,
        name=name,
        before=before,
        after=after,
    )
    done = "remove" if after is None else "add" if before is None else "change"
    audit.record(actor=actor, action=f"{subject}.{done}", target=name, before=before, after=after)
