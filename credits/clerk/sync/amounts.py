"""How many credits a sync may move by setting plan credits: the amount that decides whether it
needs a second admin (`credits.approvals`)."""

from credits.approvals import left_alone
from credits.audit import Movement
from credits.clerk.sync.options import SyncOptions
from credits.models.subscriptions import EARNING
from credits.sql import fetch_all

# Of each subscriber what is set, or what is left of their plan credits if that is more.
MOST = """
SELECT coalesce(sum(greatest(coalesce(%(override)s, p.credits), g.left, 0)), 0)::bigint
FROM (
    SELECT i.payer_id, max(p.credits) AS credits
    FROM credits_subscriptionitem i
    LEFT JOIN credits_plan p ON p.clerk_id = i.plan_id AND p.active
    WHERE i.payer_kind = 'user' AND i.status = ANY(%(earning)s)
    GROUP BY i.payer_id) p
LEFT JOIN credits_identity c ON c.clerk_id = p.payer_id
LEFT JOIN (
    SELECT account_id, sum(remaining) AS left FROM credits_creditgrant
    WHERE source = 'plan' AND remaining > 0 GROUP BY account_id) g ON g.account_id = c.user_id
"""


def most_credits_set(options: SyncOptions) -> int:
    """Credits that the sync may move at most, for the subscribers that are known here."""
    if options.dry_run or not options.set_credits:
        return 0
    [[credits]] = fetch_all(
        MOST, {"override": options.override_credits, "earning": sorted(EARNING)}
    )
    return int(credits)


def allowance_of(options: SyncOptions, change: Movement, most: int) -> int:
    """Credits that its job may move: what was approved, or all that the admin may still move alone,
    so that subscribers who are first found at Clerk are included."""
    if options.dry_run or not options.set_credits:
        return 0
    if change.approval:
        return change.approval.credits
    return max(left_alone(change.actor), most)
