"""The rollup's part of `check_ledger`: what it says of closed days is what the journal says."""

from credits.integrity.base import checks

CHECKS = [
    *checks(
        "rollup",
        rollup_is_the_journal=(
            ("slice", "{slices}"),
            "Each closed day's sums are those of its rows.",
            """
            SELECT concat_ws(' ', day, kind, operation_type, model, reason)
            FROM (SELECT s.* FROM {spans} span, credits_slices(span.since, span.until) s) j
            FULL JOIN {slices} s USING (day, kind, operation_type, model, reason)
            WHERE (j.rows, j.credits, j.first_id, j.last_id)
                IS DISTINCT FROM (s.rows, s.credits, s.first_id, s.last_id)
            """,
        ),
        rollup_is_the_uses=(
            ("use slice", "{use_slices}"),
            "Each closed day's sums of uses are those of the uses that ended on it.",
            """
            SELECT concat_ws(' ', day, model, source)
            FROM (SELECT s.* FROM {spans} span, credits_use_slices(span.since, span.until) s) j
            FULL JOIN {use_slices} s USING (day, model, source)
            WHERE (j.uses, j.input, j.cached, j.cache_write, j.output, j.reasoning, j.cost,
                    j.collected, j.uncollected_uses, j.known, j.known_collected, j.provider_cost)
                IS DISTINCT FROM (s.uses, s.input, s.cached, s.cache_write, s.output, s.reasoning,
                    s.cost, s.collected, s.uncollected_uses, s.known, s.known_collected,
                    s.provider_cost)
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
            ("day or user", "{days}"),
            "Each closed day's active users are those who were charged on it.",
            """
            WITH active AS MATERIALIZED (
                SELECT account_id, day
                FROM {spans} span, credits_facts(span.since, span.until) f
                WHERE kind = 'charge' GROUP BY account_id, day)
            SELECT 'day ' || day FROM {days} d
            LEFT JOIN (SELECT day, count(*) AS users FROM active GROUP BY day) a USING (day)
            WHERE active_accounts <> coalesce(users, 0)
            UNION ALL
            SELECT 'user ' || account_id FROM {active_accounts} known
            FULL JOIN (SELECT account_id, max(day) AS day FROM active GROUP BY account_id) a
                USING (account_id)
            WHERE last_day IS DISTINCT FROM day
            """,
        ),
    ),
]
