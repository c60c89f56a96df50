"""Changing prices."""

from collections.abc import Collection, Mapping

from django.db import transaction

from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.fields import COST
from credits.catalogue.history import Subject, check_version, record_change, version_of
from credits.features import FEATURE_CREDIT_COSTS, FEATURES
from credits.models import AdminSettings, User
from credits.pricing import get_feature_costs


@transaction.atomic
def set_feature_costs(
    *,
    actor: User | None,
    costs: Mapping[str, object],
    reset: Collection[str] = (),
    expected_version: str | None = None,
    reason: str = "",
) -> dict[str, int]:
    """Sets the prices of some features (credits per unit), gives those in `reset` their defaults,
    and leaves the others; returns all that hold now. `actor` is None when no person decided.
    Raises InvalidValue; ChangedMeanwhile if `version_of` all prices is not `expected_version`."""
    wanted = _checked({**costs, **{key: FEATURE_CREDIT_COSTS.get(key) for key in reset}})
    row = lock_prices()
    before = get_feature_costs()
    check_version(version_of(before), expected_version)
    changed = {key: cost for key, cost in wanted.items() if cost != before[key]}
    merged = {**row.feature_costs, **changed}
    overrides = {key: cost for key, cost in merged.items() if key not in reset}
    if overrides != row.feature_costs:
        row.feature_costs = overrides
        row.save()
    for key, cost in changed.items():
        record_change(actor, Subject.PRICE, key, before[key], cost, reason=reason)
    return {**before, **changed}


def lock_prices() -> AdminSettings:
    """The row of the prices, which nobody else changes before this transaction ends."""
    row, _ = AdminSettings.objects.select_for_update().get_or_create(id=1)
    return row


def _checked(costs: Mapping[str, object]) -> dict[str, int]:
    checked: dict[str, int] = {}
    for key, cost in costs.items():
        if key not in FEATURES:
            raise InvalidValue(f"There is no feature {key!r}.", "featureCosts", key)
        if not COST.accepts(cost):
            raise InvalidValue(COST.sentence, "featureCosts", key)
        checked[key] = cost
    return checked
