"""Which rows the checks look at: all there are, or those that changed since the last clean run.

A check names the rows that it judges by a placeholder (`{rows}`, `{grants}`, …; see RELATIONS) and
everything that it looks up beside them by the table's name. So the SQL of a check is the same in a
whole run and in one of what changed.

**What changed** is told by `xmin`, the number of the transaction that wrote a row's version. A
clean run keeps the smallest number that was still running at its snapshot (the horizon). Whoever
wrote something that this snapshot did not show had that number or a greater one: a transaction that
was in flight then and commits later, whatever ids its rows took, as well as all that began after
it. What has a smaller number was over by then, and the clean run saw it. (A savepoint's number is
greater than its transaction's, so that this holds for what is written inside one.) Tables with a
row for each account, grant or day are small enough to be asked for their `xmin`. The journal is
not; but each of its rows changes the balance of its account, so the accounts are known, and an
account's newer rows are those that follow its last one from before the horizon: the lock on the
balance makes the ids of an account follow the order of its commits.

**Why that is enough.** The rows of the journal never change. An account's last row from before the
horizon stands for all before it: the clean run proved that its `balance_after` is minus their sum.
`{movements}` holds it as a row of its own, the opening balance. What was changed by hand, with the
guards off, in rows that are older is found by the next whole run."""

import re
from collections.abc import Mapping
from typing import Any

from django.db.backends.utils import CursorWrapper

from credits.models.rollup import LedgerCheck

#: Placeholder → what it means; `whole` is the table, `changed` the part that changed.
WHOLE: Mapping[str, str] = {
    "rows": "credits_usagehistory",
    # Columns id, account_id, credits_used, balance_after: the rows and what came before them.
    "movements": "credits_usagehistory",
    # Every refund of the charges that `rows` has a refund of.
    "refunds": "(SELECT * FROM credits_usagehistory WHERE refund_of_id IS NOT NULL)",
    # The rows that name a grant of `grants`.
    "rows_of_grants": "(SELECT * FROM credits_usagehistory WHERE grant_id IS NOT NULL)",
    "balances": "credits_creditbalance",
    "grants_of_balances": "credits_creditgrant",
    "grants": "credits_creditgrant",
    # Of `rows`.
    "allocations": "credits_grantallocation",
    "allocations_of_grants": "credits_grantallocation",
    # Columns id, grant_id, created_at: the charges that a grant paid; of `rows`, and of `grants`
    # whose end has come.
    "payments": """(SELECT u.id, a.grant_id, u.created_at FROM credits_grantallocation a
        JOIN credits_usagehistory u ON u.id = a.usage_id
        WHERE a.amount > 0 AND u.unit_cost IS NOT NULL)""",
    # The charges of `rows`, and those that were held at the clean run: what came of them.
    "charges": "credits_usagehistory",
    # Of `charges`.
    "uses": "credits_use",
    "paid_ahead": "credits_paidahead",
    # Every use of the accounts of `paid_ahead` and `uses`.
    "uses_of_accounts": "credits_use",
    # Counters, and every charge of their accounts on these days.
    "spend_days": "credits_spendday",
    "charges_of_days": """(SELECT c.* FROM credits_usagehistory c
        JOIN credits_creditbalance b USING (account_id)
        WHERE b.counted AND c.unit_cost IS NOT NULL)""",
    "refunds_of_days": "(SELECT * FROM credits_usagehistory WHERE refund_of_id IS NOT NULL)",
    "audit_entries": "credits_auditentry",
    "periods": "credits_period",
    # `periods`, and those of other items that are the same to their payer: they earn once.
    "same_periods": "credits_period",
    # Of `grants` and of `periods`.
    "plan_grants": "credits_creditgrant",
    # Columns since, until: the times that closed days cover.
    "spans": """(SELECT '-infinity'::timestamptz AS since,
        (max(day) + 1)::timestamp AT TIME ZONE 'UTC' AS until FROM credits_usageday)""",
    "days": "credits_usageday",
    "slices": "credits_usageslice",
    "use_slices": "credits_useslice",
    "active_accounts": "credits_activeaccount",
}

CHANGED: Mapping[str, str] = {
    "rows": "checked_rows",
    "movements": """(SELECT id, account_id, credits_used, balance_after FROM checked_rows
        UNION ALL SELECT since, account_id, -opening, opening FROM checked_accounts
        WHERE since > 0)""",
    "refunds": "checked_refunds",
    "rows_of_grants": """(SELECT u.* FROM checked_grants g
        JOIN credits_usagehistory u ON u.grant_id = g.id)""",
    "balances": """(SELECT b.* FROM checked_accounts
        JOIN credits_creditbalance b USING (account_id))""",
    "grants_of_balances": """(SELECT g.* FROM checked_accounts
        JOIN credits_creditgrant g USING (account_id))""",
    "grants": "checked_grants",
    "allocations": "checked_allocations",
    "allocations_of_grants": """(SELECT a.* FROM checked_grants g
        JOIN credits_grantallocation a ON a.grant_id = g.id)""",
    "payments": "checked_payments",
    "charges": "checked_charges",
    "uses": "checked_uses",
    "paid_ahead": "checked_paid_ahead",
    "uses_of_accounts": """(SELECT u.* FROM (SELECT account_id FROM checked_paid_ahead
        UNION SELECT account_id FROM checked_uses) a JOIN credits_use u USING (account_id))""",
    "spend_days": """(SELECT s.* FROM checked_account_days
        JOIN credits_spendday s USING (account_id, day))""",
    "charges_of_days": "checked_charges_of_days",
    "refunds_of_days": """(SELECT r.* FROM checked_charges_of_days c
        JOIN credits_usagehistory r ON r.refund_of_id = c.id)""",
    "audit_entries": "checked_audit_entries",
    "periods": "(SELECT p.* FROM checked_periods JOIN credits_period p USING (id))",
    "same_periods": "(SELECT p.* FROM checked_same_periods JOIN credits_period p USING (id))",
    "plan_grants": """(SELECT * FROM checked_grants WHERE subscription_item_id IS NOT NULL
        UNION SELECT g.* FROM checked_periods p
        JOIN credits_creditgrant g ON g.period_id = p.id)""",
    "spans": """(SELECT day::timestamp AT TIME ZONE 'UTC' AS since,
        (day + 1)::timestamp AT TIME ZONE 'UTC' AS until FROM checked_days)""",
    "days": "(SELECT d.* FROM checked_days JOIN credits_usageday d USING (day))",
    "slices": "(SELECT s.* FROM checked_days JOIN credits_usageslice s USING (day))",
    "use_slices": "(SELECT s.* FROM checked_days JOIN credits_useslice s USING (day))",
    "active_accounts": "checked_active_accounts",
}

#: `is_new(x)`: whether the version of row x is younger than the horizon. Numbers of transactions
#: are compared by their age, which is right over 2^31 of them; a version that is older may look
#: young, and is then judged again.
IS_NEW = r"(age(\1.xmin) <= age(%(horizon)s::text::xid))"

#: What CHANGED reads, in this order; `last_row` is the newest row of the journal that the clean run
#: saw: a row that was put in since with the guards off changed no balance. OFFSET 0: one account
#: after the other, by the index.
TABLES = {
    "checked_accounts": """
        SELECT account_id, coalesce(before.id, 0) AS since,
            coalesce(before.balance_after, 0) AS opening
        FROM (
            SELECT account_id FROM credits_creditbalance b WHERE is_new(b)
            UNION SELECT account_id FROM credits_creditgrant g WHERE is_new(g)
            UNION SELECT account_id FROM credits_usagehistory WHERE id > %(last_row)s
        ) changed LEFT JOIN LATERAL (
            SELECT id, balance_after FROM credits_usagehistory u
            WHERE u.account_id = changed.account_id AND NOT is_new(u)
            ORDER BY id DESC LIMIT 1) before ON true
    """,
    "checked_rows": """
        SELECT u.* FROM checked_accounts k CROSS JOIN LATERAL (
            SELECT * FROM credits_usagehistory u
            WHERE u.account_id = k.account_id AND u.id > k.since OFFSET 0) u
    """,
    "checked_allocations": """
        SELECT a.* FROM checked_rows r JOIN credits_grantallocation a ON a.usage_id = r.id
    """,
    "checked_grants": """
        SELECT g.* FROM credits_creditgrant g
        WHERE is_new(g) OR id IN (SELECT grant_id FROM checked_allocations)
    """,
    # No row is dated more than a minute ahead: a grant that ends later ended before no charge.
    "checked_payments": """
        SELECT u.id, a.grant_id, u.created_at FROM checked_allocations a
        JOIN checked_rows u ON u.id = a.usage_id WHERE a.amount > 0 AND u.unit_cost IS NOT NULL
        UNION ALL SELECT u.id, a.grant_id, u.created_at
        FROM (SELECT id FROM checked_grants
            WHERE expires_at <= credits_now() + interval '1 minute' OFFSET 0) g
        JOIN credits_grantallocation a ON a.grant_id = g.id
        JOIN credits_usagehistory u ON u.id = a.usage_id
        WHERE a.amount > 0 AND u.unit_cost IS NOT NULL
    """,
    "checked_refunds": """
        SELECT u.* FROM (SELECT DISTINCT refund_of_id FROM checked_rows
            WHERE refund_of_id IS NOT NULL) r
        JOIN credits_usagehistory u USING (refund_of_id)
    """,
    "checked_periods": """
        SELECT p.id FROM credits_period p JOIN credits_subscriptionitem i ON i.id = p.item_id
        WHERE is_new(p) OR is_new(i)
            OR p.id IN (SELECT period_id FROM checked_grants)
    """,
    "checked_same_periods": """
        SELECT DISTINCT o.id FROM checked_periods JOIN credits_period p USING (id)
        JOIN credits_subscriptionitem i ON i.id = p.item_id
        JOIN credits_subscriptionitem j ON j.payer_id = i.payer_id
        JOIN credits_period o ON o.item_id = j.id
            AND (o.plan_id, o.start, o.trial) = (p.plan_id, p.start, p.trial)
    """,
    # A hold ends without a row where all of its charge is kept.
    "checked_charges": """
        SELECT * FROM checked_rows WHERE unit_cost IS NOT NULL
        UNION ALL SELECT * FROM credits_usagehistory WHERE id = ANY(%(held)s)
            AND NOT EXISTS (SELECT FROM checked_rows r WHERE r.id = credits_usagehistory.id)
    """,
    "checked_uses": """
        SELECT u.* FROM checked_charges c JOIN credits_use u ON u.charge_id = c.id
    """,
    "checked_paid_ahead": """
        SELECT * FROM credits_paidahead p
        WHERE is_new(p) OR account_id IN (SELECT account_id FROM checked_uses)
    """,
    "checked_account_days": """
        SELECT account_id, day FROM credits_spendday s WHERE is_new(s)
        UNION SELECT c.account_id, (c.created_at AT TIME ZONE 'UTC')::date
        FROM (SELECT id FROM checked_charges UNION SELECT refund_of_id FROM checked_refunds) o
        JOIN credits_usagehistory c USING (id)
        JOIN credits_creditbalance b ON b.account_id = c.account_id AND b.counted
    """,
    # By the index on the time, where a day's rows are; `+ 0` keeps the planner from looking for the
    # first one of all rows in the order of their ids.
    "checked_charges_of_days": """
        SELECT c.* FROM (SELECT day, array_agg(account_id) AS accounts FROM checked_account_days
            GROUP BY day) d
        CROSS JOIN LATERAL (SELECT min(id + 0) AS first, max(id + 0) AS last
            FROM credits_usagehistory u WHERE u.created_at >= d.day::timestamp AT TIME ZONE 'UTC'
                AND u.created_at < (d.day + 1)::timestamp AT TIME ZONE 'UTC') bounds
        CROSS JOIN LATERAL unnest(d.accounts) AS a(account_id)
        CROSS JOIN LATERAL (SELECT * FROM credits_usagehistory u
            WHERE u.account_id = a.account_id AND u.id BETWEEN bounds.first AND bounds.last
                AND (u.created_at AT TIME ZONE 'UTC')::date = d.day
                AND u.unit_cost IS NOT NULL OFFSET 0) c
    """,
    "checked_audit_entries": "SELECT * FROM credits_auditentry e WHERE is_new(e)",
    "checked_active_accounts": """
        SELECT * FROM credits_activeaccount a WHERE is_new(a)
    """,
    "checked_days": """
        SELECT day FROM credits_usageday d WHERE is_new(d)
        UNION SELECT day FROM credits_usageslice s WHERE is_new(s)
        UNION SELECT day FROM credits_useslice s WHERE is_new(s)
    """,
}


def fill(sql: str, relations: Mapping[str, str]) -> str:
    """The SQL with each placeholder replaced by its relation, WHOLE's or CHANGED's."""
    return re.sub(r"\{(\w+)\}", lambda name: relations[name[1]], sql)


def collect_changes(cursor: CursorWrapper, since: LedgerCheck) -> None:
    """Makes the temporary tables that CHANGED reads, of what changed since that clean run. They go
    with the end of the transaction."""
    # The changes were written a moment ago: they are in memory, and few beside what is there.
    cursor.execute("SET LOCAL random_page_cost = 1.1")
    cursor.execute("SET LOCAL jit = off")
    values: dict[str, Any] = {
        "horizon": since.horizon % 2**32,
        "last_row": since.last_row,
        "held": since.held,
    }
    for name, query in TABLES.items():
        filled = re.sub(r"is_new\((\w)\)", IS_NEW, query)
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {filled}", values)
        cursor.execute(f"ANALYZE {name}")
