"""The rollup's part of `check_ledger`: what it says of closed days is what the journal says."""

from credits.integrity.base import checks

CHECKS = [
    *checks(
        "rollup",
        rollup_is_the_journal=(
            ("slice", "credits_usageslice"),
            "Each closed day's sums are those of its rows.",
            """
            SELECT concat_ws(' ', day, kind, operation_type, model, reason)
            FROM (SELECT s.* FROM (SELECT max(day) + 1 AS day FROM credits_usageday) opened,
                credits_slices('-infinity', opened.day::timestamp AT TIME ZONE 'UTC') s) j
            FULL JOIN credits_usageslice s USING (day, kind, operation_type, model, reason)
            WHERE (j.rows, j.credits, j.first_id, j.last_id)
                IS DISTINCT FROM (s.rows, s.credits, s.first_id, s.last_id)
            """,
        ),
        days_close_in_order=(
            ("day", "credits_usageday"),
            "Closed days follow each other without gaps, and count their rows.",
            """
            SELECT day FROM (
                SELECT day, rows, lag(day) OVER (ORDER BY day) AS before FROM credits_usageday) d
            WHERE before <> day - 1
                OR rows <> (SELECT coalesce(sum(s.rows), 0) FROM credits_usageslice s
                    WHERE s.day = d.day)
            """,
        ),
        active_users_are_the_journal=(
            ("day or user", "credits_usageday"),
            "Each closed day's active users are those who were charged on it.",
            """
            WITH active AS MATERIALIZED (
                SELECT account_id, day FROM credits_facts('-infinity', 'infinity')
                WHERE kind = 'charge' AND day <= (SELECT max(d.day) FROM credits_usageday d)
                GROUP BY account_id, day)
            SELECT 'day ' || day FROM credits_usageday
            LEFT JOIN (SELECT day, count(*) AS users FROM active GROUP BY day) a USING (day)
            WHERE active_accounts <> coalesce(users, 0)
            UNION ALL
            SELECT 'user ' || account_id FROM credits_activeaccount
            FULL JOIN (SELECT account_id, max(day) AS day FROM active GROUP BY account_id) a
                USING (account_id)
            WHERE last_day IS DISTINCT FROM day
            """,
        ),
    ),
]
