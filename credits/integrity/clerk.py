"""Clerk's part of `check_ledger`: every plan grant has the paid period that earned it."""

from credits.integrity.base import Check

GRANT = "credits_creditgrant"

CHECKS = [
    Check(
        "plan_grant_has_its_period",
        "Clerk",
        "Each grant keyed by Clerk belongs to an earned period of its payer, plan and kind.",
        "grant",
        GRANT,
        """
        SELECT g.id FROM credits_creditgrant g
        WHERE g.key LIKE 'clerk:%%' AND NOT EXISTS (
            SELECT FROM clerk_period p
            JOIN clerk_subscriptionitem i ON i.id = p.item_id
            JOIN clerk_identity c ON i.payer_kind = 'user' AND i.payer_id = c.clerk_id
            WHERE p.earned AND c.user_id = g.account_id AND g.source = 'plan'
                AND regexp_replace(g.key, ':m[0-9]+$', '') = concat_ws(':', 'clerk',
                    i.instance_id, i.payer_id, p.plan_id, p.start,
                    CASE WHEN p.trial THEN 'trial' ELSE 'paid' END)
                AND (g.key ~ ':m([0-9]|1[01])$') = p.annual)
        """,
    ),
    Check(
        "settled_period_has_its_grant",
        "Clerk",
        "Each period marked as settled was granted.",
        "period",
        "clerk_period",
        """
        SELECT p.id FROM clerk_period p JOIN clerk_subscriptionitem i ON i.id = p.item_id
        WHERE p.settled AND NOT EXISTS (
            SELECT FROM credits_creditgrant g
            WHERE g.key = concat_ws(':', 'clerk', i.instance_id, i.payer_id, p.plan_id, p.start,
                CASE WHEN p.trial THEN 'trial' ELSE 'paid' END,
                CASE WHEN p.annual THEN 'm0' END))
        """,
    ),
    Check(
        "free_grant_has_its_item",
        "Clerk",
        "Each grant of the free plan names a payer who has a subscription item, and is theirs.",
        "grant",
        GRANT,
        """
        SELECT g.id FROM credits_creditgrant g
        WHERE g.key LIKE 'free:%%' AND NOT EXISTS (
            SELECT FROM clerk_identity c
            JOIN clerk_subscriptionitem i ON i.payer_kind = 'user' AND i.payer_id = c.clerk_id
            WHERE c.user_id = g.account_id AND g.source = 'plan'
                AND g.key = 'free:' || c.clerk_id || right(g.key, 8)
                AND right(g.key, 8) ~ '^:[0-9]{4}-[0-9]{2}$')
        """,
    ),
    Check(
        "plan_grant_ends_with_its_item",
        "Clerk",
        "No plan grant, nor a month's of an annual plan, outlasts its period or its item, but for "
        "its last use.",
        "grant",
        GRANT,
        """
        SELECT g.id FROM credits_creditgrant g
        JOIN (SELECT concat_ws(':', 'clerk', i.instance_id, i.payer_id, p.plan_id, p.start,
                CASE WHEN p.trial THEN 'trial' ELSE 'paid' END) AS key,
                min(least(p."end", (SELECT min(e) FROM unnest(i.ends) e WHERE e > p.start)))
                    AS last
            FROM clerk_period p JOIN clerk_subscriptionitem i ON i.id = p.item_id
            WHERE p.earned GROUP BY 1) ended
            ON ended.key = regexp_replace(g.key, ':m[0-9]+$', '')
        WHERE g.key LIKE 'clerk:%%' AND NOT g.expired AND g.expires_at > greatest(
            to_timestamp(ended.last / 1000.0) + interval '1 millisecond',
            (SELECT max(u.created_at) + interval '1 millisecond'
                FROM credits_grantallocation a JOIN credits_usagehistory u ON u.id = a.usage_id
                WHERE a.grant_id = g.id AND a.amount > 0))
        """,
    ),
]
