"""A rollup that differs from the journal is found."""

import pytest
from django.db import transaction

from credits.integrity.run import check_and_keep, run_checks
from credits.reports.rollup import close_days
from tests.clock import Clock
from tests.credits.reports.days import a_day_of
from tests.factories import make_user
from tests.ledger import assert_ledger_is_consistent, sql

#: Check → what makes the rollup differ from the journal.
DIFFERENCES = {
    "rollup_is_the_journal": [
        "UPDATE credits_usageslice SET credits = credits + 1 WHERE kind = 'charge'",
        "DELETE FROM credits_usageslice WHERE kind = 'refund'",
        "UPDATE credits_usageslice SET rows = rows + 1",
        "UPDATE credits_usageslice SET first_id = first_id + 1 WHERE kind = 'charge'",
        """INSERT INTO credits_usageslice
            (day, operation_type, kind, model, reason, rows, credits, first_id, last_id)
            SELECT day, 'GRANT', 'grant', 'none', '', 1, 1, 1, 1 FROM credits_usageday LIMIT 1""",
    ],
    "rollup_is_the_uses": [
        "UPDATE credits_useslice SET collected = collected + 1",
        "UPDATE credits_useslice SET provider_cost = provider_cost + 1",
        "UPDATE credits_useslice SET reasoning = reasoning + 1",
        "DELETE FROM credits_useslice WHERE source = 'none'",
    ],
    "days_close_in_order": [
        "DELETE FROM credits_usageday WHERE rows = 0",
        "UPDATE credits_usageday SET rows = rows + 1",
    ],
    "active_users_are_the_journal": [
        "UPDATE credits_usageday SET active_accounts = active_accounts + 1",
        "UPDATE credits_activeaccount SET last_day = last_day - 1",
        "DELETE FROM credits_activeaccount",
    ],
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "statement"),
    [(name, statement) for name, those in DIFFERENCES.items() for statement in those],
)
def test_a_rollup_that_differs_from_the_journal_is_found(
    name: str, statement: str, days: Clock
) -> None:
    check_and_keep()
    user = make_user()
    a_day_of(user)
    days.move(days=2)
    a_day_of(user)
    days.move(days=1)
    close_days()
    assert_ledger_is_consistent()
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        sql(statement)
        for changed in (False, True):
            results = run_checks(changed=changed)
            assert name in {result.check.name for result in results if not result.ok}
        transaction.set_rollback(True)
