"""Checks of what limits count (I11): counters are what the journal, its holds and uses come to."""

from credits.amounts import PICO
from credits.integrity.base import checks

CHECKS = [
    *checks(
        "I11",
        # As the triggers count: a charge on its own day; one by tokens by its use, one per unit
        # less what came back; until then by the most that it can cost.
        spend_is_counted=(
            ("account, member, key and day", "{spend_days}"),
            "Each day's counter is what the day's charges cost, and what is held of them.",
            f"""
            SELECT concat_ws(' ', account_id, member_id, api_key_id, day) FROM (
                SELECT c.account_id, coalesce(c.member_id, c.account_id) AS member_id,
                    coalesce(c.api_key_id, 0) AS api_key_id,
                    (c.created_at AT TIME ZONE 'UTC')::date AS day,
                    sum(CASE WHEN c.bound IS NOT NULL THEN coalesce(u.collected, 0)
                        WHEN h.charge_id IS NOT NULL THEN 0
                        ELSE (c.credits_used + coalesce(r.returned, 0)) * {PICO} END) AS spent,
                    sum(CASE WHEN c.bound IS NOT NULL AND u.charge_id IS NULL
                            OR h.charge_id IS NOT NULL
                        THEN coalesce(c.bound, c.credits_used * {PICO}::numeric)
                        ELSE 0 END) AS held
                FROM {{charges_of_days}} c
                LEFT JOIN credits_hold h ON h.charge_id = c.id
                LEFT JOIN credits_use u ON u.charge_id = c.id
                LEFT JOIN (SELECT refund_of_id, sum(credits_used) AS returned
                           FROM {{refunds_of_days}} b GROUP BY refund_of_id) r
                    ON r.refund_of_id = c.id
                GROUP BY 1, 2, 3, 4) due
            FULL JOIN {{spend_days}} s USING (account_id, member_id, api_key_id, day)
            WHERE (coalesce(due.spent, 0), coalesce(due.held, 0))
                <> (coalesce(s.spent, 0), coalesce(s.held, 0))
            """,  # noqa: S608 -- ours
        ),
        limited_account_is_counted=(
            ("limit", "credits_limit"),
            "Each account that has a limit is counted.",
            """
            SELECT l.id FROM credits_limit l
            LEFT JOIN credits_creditbalance b ON b.account_id = l.account_id
            WHERE b.counted IS NOT TRUE
            """,
        ),
    ),
]
