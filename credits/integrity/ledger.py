"""Checks of the invariants I1 to I7, of prices, and of what guards them."""

from credits.features import OperationType
from credits.integrity.base import Check

ACCOUNT = "credits_account"
USER = "credits_user"
USAGE = "credits_usagehistory"
BALANCE = "credits_creditbalance"
GRANT = "credits_creditgrant"
ALLOCATION = "credits_grantallocation"
HOLD = "credits_hold"
SETTINGS = "credits_adminsettings"


#: What PostgreSQL keeps the rules with. Without one of these the data may still be right, by luck.
TRIGGERS = {
    USER: [
        "account_comes_with_its_user",
        "account_goes_with_its_user",
        "account_keeps_its_user",
        "account_no_truncate",
    ],
    ACCOUNT: ["account_opened_by_its_user", "account_stays", "account_no_truncate"],
    USAGE: ["i2_post_row", "i3_usage_append_only", "i3_no_truncate"],
    BALANCE: [
        "i2_balance_by_journal_only",
        "i2_balance_starts_empty",
        "i2_balance_stays",
        "i2_no_truncate",
    ],
    GRANT: [
        "i5_grant_by_journal_only",
        "i5_grant_starts_empty",
        "i5_grant_comes_with_its_row",
        "i5_grant_stays",
        "i5_no_truncate",
    ],
    ALLOCATION: ["i5_allocation_by_journal_only", "i5_allocation_append_only", "i5_no_truncate"],
    HOLD: [
        "i6_hold_opens_with_its_charge",
        "i6_hold_keeps_its_charge",
        "i6_hold_ends_by_name",
        "i6_no_truncate",
    ],
}
CONSTRAINTS = {
    ACCOUNT: ["account_kind_known"],
    USAGE: ["usage_operation_known", "usage_row_shape"],
    BALANCE: ["i1_balance_not_negative"],
    GRANT: [
        "grant_amount_positive",
        "i5_grant_remaining_within_amount",
        "i5_expired_grant_is_empty",
    ],
    ALLOCATION: ["allocation_not_zero"],
    SETTINGS: ["admin_settings_one_row", "feature_costs_valid"],
}
INDEXES = {
    ACCOUNT: ["credits_account_pkey"],
    USAGE: ["i7_usage_key_once", "i5_grant_posted_once"],
    BALANCE: ["credits_creditbalance_pkey"],
    GRANT: ["credits_creditgrant_key_key"],
    HOLD: ["credits_hold_pkey"],
}


def _guards() -> str:
    """The guards as a table for SQL: kind, name, the table it stands on."""
    kinds = {"trigger": TRIGGERS, "constraint": CONSTRAINTS, "index": INDEXES}
    rows = [
        f"('{kind}', '{name}', '{table}')"
        for kind, tables in kinds.items()
        for table, names in tables.items()
        for name in names
    ]
    return f"(VALUES {', '.join(rows)}) AS guard(kind, name, relation)"


GUARDS = _guards()
OPERATIONS = ", ".join(f"'{value}'" for value in OperationType.values)

CHECKS: list[Check] = [
    Check(
        "balance_not_negative",
        "I1",
        "No balance is below 0.",
        "user",
        BALANCE,
        "SELECT account_id FROM credits_creditbalance WHERE credits_remaining < 0",
    ),
    Check(
        "balance_is_the_journal",
        "I2",
        "Each balance is minus the sum of its user's rows.",
        "user",
        BALANCE,
        """
        SELECT account_id FROM credits_creditbalance b
        FULL JOIN (SELECT account_id, sum(credits_used) AS used
                   FROM credits_usagehistory GROUP BY account_id) j USING (account_id)
        WHERE b.credits_remaining IS DISTINCT FROM -coalesce(j.used, 0)
        """,
    ),
    Check(
        "rows_chain",
        "I2",
        "Each row's balance_after is the row's before it, less credits_used.",
        "row",
        USAGE,
        """
        SELECT id FROM (
            SELECT id, balance_after + credits_used AS before,
                lag(balance_after, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY id) AS last
            -- OFFSET 0: read in order and sorted, not by an index from one place to another.
            FROM (SELECT id, account_id, balance_after, credits_used
                  FROM credits_usagehistory OFFSET 0) j) chain
        WHERE before <> last
        """,
    ),
    Check(
        "balance_stands_at_the_last_row",
        "I2",
        "Each balance stands at its user's last row.",
        "user",
        BALANCE,
        """
        SELECT account_id FROM credits_creditbalance b
        LEFT JOIN (SELECT account_id, max(id) AS last
                   FROM credits_usagehistory GROUP BY account_id) j USING (account_id)
        WHERE b.last_usage_id <> coalesce(j.last, 0)
        """,
    ),
    Check(
        "refund_names_its_charge",
        "I4",
        "Each refund names an earlier charge of the same user and kind.",
        "row",
        USAGE,
        """
        SELECT r.id FROM credits_usagehistory r
        LEFT JOIN credits_usagehistory c ON c.id = r.refund_of_id
            AND c.id < r.id AND c.account_id = r.account_id AND c.operation_type = r.operation_type
            AND c.unit_cost IS NOT NULL AND c.refund_of_id IS NULL
        WHERE r.refund_of_id IS NOT NULL AND c.id IS NULL
        """,
    ),
    Check(
        "refunds_within_charge",
        "I4",
        "A charge's refunds are together no more than it took.",
        "charge",
        USAGE,
        """
        SELECT c.id FROM credits_usagehistory c
        JOIN (SELECT refund_of_id, -sum(credits_used) AS returned
              FROM credits_usagehistory WHERE refund_of_id IS NOT NULL
              GROUP BY refund_of_id) r ON r.refund_of_id = c.id
        WHERE r.returned > c.credits_used
        """,
    ),
    Check(
        "refund_says_why",
        "I4",
        "Each refund is marked as one and gives its reason.",
        "row",
        USAGE,
        """
        SELECT id FROM credits_usagehistory
        WHERE refund_of_id IS NOT NULL
            AND NOT (details @> '{"refund": true}' AND details ? 'reason')
        """,
    ),
    Check(
        "balance_is_the_grants",
        "I5",
        "Each balance is the sum of what is left of its user's grants.",
        "user",
        BALANCE,
        """
        SELECT account_id FROM credits_creditbalance b
        FULL JOIN (SELECT account_id, sum(remaining) AS remaining
                   FROM credits_creditgrant GROUP BY account_id) g USING (account_id)
        WHERE coalesce(b.credits_remaining, 0) <> coalesce(g.remaining, 0)
        """,
    ),
    Check(
        "grant_is_its_allocations",
        "I5",
        "What is left of each grant is what its rows put in and took out.",
        "grant",
        GRANT,
        """
        SELECT g.id FROM credits_creditgrant g
        LEFT JOIN (SELECT grant_id, sum(amount) AS taken
                   FROM credits_grantallocation GROUP BY grant_id) a ON a.grant_id = g.id
        WHERE g.remaining <> -coalesce(a.taken, 0)
        """,
    ),
    Check(
        "row_is_allocated",
        "I5",
        "Each row's credits are allocated to grants in full.",
        "row",
        USAGE,
        """
        SELECT u.id FROM credits_usagehistory u
        LEFT JOIN (SELECT usage_id, sum(amount) AS taken
                   FROM credits_grantallocation GROUP BY usage_id) a ON a.usage_id = u.id
        WHERE u.credits_used <> coalesce(a.taken, 0)
        """,
    ),
    Check(
        "allocation_within_user",
        "I5",
        "Each row is paid by grants of its own user.",
        "allocation",
        ALLOCATION,
        """
        SELECT a.id FROM credits_grantallocation a
        JOIN credits_usagehistory u ON u.id = a.usage_id
        JOIN credits_creditgrant g ON g.id = a.grant_id
        WHERE u.account_id <> g.account_id
        """,
    ),
    Check(
        "refund_returns_to_its_payers",
        "I5",
        "Each refund went back to the grants that paid its charge, no more than each paid.",
        "charge",
        ALLOCATION,
        """
        SELECT DISTINCT back.charge_id FROM (
            SELECT r.refund_of_id AS charge_id, coalesce(own.grant_id, g.replaces_id) AS payer_id,
                -sum(a.amount) AS returned
            FROM credits_usagehistory r
            JOIN credits_grantallocation a ON a.usage_id = r.id
            JOIN credits_creditgrant g ON g.id = a.grant_id
            LEFT JOIN credits_grantallocation own
                ON own.usage_id = r.refund_of_id AND own.grant_id = a.grant_id
            WHERE r.refund_of_id IS NOT NULL GROUP BY 1, 2) back
        LEFT JOIN credits_grantallocation paid
            ON paid.usage_id = back.charge_id AND paid.grant_id = back.payer_id
        WHERE back.returned > coalesce(paid.amount, 0)
        """,
    ),
    Check(
        "charge_paid_by_live_grants",
        "I5",
        "No charge was paid by credits that had expired.",
        "row",
        ALLOCATION,
        """
        SELECT u.id FROM credits_grantallocation a
        JOIN credits_usagehistory u ON u.id = a.usage_id AND u.unit_cost IS NOT NULL
        JOIN credits_creditgrant g ON g.id = a.grant_id
        WHERE a.amount > 0 AND g.expires_at <= u.created_at
        """,
    ),
    Check(
        "grant_filled_once",
        "I5",
        "Each grant came in whole, by one row; a refund's by its refund.",
        "grant",
        GRANT,
        """
        SELECT g.id FROM credits_creditgrant g
        LEFT JOIN (SELECT grant_id, count(*) AS rows, -sum(credits_used) AS filled
                   FROM credits_usagehistory WHERE grant_id IS NOT NULL AND credits_used < 0
                   GROUP BY grant_id) u ON u.grant_id = g.id
        WHERE g.source <> 'refund' AND (u.rows, u.filled) IS DISTINCT FROM (1, g.amount)
        UNION ALL
        SELECT g.id FROM credits_creditgrant g
        WHERE g.source = 'refund' AND NOT EXISTS (
            SELECT FROM credits_grantallocation a
            JOIN credits_usagehistory r ON r.id = a.usage_id AND r.refund_of_id IS NOT NULL
            WHERE a.grant_id = g.id AND a.amount = -g.amount)
        """,
    ),
    Check(
        "expired_grant_is_empty",
        "I5",
        "A grant marked expired is past its expiry and holds nothing.",
        "grant",
        GRANT,
        """
        SELECT id FROM credits_creditgrant
        WHERE expired AND (remaining <> 0 OR expires_at IS NULL OR expires_at > credits_now())
        """,
    ),
    Check(
        "expiry_in_time",
        "I5",
        "Expired credits have left (the sweeper runs).",
        "grant",
        GRANT,
        """
        SELECT id FROM credits_creditgrant
        WHERE NOT expired AND expires_at < credits_now() - %(grace)s
        """,
    ),
    Check(
        "hold_of_an_open_charge",
        "I6",
        "Each hold belongs to a charge of its user that nothing was returned of.",
        "charge",
        HOLD,
        """
        SELECT h.charge_id FROM credits_hold h
        LEFT JOIN credits_usagehistory c ON c.id = h.charge_id
            AND c.account_id = h.account_id AND c.unit_cost IS NOT NULL
        WHERE c.id IS NULL
            OR EXISTS (SELECT FROM credits_usagehistory r WHERE r.refund_of_id = h.charge_id)
        """,
    ),
    Check(
        "hold_ends_in_time",
        "I6",
        "No hold is long past its lease (the sweeper runs).",
        "charge",
        HOLD,
        "SELECT charge_id FROM credits_hold WHERE lease_until < credits_now() - %(grace)s",
    ),
    Check(
        "key_charged_once",
        "I7",
        "An idempotency key stands on one row of its user.",
        "row",
        USAGE,
        """
        SELECT max(id) FROM credits_usagehistory WHERE idempotency_key IS NOT NULL
        GROUP BY account_id, idempotency_key HAVING count(*) > 1
        """,
    ),
    Check(
        "grant_key_once",
        "I7",
        "A grant key stands on one grant.",
        "grant",
        GRANT,
        "SELECT max(id) FROM credits_creditgrant GROUP BY key HAVING count(*) > 1",
    ),
    Check(
        "charge_is_price_times_quantity",
        "price",
        "Each charge is its unit cost times its quantity; nothing else has a unit cost.",
        "row",
        USAGE,
        """
        SELECT id FROM credits_usagehistory
        WHERE credits_used <> unit_cost * quantity OR unit_cost < 0 OR quantity < 1
            OR (unit_cost IS NULL) <> (quantity IS NULL)
            OR (unit_cost IS NOT NULL AND refund_of_id IS NOT NULL)
        """,
    ),
    Check(
        "operation_known",
        "price",
        "Each row's operation type is one that the site knows.",
        "row",
        USAGE,
        f"SELECT id FROM credits_usagehistory WHERE operation_type NOT IN ({OPERATIONS})",  # noqa: S608 -- ours
    ),
    Check(
        "user_has_an_account",
        "account",
        "Each user has a personal account with the same id, and each such account its user.",
        "user",
        ACCOUNT,
        """
        SELECT coalesce(u.id, a.id) FROM credits_user u FULL JOIN credits_account a ON a.id = u.id
        WHERE (u.id IS NOT NULL) <> (a.kind IS NOT DISTINCT FROM 'personal')
        """,
    ),
    Check(
        "prices_are_whole_credits",
        "price",
        "Prices are whole credits within their bounds.",
        "settings row",
        SETTINGS,
        """
        SELECT id FROM credits_adminsettings
        WHERE id <> 1 OR NOT credits_feature_costs_valid(feature_costs)
        """,
    ),
    Check(
        "guards_stand",
        "all",
        "Every trigger, constraint and unique index of the ledger stands and is in force.",
        "guard",
        GUARDS,
        f"""
        SELECT name || ' on ' || relation FROM {GUARDS}
        WHERE CASE kind
            WHEN 'trigger' THEN NOT EXISTS (
                SELECT FROM pg_trigger WHERE tgname = guard.name
                    AND tgrelid = to_regclass(guard.relation) AND tgenabled IN ('O', 'A')
                    AND current_setting('session_replication_role') <> 'replica')
            WHEN 'constraint' THEN NOT EXISTS (
                SELECT FROM pg_constraint WHERE conname = guard.name
                    AND conrelid = to_regclass(guard.relation) AND convalidated)
            ELSE NOT EXISTS (
                SELECT FROM pg_index WHERE indexrelid = to_regclass(guard.name)
                    AND indrelid = to_regclass(guard.relation) AND indisunique AND indisvalid)
        END
        """,  # noqa: S608 -- ours
    ),
]
