"""Whether PostgreSQL accepts what Python sells: a feature is added in one place, and until its
migration has run, its charges would be refused."""

from typing import NamedTuple

from django.db import connection

from credits.features import FEATURES, OperationType, UnknownFeature, to_operation_type

CONSTRAINTS = ("usage_operation_known", "usage_row_shape")
#: The columns of a charge of 1 credit; the constraints are asked about a row like this.
ROW = (
    "SELECT %s::varchar AS operation_type, 1::bigint AS credits_used, 1::bigint AS unit_cost,"
    " 1 AS quantity, NULL::bigint AS refund_of_id, NULL::bigint AS grant_id"
)


class Mapping(NamedTuple):
    """A feature, the type its charges are recorded as, and who knows that type."""

    feature: str
    operation_type: str
    in_python: bool
    in_database: bool


def check_features() -> list[Mapping]:
    """Asks the database's own constraints about a charge of every feature."""
    rules = _rules()
    return [_check(key, rules) for key in FEATURES]


def _check(feature: str, rules: list[str]) -> Mapping:
    try:
        operation = str(to_operation_type(feature))
    except UnknownFeature:
        return Mapping(feature, "", in_python=False, in_database=False)
    known = operation in OperationType.values
    return Mapping(feature, operation, in_python=known, in_database=_accepts(operation, rules))


def _rules() -> list[str]:
    """The conditions of the constraints as the database has them now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint"
            " WHERE conrelid = 'credits_usagehistory'::regclass AND conname = ANY(%s)",
            [list(CONSTRAINTS)],
        )
        return [rule for (rule,) in cursor.fetchall()]


def _accepts(operation: str, rules: list[str]) -> bool:
    if len(rules) != len(CONSTRAINTS):
        return False
    # The rules are the database's own text; per cent signs in them are no placeholders.
    conditions = " AND ".join(f"({rule.replace('%', '%%')})" for rule in rules)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {conditions} FROM ({ROW}) charge", [operation])  # noqa: S608
        return bool(cursor.fetchone()[0])
