"""Checks of the invariants I1 to I7, of prices, and of what guards them."""

from credits.features import OperationType
from credits.integrity.base import GRANTS, ROWS, checks
from credits.integrity.guards import ACCOUNT, GUARDS, HOLD, SETTINGS

BALANCES, ACCOUNTS, HOLDS = ("user", "{balances}"), ("user", ACCOUNT), ("charge", HOLD)
CHARGES, ALLOCATIONS = ("charge", "{rows}"), ("allocation", "{allocations}")
OPERATIONS = ", ".join(f"'{value}'" for value in OperationType.values)

CHECKS = [
    *checks(
        "I1",
        balance_not_negative=(
            BALANCES,
            "No balance is below 0.",
            "SELECT account_id FROM {balances} b WHERE credits_remaining < 0",
        ),
    ),
    *checks(
        "I2",
        balance_is_the_journal=(
            BALANCES,
            "Each balance is minus the sum of its user's rows.",
            """
            SELECT account_id FROM {balances} b
            FULL JOIN (SELECT account_id, sum(credits_used) AS used
                       FROM {movements} m GROUP BY account_id) j USING (account_id)
            WHERE b.credits_remaining IS DISTINCT FROM -coalesce(j.used, 0)
            """,
        ),
        rows_chain=(
            ROWS,
            "Each row's balance_after is the row's before it, less credits_used.",
            """
            SELECT id FROM (
                SELECT id, balance_after + credits_used AS before,
                    lag(balance_after, 1, 0::bigint)
                        OVER (PARTITION BY account_id ORDER BY id) AS last
                -- OFFSET 0: read in order and sorted, not by an index from one place to another.
                FROM (SELECT id, account_id, balance_after, credits_used
                      FROM {movements} m OFFSET 0) j) chain
            WHERE before <> last
            """,
        ),
        balance_stands_at_the_last_row=(
            BALANCES,
            "Each balance stands at its user's last row.",
            """
            SELECT account_id FROM {balances} b
            LEFT JOIN (SELECT account_id, max(id) AS last
                       FROM {movements} m GROUP BY account_id) j USING (account_id)
            WHERE b.last_usage_id <> coalesce(j.last, 0)
            """,
        ),
    ),
    *checks(
        "I4",
        refund_names_its_charge=(
            ROWS,
            "Each refund names an earlier charge of the same user and kind.",
            """
            SELECT r.id FROM {rows} r
            LEFT JOIN credits_usagehistory c ON c.id = r.refund_of_id AND c.id < r.id
                AND c.account_id = r.account_id AND c.operation_type = r.operation_type
                AND c.unit_cost IS NOT NULL AND c.refund_of_id IS NULL
            WHERE r.refund_of_id IS NOT NULL AND c.id IS NULL
            """,
        ),
        refunds_within_charge=(
            CHARGES,
            "A charge's refunds are together no more than it took.",
            """
            SELECT c.id FROM credits_usagehistory c
            JOIN (SELECT refund_of_id, -sum(credits_used) AS returned
                  FROM {refunds} b GROUP BY refund_of_id) r ON r.refund_of_id = c.id
            WHERE r.returned > c.credits_used
            """,
        ),
        refund_says_why=(
            ROWS,
            "Each refund is marked as one and gives its reason.",
            """
            SELECT id FROM {rows} r
            WHERE refund_of_id IS NOT NULL
                AND NOT (details @> '{"refund": true}' AND details ? 'reason')
            """,
        ),
    ),
    *checks(
        "I5",
        balance_is_the_grants=(
            BALANCES,
            "Each balance is the sum of what is left of its user's grants.",
            """
            SELECT account_id FROM {balances} b
            FULL JOIN (SELECT account_id, sum(remaining) AS remaining
                       FROM {grants_of_balances} o GROUP BY account_id) g USING (account_id)
            WHERE coalesce(b.credits_remaining, 0) <> coalesce(g.remaining, 0)
            """,
        ),
        grant_is_its_allocations=(
            GRANTS,
            "What is left of each grant is what its rows put in and took out.",
            """
            SELECT g.id FROM {grants} g
            LEFT JOIN (SELECT grant_id, sum(amount) AS taken
                       FROM {allocations_of_grants} p GROUP BY grant_id) a ON a.grant_id = g.id
            WHERE g.remaining <> -coalesce(a.taken, 0)
            """,
        ),
        row_is_allocated=(
            ROWS,
            "Each row's credits are allocated to grants in full.",
            """
            SELECT u.id FROM {rows} u
            LEFT JOIN (SELECT usage_id, sum(amount) AS taken
                       FROM {allocations} p GROUP BY usage_id) a ON a.usage_id = u.id
            WHERE u.credits_used <> coalesce(a.taken, 0)
            """,
        ),
        allocation_within_user=(
            ALLOCATIONS,
            "Each row is paid by grants of its own user.",
            """
            SELECT a.id FROM {allocations} a
            JOIN {rows} u ON u.id = a.usage_id
            JOIN {grants} g ON g.id = a.grant_id
            WHERE u.account_id <> g.account_id
            """,
        ),
        refund_returns_to_its_payers=(
            ("charge", "{refunds}"),
            "Each refund went back to the grants that paid its charge, no more than each paid.",
            """
            SELECT DISTINCT back.charge_id FROM (
                SELECT r.refund_of_id AS charge_id, -sum(a.amount) AS returned,
                    coalesce(own.grant_id, g.replaces_id) AS payer_id
                FROM {refunds} r
                JOIN credits_grantallocation a ON a.usage_id = r.id
                JOIN credits_creditgrant g ON g.id = a.grant_id
                LEFT JOIN credits_grantallocation own
                    ON own.usage_id = r.refund_of_id AND own.grant_id = a.grant_id
                GROUP BY 1, 3) back
            LEFT JOIN credits_grantallocation paid
                ON paid.usage_id = back.charge_id AND paid.grant_id = back.payer_id
            WHERE back.returned > coalesce(paid.amount, 0)
            """,
        ),
        charge_paid_by_live_grants=(
            ("row", "{payments}"),
            "No charge was paid by credits that had expired.",
            """
            SELECT paid.id FROM {payments} paid
            JOIN credits_creditgrant g ON g.id = paid.grant_id
            WHERE g.expires_at <= paid.created_at
            """,
        ),
        grant_filled_once=(
            GRANTS,
            "Each grant came in whole, by one row; a refund's by its refund.",
            """
            SELECT g.id FROM {grants} g
            LEFT JOIN (SELECT grant_id, count(*) AS rows, -sum(credits_used) AS filled
                       FROM {rows_of_grants} r WHERE credits_used < 0
                       GROUP BY grant_id) u ON u.grant_id = g.id
            WHERE g.source <> 'refund' AND (u.rows, u.filled) IS DISTINCT FROM (1, g.amount)
            UNION ALL
            SELECT g.id FROM {grants} g
            WHERE g.source = 'refund' AND NOT EXISTS (
                SELECT FROM credits_grantallocation a
                JOIN credits_usagehistory r ON r.id = a.usage_id AND r.refund_of_id IS NOT NULL
                WHERE a.grant_id = g.id AND a.amount = -g.amount)
            """,
        ),
        refund_of_expired_credits_ends=(
            GRANTS,
            "Credits that came back after their grant had expired have an end.",
            "SELECT id FROM {grants} g WHERE source = 'refund' AND expires_at IS NULL",
        ),
        payer_prolongs_nothing=(
            GRANTS,
            "What a payer's own doing brought back of an expired grant left before anything else.",
            """
            SELECT g.id FROM {grants} g
            JOIN credits_grantallocation a ON a.grant_id = g.id
            JOIN credits_usagehistory r ON r.id = a.usage_id AND r.by_payer
            WHERE g.source = 'refund'
                -- Filled by this refund: its charge was not paid by the grant.
                AND NOT EXISTS (SELECT FROM credits_grantallocation own
                    WHERE own.usage_id = r.refund_of_id AND own.grant_id = g.id)
                AND NOT EXISTS (SELECT FROM credits_usagehistory e
                    WHERE e.grant_id = g.id AND e.operation_type = 'EXPIRY'
                        AND e.credits_used = g.amount
                        AND NOT EXISTS (SELECT FROM credits_usagehistory o
                            WHERE o.account_id = g.account_id AND o.id > r.id AND o.id < e.id
                                AND o.operation_type <> 'EXPIRY'))
            """,
        ),
        expired_grant_is_empty=(
            GRANTS,
            "A grant marked expired is past its expiry and holds nothing.",
            """
            SELECT id FROM {grants} g
            WHERE expired AND (remaining <> 0 OR expires_at IS NULL OR expires_at > credits_now())
            """,
        ),
        expiry_in_time=(
            GRANTS,
            "Expired credits have left (the sweeper runs).",
            """
            SELECT id FROM credits_creditgrant
            WHERE NOT expired AND expires_at < credits_now() - %(grace)s
            """,
        ),
    ),
    *checks(
        "I6",
        hold_of_an_open_charge=(
            HOLDS,
            "Each hold belongs to a charge of its user that nothing was returned of.",
            """
            SELECT h.charge_id FROM credits_hold h
            LEFT JOIN credits_usagehistory c ON c.id = h.charge_id
                AND c.account_id = h.account_id AND c.unit_cost IS NOT NULL
            WHERE c.id IS NULL
                OR EXISTS (SELECT FROM credits_usagehistory r WHERE r.refund_of_id = h.charge_id)
            """,
        ),
        hold_ends_in_time=(
            HOLDS,
            "No hold is long past its lease (the sweeper runs).",
            "SELECT charge_id FROM credits_hold WHERE lease_until < credits_now() - %(grace)s",
        ),
    ),
    *checks(
        "I7",
        key_charged_once=(
            ROWS,
            "An idempotency key stands on one row of its user.",
            """
            SELECT r.id FROM {rows} r WHERE EXISTS (
                SELECT FROM credits_usagehistory o WHERE o.account_id = r.account_id
                    AND o.idempotency_key = r.idempotency_key AND o.id <> r.id)
            """,
        ),
        grant_key_once=(
            GRANTS,
            "A grant key stands on one grant.",
            """
            SELECT g.id FROM {grants} g WHERE EXISTS (
                SELECT FROM credits_creditgrant o WHERE o.key = g.key AND o.id <> g.id)
            """,
        ),
    ),
    *checks(
        "price",
        charge_is_price_times_quantity=(
            ROWS,
            "Each charge is its unit cost times its quantity; nothing else has a unit cost.",
            """
            SELECT id FROM {rows} r
            WHERE credits_used <> unit_cost * quantity OR unit_cost < 0 OR quantity < 1
                OR (unit_cost IS NULL) <> (quantity IS NULL)
                OR (unit_cost IS NOT NULL AND refund_of_id IS NOT NULL)
            """,
        ),
        operation_known=(
            ROWS,
            "Each row's operation type is one that the site knows.",
            f"SELECT id FROM {{rows}} r WHERE operation_type NOT IN ({OPERATIONS})",  # noqa: S608 -- ours
        ),
        prices_are_whole_credits=(
            ("settings row", SETTINGS),
            "Prices are whole credits within their bounds.",
            """
            SELECT id FROM credits_adminsettings
            WHERE id <> 1 OR NOT credits_feature_costs_valid(feature_costs)
            """,
        ),
    ),
    *checks(
        "account",
        user_has_an_account=(
            ACCOUNTS,
            "Each user has a personal account with the same id, and each such account its user.",
            """
            SELECT coalesce(u.id, a.id)
            FROM credits_user u FULL JOIN credits_account a ON a.id = u.id
            WHERE (u.id IS NOT NULL) <> (a.kind IS NOT DISTINCT FROM 'personal')
            """,
        ),
    ),
    *checks(
        "all",
        guards_stand=(
            ("guard", f"(SELECT * FROM {GUARDS})"),  # noqa: S608 -- ours
            "Every trigger, constraint and unique index of the ledger stands and is in force.",
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
    ),
]
