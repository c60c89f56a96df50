"""Changes of prices and plans: writing one down, reading the newest, and whether what a change set
still holds."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from credits import audit
from credits.idempotency import fingerprint
from credits.models import Plan, SettingsChange, User
from credits.pricing import get_feature_costs

Subject = SettingsChange.Subject


def plan_state(plan: Plan) -> dict[str, Any]:
    """A plan as its history keeps it."""
    state = {name: getattr(plan, name) for name in ("name", "credits", "active")}
    return {"clerkId": plan.clerk_id, **state}


def version_of(state: Mapping[str, Any]) -> str:
    """Differs for two states of a plan, or of all prices: for `expected_version`."""
    return fingerprint(state)[:16]


def record_change(
    actor: User | None, subject: Subject, name: str, before: Any, after: Any, *, reason: str
) -> None:
    """Writes a change into the history and into the record of what admins do. Called within the
    transaction of the change. `before` and `after` are costs or plan states; None is no plan."""
    who = {"actor": actor, "actor_name": str(actor) if actor else ""}
    SettingsChange.objects.create(**who, subject=subject, name=name, before=before, after=after)
    verb = "remove" if after is None else "add" if before is None else "change"
    action = f"{subject}.{verb}"
    audit.record(actor=actor, action=action, target=name, before=before, after=after, reason=reason)


def latest_change(subject: str, name: str) -> SettingsChange | None:
    """The newest change of a price, or of the plan that has (or had last) this id."""
    rows = SettingsChange.objects.filter(subject=subject)
    return rows.filter(Q(name=name) | Q(after__clerkId=name)).order_by("-pk").first()


def name_after(change: SettingsChange) -> str:
    """The feature's key, or the id that the plan has since this change."""
    return change.after["clerkId"] if isinstance(change.after, dict) else change.name


def current_states() -> dict[tuple[str, str], Any]:
    """What holds now, by subject and name, as the history keeps it."""
    prices = {(Subject.PRICE.value, key): cost for key, cost in get_feature_costs().items()}
    plans = {(Subject.PLAN.value, plan.clerk_id): plan_state(plan) for plan in Plan.objects.all()}
    return {**prices, **plans}


def stands(change: SettingsChange, states: Mapping[tuple[str, str], Any]) -> bool:
    """Whether what the change set is among `states` (of `current_states`): only then can it be
    undone."""
    return states.get((change.subject, name_after(change))) == change.after
