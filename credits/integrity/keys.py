"""Checks of API keys (I12): a key was good, and of the account, when it charged."""

from credits.integrity.base import Subject, checks

CHARGES: Subject = ("charge", "{charges}")

CHECKS = [
    *checks(
        "I12",
        key_acts_for_its_account=(
            CHARGES,
            "Each charge in the name of a key is of the key's account and member.",
            """
            SELECT c.id FROM {charges} c LEFT JOIN credits_apikey k ON k.id = c.api_key_id
            WHERE c.api_key_id IS NOT NULL AND (k.account_id = c.account_id
                AND k.member_id = coalesce(c.member_id, c.account_id)) IS NOT TRUE
            """,
        ),
        key_was_good=(
            CHARGES,
            "No charge in the name of a key is later than its end.",
            """
            SELECT c.id FROM {charges} c JOIN credits_apikey k ON k.id = c.api_key_id
            WHERE c.created_at > least(k.revoked_at, k.expires_at)
            """,
        ),
    ),
]
