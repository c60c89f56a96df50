"""Whether PostgreSQL accepts what Python sells: a feature is added in one place, and until its
migration has run, its charges would be refused."""

import json
from typing import NamedTuple

from django.db import connection

from credits.features import FEATURES, OperationType, UnknownFeature, to_operation_type

CONSTRAINTS = ("usage_operation_known", "usage_row_shape")


class Mapping(NamedTuple):
    """A feature, the type its charges are recorded as, and who knows that type."""

    feature: str
    operation_type: str
    in_python: bool
    in_database: bool


def check_features() -> list[Mapping]:
    """Asks the database's own constraints, as they are now, about a charge of every feature."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint"
            " WHERE conrelid = 'credits_usagehistory'::regclass AND conname = ANY(%s)",
            [list(CONSTRAINTS)],
        )
        rules = [rule for (rule,) in cursor.fetchall()]
    return [_check(key, rules) for key in FEATURES]


def _check(feature: str, rules: list[str]) -> Mapping:
    try:
        operation = str(to_operation_type(feature))
    except UnknownFeature:
        return Mapping(feature, "", in_python=False, in_database=False)
    known = operation in OperationType.values
    return Mapping(feature, operation, in_python=known, in_database=_accepts(operation, rules))


def _accepts(operation: str, rules: list[str]) -> bool:
    if len(rules) != len(CONSTRAINTS):
        return False
    # A CHECK lets pass what is not false. The rules are the database's own text; per cent signs in
    # them are no placeholders.
    conditions = " AND ".join(f"({rule.replace('%', '%%')}) IS NOT FALSE" for rule in rules)
    row = "jsonb_populate_record(NULL::credits_usagehistory, %s::jsonb)"
    charge = {"operation_type": operation, "credits_used": 1, "unit_cost": 1, "quantity": 1}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {conditions} FROM {row}", [json.dumps(charge)])  # noqa: S608
        return bool(cursor.fetchone()[0])
