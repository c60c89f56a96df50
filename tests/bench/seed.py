"""A believable large base, made set by set: what thousands of people did in some months, with
grants, refunds and expiries that add up as the ledger's own would. The triggers that post a row one
by one are off meanwhile (a million rows would take half an hour); `check_ledger` proves the end.

    DEBUG=1 python -m tests.bench.seed --rows 20000 --users 300

writes into the embedded database, or into one that is named on purpose. What it adds cannot be
taken out again, because the journal keeps what it has."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from credits.features import FEATURES

#: Of the rows asked for, how many are charges; the rest are what goes with them.
CHARGES = 0.92
#: Why credits came back, and how often.
REASONS = {
    "provider_error": 0.45,
    "provider_timeout": 0.25,
    "stopped_before_first_token": 0.15,
    "empty_answer": 0.1,
    "lease_expired": 0.05,
}
#: A model of each kind that is no longer offered, and was little used.
RETIRED = {"text": "retired-text", "image": "retired-image"}

# Times fall on whole days with most work around noon; people who are used to it do most of it, and
# a charge is refunded three times in a hundred. `{…}` are names; values are bound.
STATEMENTS = [
    "SET LOCAL session_replication_role = replica",
    "SET LOCAL work_mem = '256MB'",
    "LOCK TABLE credits_usagehistory, credits_creditgrant IN EXCLUSIVE MODE",
    "SELECT setseed(0.42)",
    """
    CREATE TEMP TABLE seed_user ON COMMIT DROP AS
    SELECT n, nextval(pg_get_serial_sequence('credits_user', 'id')) AS id
    FROM generate_series(1, %(users)s) AS n
    """,
    """
    INSERT INTO credits_user (id, password, is_superuser, email, name, is_active, is_staff,
        alerts_by_mail, date_joined)
    SELECT id, '!', false, format('seed%%s@example.com', id), format('Seed %%s', n), true, false,
        true, %(opening)s::timestamptz
    FROM seed_user
    """,
    "INSERT INTO credits_account (id, kind) SELECT id, 'personal' FROM seed_user",
    """
    CREATE TEMP TABLE seed_dice ON COMMIT DROP AS
    SELECT n, 1 + floor(%(users)s * power(random(), 2))::int AS owner,
        %(opening)s::timestamptz + interval '1 day' * floor((%(days)s + 1) * power(random(), 0.8))
            + interval '24 hours' * ((random() + random() + random()) / 3) AS at,
        random() < 0.12 AS image, 1 + floor(4 * power(random(), 2))::int AS count,
        random() AS of_models, random() AS back, random() AS why, random() AS part
    FROM generate_series(1, %(charges)s) AS n
    """,
    """
    CREATE TEMP TABLE seed_charge ON COMMIT DROP AS
    SELECT n, owner, least(at, at_or_before) AS at,
        floor(extract(epoch FROM least(at, at_or_before) - %(opening)s) / 2592000)::int AS period,
        CASE WHEN image THEN %(image_cost)s ELSE %(text_cost)s END::bigint AS unit,
        CASE WHEN image THEN count ELSE 1 END AS quantity, image,
        CASE WHEN image THEN (%(image_models)s::text[])[
                1 + floor(power(of_models, 3) * %(n_image)s)::int]
            ELSE (%(text_models)s::text[])[
                1 + floor(power(of_models, 6) * %(n_text)s)::int] END AS model,
        back < 0.03 AS back, why, part
    FROM seed_dice CROSS JOIN LATERAL (SELECT CASE WHEN at > %(now)s
        THEN at - interval '1 day' * ceil(extract(epoch FROM at - %(now)s) / 86400 + 0.001)
        ELSE at END) AS past(at_or_before)
    """,
    """
    CREATE TEMP TABLE seed_refund ON COMMIT DROP AS
    SELECT n, owner, period, at + interval '45 seconds' * part AS at, image,
        -unit * CASE WHEN part < 0.3 THEN 1 ELSE quantity END AS used,
        (SELECT reason FROM unnest(%(reasons)s::text[], %(chances)s::float8[]) AS r(reason, upto)
            WHERE why <= upto ORDER BY upto LIMIT 1) AS reason
    FROM seed_charge
    WHERE back AND at + interval '1 minute' < least(%(now)s,
        %(opening)s::timestamptz + (period + 1) * interval '30 days')
    """,
    """
    CREATE TEMP TABLE seed_grant ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY at, owner) + %(grant_base)s AS id, spent.*,
        tier AS amount, ends <= %(now)s AS expired, tier - used + back AS left_over
    FROM (
        SELECT owner, period, min(at) AS at, sum(used)::bigint AS used,
            sum(back)::bigint AS back,
            %(opening)s::timestamptz + (period + 1) * interval '30 days' AS ends
        FROM (SELECT owner, period, at, unit * quantity AS used, 0 AS back FROM seed_charge
            UNION ALL SELECT owner, period, at, 0, -used FROM seed_refund) moved
        GROUP BY owner, period) spent
    CROSS JOIN LATERAL (SELECT coalesce(
        (SELECT min(t) FROM unnest(ARRAY[50, 200, 500, 2000, 10000]) AS t WHERE t >= used),
        ceil(used / 1000.0) * 1000)::bigint) AS plan(tier)
    """,
    """
    INSERT INTO credits_creditgrant (id, account_id, source, amount, remaining, priority,
        expires_at, expired, key, details, created_at)
    SELECT g.id, u.id, 'plan', amount, CASE WHEN expired THEN 0 ELSE left_over END, 50, ends,
        expired, format('seed:%%s:%%s', u.id, period), '{}', at
    FROM seed_grant g JOIN seed_user u ON u.n = g.owner ORDER BY g.id
    """,
    """
    CREATE TEMP TABLE seed_row ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY at, rank, owner, charge) + %(row_base)s AS id, moved.*
    FROM (
        SELECT owner, period, at, 2 AS rank, n AS charge, %(image_type)s AS operation,
            unit * quantity AS used, unit, quantity,
            jsonb_build_object('feature', %(image_key)s::text, 'model', model) AS details
        FROM seed_charge WHERE image
        UNION ALL
        SELECT owner, period, at, 2, n, %(text_type)s, unit * quantity, unit, quantity,
            jsonb_build_object('feature', %(text_key)s::text, 'model', model)
        FROM seed_charge WHERE NOT image
        UNION ALL
        SELECT owner, period, at, 3, n, CASE WHEN image THEN %(image_type)s ELSE %(text_type)s END,
            used, NULL, NULL, jsonb_build_object('refund', true, 'reason', reason)
        FROM seed_refund
        UNION ALL
        SELECT owner, period, at, 1, NULL, 'GRANT', -amount, NULL, NULL, '{"source": "plan"}'
        FROM seed_grant
        UNION ALL
        SELECT owner, period, ends, 0, NULL, 'EXPIRY', left_over, NULL, NULL, '{"source": "plan"}'
        FROM seed_grant WHERE expired AND left_over > 0) moved
    """,
    "CREATE INDEX ON seed_row (charge) WHERE rank = 2",
    "ANALYZE seed_row",
    """
    INSERT INTO credits_usagehistory (id, account_id, operation_type, credits_used, balance_after,
        unit_cost, quantity, details, refund_of_id, grant_id, created_at)
    SELECT r.id, u.id, r.operation, r.used,
        -sum(r.used) OVER (PARTITION BY r.owner ORDER BY r.id), r.unit, r.quantity, r.details,
        CASE WHEN r.rank = 3 THEN c.id END,
        CASE WHEN r.rank < 2 THEN g.id END, r.at
    FROM seed_row r
    JOIN seed_user u ON u.n = r.owner
    LEFT JOIN seed_row c ON r.rank = 3 AND c.rank = 2 AND c.charge = r.charge
    LEFT JOIN seed_grant g ON r.rank < 2 AND g.owner = r.owner AND g.period = r.period
    ORDER BY r.id
    """,
    """
    INSERT INTO credits_grantallocation (usage_id, grant_id, amount)
    SELECT r.id, g.id, r.used FROM seed_row r JOIN seed_grant g USING (owner, period)
    WHERE r.used <> 0 ORDER BY r.id
    """,
    """
    INSERT INTO credits_creditbalance (account_id, credits_remaining, last_usage_id)
    SELECT u.id, -sum(r.used), max(r.id) FROM seed_row r JOIN seed_user u ON u.n = r.owner
    GROUP BY u.id
    """,
    """
    SELECT setval(pg_get_serial_sequence('credits_usagehistory', 'id'),
            (SELECT max(id) FROM credits_usagehistory)),
        setval(pg_get_serial_sequence('credits_creditgrant', 'id'),
            (SELECT max(id) FROM credits_creditgrant))
    """,
]
END = ["DROP TABLE {}".format(", ".join(
    f"seed_{name}" for name in ("user", "dice", "charge", "refund", "grant", "row"))),
    "SET LOCAL session_replication_role = origin", "SET LOCAL work_mem TO DEFAULT"]  # fmt: skip


class Seeded(NamedTuple):
    """What was made."""

    rows: int
    users: int


@transaction.atomic
def seed_usage(*, rows: int, users: int, days: int) -> Seeded:
    """Adds about so many rows by so many new users (`seed17@example.com`, who cannot sign in) in
    the last `days` days. The ledger stands still meanwhile. Needs a superuser of the database. The
    rollup is stale afterwards: `credits.reports.rollup.rebuild`."""
    with connection.cursor() as cursor:
        values = _values(cursor, rows, users, days)
        for statement in STATEMENTS:
            cursor.execute(statement, values if "%(" in statement or "%%" in statement else None)
        cursor.execute("SELECT count(*), count(DISTINCT owner) FROM seed_row")
        made = Seeded(*cursor.fetchone())
        for statement in END:
            cursor.execute(statement)
    return made


def _values(cursor: Any, rows: int, users: int, days: int) -> dict[str, Any]:
    cursor.execute("SELECT credits_now(), (SELECT max(id) FROM credits_usagehistory),"
                   " (SELECT max(id) FROM credits_creditgrant)")  # fmt: skip
    now, last_row, last_grant = cursor.fetchone()
    opening = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    text, image = FEATURES["ai_text_chat"], FEATURES["ai_image_generation"]
    text_models = [*settings.AI_TEXT_MODELS, RETIRED["text"]]
    image_models = [*settings.AI_IMAGE_MODELS, RETIRED["image"]]
    chances = [sum(list(REASONS.values())[: place + 1]) for place in range(len(REASONS))]
    return {
        "now": now, "opening": opening, "days": days, "users": users,
        "charges": max(int(rows * CHARGES), 1),
        "row_base": last_row or 0, "grant_base": last_grant or 0,
        "text_models": text_models, "n_text": len(text_models),
        "image_models": image_models, "n_image": len(image_models),
        "text_cost": text.default_cost, "image_cost": image.default_cost,
        "text_type": text.operation_type.value, "image_type": image.operation_type.value,
        "text_key": text.key, "image_key": image.key,
        "reasons": list(REASONS), "chances": [*chances[:-1], 1.0],
    }  # fmt: skip


def tidy() -> None:
    """What autovacuum would do in time: statistics, and summaries for the index by time."""
    vacuum = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
    tables = ("usagehistory", "grantallocation", "creditgrant", "creditbalance", "user")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"{vacuum} credits_{table}")


def _whole(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.seed", description=__doc__)
    parser.add_argument("--rows", type=_whole, default=100_000, help="of the journal, about")
    parser.add_argument("--users", type=_whole, default=1_000)
    parser.add_argument("--days", type=_whole, default=90, help="how far back it goes")
    parser.add_argument(
        "--confirm-database",
        metavar="NAME",
        help="the name of the database, where it is not the embedded one",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Seeds and prints what was made. Exits with a sentence where the database was not named."""
    from credits.reports.rollup import rebuild

    asked = _arguments(arguments)
    name = connection.settings_dict["NAME"]
    if not settings.EMBEDDED_DATABASE and asked.confirm_database != name:
        sys.exit(
            "This is not the embedded database. What is added cannot be taken out again; to "
            f"add it nevertheless: --confirm-database {name}"
        )
    started = monotonic()
    made = seed_usage(rows=asked.rows, users=asked.users, days=asked.days)
    print(f"{made.rows:,} rows by {made.users:,} users in {monotonic() - started:.1f} s.")
    started = monotonic()
    tidy()
    days = rebuild()
    print(f"{days} days closed in {monotonic() - started:.1f} s.")
    print("Prove it with: manage.py check_ledger")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main()
