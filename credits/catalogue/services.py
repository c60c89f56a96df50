"""Changing prices and plans. Each function is one transaction; what it changed stays in
SettingsChange: who, when, from, to."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.db import IntegrityError, models, transaction

from config.errors import DomainError, InvalidInput
from credits.features import FEATURE_CREDIT_COSTS, FEATURES, MAX_FEATURE_COST
from credits.models import AdminSettings, Plan, SettingsChange, User
from credits.pricing import get_feature_costs
from credits.users import audit

#: The most credits a month of a plan may bring.
MAX_PLAN_CREDITS = 1_000_000_000
PLAN_ID = re.compile(r"cplan_[A-Za-z0-9_]{1,58}")
PLAN_ID_RULE = "Must be cplan_ and 1 to 58 letters, digits or underscores."
NAME_CHARACTERS = 150
#: What ends a line, or turns the letters after it around: a reason must read as it was written.
_UNFIT = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
#: Something that is no blank, and nothing unfit.
LINE = re.compile(rf"[^{_UNFIT}]*[^ {_UNFIT}][^{_UNFIT}]*")
PLAN_NAME_RULE = f"Must be 1 to {NAME_CHARACTERS} characters on one line."


class InvalidValue(InvalidInput):
    """A value that cannot be: `path` names its field. Nothing was changed."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message, path)


class ChangedMeanwhile(DomainError):
    """Somebody else has changed this since it was read; `version` is what it is at now."""

    status = 409
    code = "changed_meanwhile"

    def __init__(self, version: str) -> None:
        message = "Somebody else has changed this meanwhile. Look at it again."
        super().__init__(message, version=version)
        self.version = version


class DuplicatePlan(DomainError):
    """Another plan has this Clerk id."""

    status = 409
    code = "duplicate"

    def __init__(self, clerk_id: str) -> None:
        super().__init__(f"There is a plan {clerk_id} already.")


class UnknownPlan(DomainError):
    """No plan has this Clerk id."""

    status = 404
    code = "not_found"

    def __init__(self, clerk_id: str) -> None:
        super().__init__(f"There is no plan {clerk_id!r}.")


def costs_version(costs: Mapping[str, int]) -> str:
    """Tells two states of the prices apart; for `expected_version`."""
    return state_version(costs)


def plan_version(plan: Plan) -> str:
    """Tells two states of a plan apart; for `expected_version`."""
    return state_version(plan_state(plan))


def plan_state(plan: Plan) -> dict[str, Any]:
    """A plan as its history keeps it."""
    return {
        "clerkId": plan.clerk_id,
        "name": plan.name,
        "credits": plan.credits,
        "active": plan.active,
    }


def state_version(state: Mapping[str, Any]) -> str:
    """As `plan_version`, of a state that was read earlier."""
    canonical = json.dumps(state, sort_keys=True).encode()
    return hashlib.blake2b(canonical, digest_size=8).hexdigest()


def check_cost(value: object) -> str:
    """Why the value is no price of a unit; empty when it is one: a whole number of credits from 0
    to MAX_FEATURE_COST. A bool, a fraction and a string of digits are none."""
    if type(value) is int and 0 <= value <= MAX_FEATURE_COST:
        return ""
    return f"Must be a whole number from 0 to {MAX_FEATURE_COST:,}."


@transaction.atomic
def set_feature_costs(
    *,
    actor: User | None,
    costs: Mapping[str, object],
    reset: Collection[str] = (),
    expected_version: str | None = None,
    reason: str = "",
) -> dict[str, int]:
    """Sets the prices of some features, gives those in `reset` their defaults, and leaves the
    others; returns all that hold now.

    `actor` is None when no person decided. With `expected_version` (of `costs_version`) nothing
    is changed if the prices are not those any more.

    Raises InvalidValue, ChangedMeanwhile.
    """
    wanted = _checked_costs({**costs, **{key: FEATURE_CREDIT_COSTS.get(key) for key in reset}})
    AdminSettings.objects.get_or_create(id=1)
    row = AdminSettings.objects.select_for_update().get(id=1)
    before = get_feature_costs()
    if expected_version is not None and expected_version != costs_version(before):
        raise ChangedMeanwhile(costs_version(before))
    changed = {key: cost for key, cost in wanted.items() if cost != before[key]}
    kept = {**row.feature_costs, **changed}
    overrides = {key: cost for key, cost in kept.items() if key not in reset}
    if overrides != row.feature_costs:
        row.feature_costs = overrides
        row.save()
    for key, cost in changed.items():
        _record(
            actor, SettingsChange.Subject.PRICE, key, before=before[key], after=cost, reason=reason
        )
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
    reason: str = "",
) -> Plan:
    """Adds a plan. `credits` are per month. Raises InvalidValue, DuplicatePlan."""
    plan = Plan(clerk_id=clerk_id, name=name, credits=credits, active=active)
    _save_plan(plan)
    _record(
        actor,
        SettingsChange.Subject.PLAN,
        plan.clerk_id,
        before=None,
        after=plan_state(plan),
        reason=reason,
    )
    return plan


@transaction.atomic
def update_plan(
    *,
    actor: User | None,
    clerk_id: str,
    changes: Mapping[str, Any],
    expected_version: str | None = None,
    reason: str = "",
) -> Plan:
    """Changes a plan's `clerk_id`, `name`, `credits` or `active`: those that `changes` names.

    Raises UnknownPlan, InvalidValue, DuplicatePlan, ChangedMeanwhile.
    """
    plan = _locked_plan(clerk_id, expected_version)
    before = plan_state(plan)
    for field in changes.keys() & {"clerk_id", "name", "credits", "active"}:
        setattr(plan, field, changes[field])
    if plan_state(plan) != before:
        _save_plan(plan)
        _record(
            actor,
            SettingsChange.Subject.PLAN,
            clerk_id,
            before=before,
            after=plan_state(plan),
            reason=reason,
        )
    return plan


@transaction.atomic
def delete_plan(
    *, actor: User | None, clerk_id: str, expected_version: str | None = None, reason: str = ""
) -> None:
    """Removes a plan; grants made under it stay. Raises UnknownPlan, ChangedMeanwhile."""
    plan = _locked_plan(clerk_id, expected_version)
    before = plan_state(plan)
    plan.delete()
    _record(actor, SettingsChange.Subject.PLAN, clerk_id, before=before, after=None, reason=reason)


class PlanRow(NamedTuple):
    """A plan to import: `seen` is the version of the plan it would change, None where there was no
    such plan."""

    clerk_id: str
    name: str
    credits: int
    active: bool
    seen: str | None


@transaction.atomic
def import_plans(*, actor: User | None, rows: Iterable[PlanRow], reason: str = "") -> None:
    """Adds and changes plans, all or none. Raises what `create_plan` and `update_plan` do."""
    # In one order, so that two imports at once wait for each other and do not deadlock.
    for row in sorted(rows):
        fields: dict[str, Any] = {"name": row.name, "credits": row.credits, "active": row.active}
        if row.seen is None:
            create_plan(actor=actor, clerk_id=row.clerk_id, reason=reason, **fields)
        else:
            update_plan(
                actor=actor, clerk_id=row.clerk_id, changes=fields, expected_version=row.seen,
                reason=reason,
            )  # fmt: skip


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


def _record(
    actor: User | None,
    subject: models.TextChoices,
    name: str,
    *,
    before: Any,
    after: Any,
    reason: str,
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
    audit.record(
        actor=actor, action=f"{subject}.{done}", target=name, before=before, after=after,
        reason=reason,
    )  # fmt: skip
