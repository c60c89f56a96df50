"""Checks of packs and redeem codes: what was redeemed, given and made is what the ledger and the
audit have. Which grants are theirs is said by their keys: `code:` and `pack:`."""

from credits.integrity.base import GRANTS, checks

CODES = ("code", "credits_redeemcode")
BATCHES = ("batch", "credits_codebatch")

CHECKS = [
    *checks(
        "packs",
        redeemed_code_has_its_grant=(
            CODES,
            "Each redeemed code has one grant, of its worth and to who redeemed it.",
            """
            SELECT c.id FROM credits_redeemcode c
            JOIN credits_codebatch b ON b.id = c.batch_id
            LEFT JOIN credits_creditgrant g ON g.id = c.grant_id
            WHERE c.redeemed_at IS NOT NULL AND (g.account_id, g.amount, g.source, g.key)
                IS DISTINCT FROM (c.account_id, b.worth, 'pack', 'code:' || c.id)
            """,
        ),
        grant_of_a_code_has_it=(
            GRANTS,
            "Each grant of a code is that of a code which was redeemed.",
            """
            SELECT g.id FROM {grants} g LEFT JOIN credits_redeemcode c ON c.grant_id = g.id
            WHERE starts_with(g.key, 'code:') AND c.redeemed_at IS NULL
            """,
        ),
        codes_within_their_batch=(
            BATCHES,
            "No batch has more codes than it was made for, and none redeemed by its maker.",
            """
            SELECT b.id FROM credits_codebatch b JOIN credits_redeemcode c ON c.batch_id = b.id
            GROUP BY b.id HAVING count(*) > b.count OR max(c.number) > b.count
                OR bool_or(c.account_id IN (b.made_by_id, b.approved_by_id))
            """,
        ),
        batch_is_in_the_audit=(
            BATCHES,
            "Each batch counts in the audit, all its credits, for who made and who approved it.",
            """
            SELECT b.id FROM credits_codebatch b LEFT JOIN credits_auditentry e ON e.id = b.entry_id
            WHERE (e.action, e.credits, e.actor_id, e.approved_by_id)
                IS DISTINCT FROM ('codes.make', b.worth * b.count, b.made_by_id, b.approved_by_id)
            """,
        ),
        given_pack_is_in_the_audit=(
            GRANTS,
            "Each pack that an admin gave has its entry in the audit.",
            """
            SELECT g.id FROM {grants} g
            LEFT JOIN credits_usagehistory u ON u.grant_id = g.id AND u.credits_used < 0
            LEFT JOIN credits_auditentry e ON e.usage_id = u.id
            WHERE starts_with(g.key, 'pack:') AND g.source = 'pack'
                AND (e.action, e.credits, e.user_id)
                IS DISTINCT FROM ('pack.give', g.amount, g.account_id)
            """,
        ),
    ),
]
