"""Clerk's part of `check_ledger`: every plan grant has the paid period that earned it."""

from credits.integrity.base import Subject, checks

PLAN_GRANTS: Subject = ("grant", "{plan_grants}")

CHECKS = [
    *checks(
        "Clerk",
        plan_grant_has_its_period=(
            PLAN_GRANTS,
            "Each grant of a period is of its payer, and the period was earned.",
            """
            SELECT g.id FROM {plan_grants} g
            JOIN credits_period p ON p.id = g.period_id
            JOIN credits_subscriptionitem i ON i.id = p.item_id
            WHERE NOT p.earned OR g.subscription_item_id <> i.id OR NOT EXISTS (
                SELECT FROM credits_identity c WHERE i.payer_kind = 'user'
                    AND c.clerk_id = i.payer_id AND c.user_id = g.account_id)
            """,
        ),
        # Two items of a payer that have the same period earn it once: the grant is of one of them.
        settled_period_has_its_grant=(
            ("period", "{periods}"),
            "Each period marked as settled was granted.",
            """
            SELECT p.id FROM {periods} p JOIN credits_subscriptionitem i ON i.id = p.item_id
            WHERE p.settled
                AND NOT EXISTS (SELECT FROM credits_creditgrant g WHERE g.period_id = p.id)
                AND NOT EXISTS (
                    SELECT FROM credits_subscriptionitem j
                    JOIN credits_period q ON q.item_id = j.id
                    JOIN credits_creditgrant g ON g.period_id = q.id
                    WHERE (j.instance_id, j.payer_kind, j.payer_id, q.plan_id, q.start, q.trial)
                        = (i.instance_id, i.payer_kind, i.payer_id, p.plan_id, p.start, p.trial))
            """,
        ),
        # Each release grants every month that is due by then. Those of a plan that brings credits
        # come with the hourly task at the latest; a plan that changed gets two hours as well.
        annual_period_has_its_months=(
            ("period", "{periods}"),
            "Each annual period that was granted from has every month that has begun since.",
            """
            WITH period AS (
                SELECT p.id, p.plan_id, p.start, p.trial, i.instance_id, i.payer_kind, i.payer_id,
                    least(p."end", (SELECT min(e) FROM unnest(i.ends) e WHERE e > p.start),
                        (SELECT min(o.start) FROM credits_period o
                            WHERE o.item_id = p.item_id AND o.earned AND o.start > p.start)) AS last
                FROM {periods} p JOIN credits_subscriptionitem i ON i.id = p.item_id
                WHERE p.earned AND p.annual AND NOT EXISTS (
                    SELECT FROM credits_period o WHERE o.item_id = p.item_id AND o.earned
                        AND o.start = p.start AND o.id <> p.id)
            ), granted AS (
                SELECT i.instance_id, i.payer_kind, i.payer_id, p.plan_id, p.start, p.trial,
                    count(*) AS months, max(g.created_at) - interval '1 minute' AS released
                FROM credits_creditgrant g JOIN credits_period p ON p.id = g.period_id
                JOIN credits_subscriptionitem i ON i.id = p.item_id
                WHERE g.key ~ ':m[0-9]+$'
                GROUP BY 1, 2, 3, 4, 5, 6
            ), due AS (
                SELECT l.clerk_id AS plan_id, c.clerk_id AS payer_id,
                    credits_now() - %(grace)s - interval '2 hours' AS latest
                FROM credits_plan l CROSS JOIN credits_identity c
                WHERE l.active AND l.credits > 0 AND c.user_id IS NOT NULL AND c.deleted_at IS NULL
                    AND l.updated_at < credits_now() - interval '2 hours'
            )
            SELECT id FROM period
            JOIN granted USING (instance_id, payer_kind, payer_id, plan_id, start, trial)
            LEFT JOIN due USING (plan_id, payer_id)
            WHERE months < (
                SELECT count(*) FROM generate_series(0, 11) month, LATERAL (
                    SELECT (to_timestamp(start / 1000.0) AT TIME ZONE 'UTC'
                        + month * interval '1 month') AT TIME ZONE 'UTC' AS begins) b
                WHERE begins < greatest(released, latest)
                    AND (month = 0 OR last IS NULL OR begins < to_timestamp(last / 1000.0)))
            """,
        ),
        free_grant_has_its_item=(
            PLAN_GRANTS,
            "Each grant of the free plan is of its item's payer, and ends with a calendar month.",
            """
            SELECT g.id FROM {plan_grants} g
            JOIN credits_subscriptionitem i ON i.id = g.subscription_item_id
            WHERE g.period_id IS NULL AND (
                g.expires_at IS DISTINCT FROM date_trunc('month', g.expires_at, 'UTC')
                OR NOT EXISTS (
                    SELECT FROM credits_identity c
                    WHERE i.payer_kind = 'user' AND c.clerk_id = i.payer_id
                        AND c.user_id = g.account_id))
            """,
        ),
        plan_grant_ends_with_its_item=(
            PLAN_GRANTS,
            (
                "No plan grant, nor a month's of an annual plan, outlasts its period, its item, or "
                "the beginning of the item's next period, but for its last use."
            ),
            """
            WITH period AS (
                SELECT p.id, least(p."end",
                        (SELECT min(e) FROM unnest(i.ends) e WHERE e > p.start),
                        (SELECT min(CASE WHEN q.start > p.start THEN q.start
                                ELSE greatest(q.earned_version, p.start + 1) END)
                            FROM credits_period q WHERE q.item_id = p.item_id AND q.earned
                                AND (q.start, q.earned_version) > (p.start, p.earned_version)))
                        AS last,
                    i.instance_id, i.payer_kind, i.payer_id, p.plan_id, p.start, p.trial
                FROM {same_periods} p JOIN credits_subscriptionitem i ON i.id = p.item_id
                WHERE p.earned
            ), ended AS (
                SELECT id, min(last) OVER (
                    PARTITION BY instance_id, payer_kind, payer_id, plan_id, start, trial) AS last
                FROM period
            )
            SELECT g.id FROM {plan_grants} g JOIN ended ON ended.id = g.period_id
            WHERE NOT g.expired
                -- CASE: the second is asked of few, as what a grant paid is far apart.
                AND CASE WHEN g.expires_at > to_timestamp(ended.last / 1000.0)
                    + interval '1 millisecond' THEN g.expires_at > coalesce((
                        SELECT max(u.created_at) + interval '1 millisecond'
                        FROM credits_grantallocation a
                        JOIN credits_usagehistory u ON u.id = a.usage_id
                        WHERE a.grant_id = g.id AND a.amount > 0), '-infinity') END
            """,
        ),
    ),
]
