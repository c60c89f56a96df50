"""Checks of what admins moved: each row of the journal has its entry in the audit."""

from credits.integrity.base import ROWS, checks

CHECKS = [
    *checks(
        "admins",
        admins_rows_are_in_the_audit=(
            ROWS,
            "Each adjustment, and each refund by an admin, has its entry in the audit.",
            """
            SELECT u.id FROM {rows} u
            LEFT JOIN credits_auditentry e ON e.usage_id = u.id
            WHERE (u.operation_type = 'ADJUSTMENT'
                    OR (u.refund_of_id IS NOT NULL AND u.details -> 'actor' IS NOT NULL))
                AND (e.credits, e.user_id) IS DISTINCT FROM (abs(u.credits_used), u.account_id)
            """,
        ),
        audit_has_its_row=(
            ("audit entry", "{audit_entries}"),
            "Each entry that names a row of the journal is about its account and credits.",
            """
            SELECT e.id FROM {audit_entries} e
            LEFT JOIN credits_usagehistory u ON u.id = e.usage_id
            WHERE e.usage_id IS NOT NULL
                AND (abs(u.credits_used), u.account_id) IS DISTINCT FROM (e.credits, e.user_id)
            """,
        ),
    ),
]
