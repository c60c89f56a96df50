"""Whether PostgreSQL accepts what Python sells: a feature is added in one place, and until its
migration has run, its charges would be refused."""

import json
from typing import NamedTuple

from credits.features import ALL_FEATURES, OperationType, UnknownFeature, to_operation_type
from credits.sql import fetch_all


class Mapping(NamedTuple):
    """A feature, the type its charges are recorded as, and who knows that type."""

    feature: str
    operation_type: str
    in_python: bool
    in_database: bool


def check_features() -> list[Mapping]:
    """Asks the database's own rule, as it is now, about a charge of every feature."""
    return [_check(key) for key in ALL_FEATURES]


def _check(feature: str) -> Mapping:
    try:
        operation = str(to_operation_type(feature))
    except UnknownFeature:
        return Mapping(feature, "", in_python=False, in_database=False)
    known = operation in OperationType.values
    return Mapping(feature, operation, in_python=known, in_database=_accepts(operation))


def _accepts(operation: str) -> bool:
    charge = {"operation_type": operation, "credits_used": 1, "unit_cost": 1, "quantity": 1}
    row = "jsonb_populate_record(NULL::credits_usagehistory, %s::jsonb)"
    ((fault,),) = fetch_all(f"SELECT credits_row_fault({row})", [json.dumps(charge)])
    return fault is None
