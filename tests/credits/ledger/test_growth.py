"""What an account or the site has been through costs its next spend and its statement nothing: what
is read is counted, not timed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from credits.exceptions import InsufficientCredits
from credits.ledger import get_balance, sweep_holds
from credits.models import CreditGrant, Hold, UsageHistory, User
from credits.statement.history import filter_rows, statement
from credits.statement.rows import get_range
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user
from tests.ledger import sql, sql_balance

pytestmark = pytest.mark.django_db

#: Rows of a table and its indexes that this transaction has read so far.
READ = """
SELECT pg_stat_get_xact_tuples_returned(c.oid)
        + pg_stat_get_xact_tuples_fetched(c.oid)
    + coalesce((SELECT sum(pg_stat_get_xact_tuples_returned(i.indexrelid))
        FROM pg_index i WHERE i.indrelid = c.oid), 0)
FROM pg_class c WHERE c.oid = %s::regclass
"""


def rows_read(table: str, action: Callable[[], object]) -> int:
    """How many rows of a table, and entries of its indexes, an action reads."""
    before = sql(READ, table)[0][0]
    action()
    return int(sql(READ, table)[0][0] - before)


def plan_of(rows: object) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return str(rows.explain())  # type: ignore[attr-defined]


def spent_grants(user: User, count: int, *, until: timedelta | None = None) -> None:
    """Grants that burnt before all others and hold nothing any more."""
    for number in range(count):
        end = timezone.now() + until if until else None
        make_grant(user, 1, priority=1, key=f"past:{user.pk}:{number}", expires_at=end)
    make_charge(user, count)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("until", [None, timedelta(days=9)])
def test_grants_that_are_spent_cost_a_charge_nothing(until: timedelta | None) -> None:
    new, old = make_user(credits=500), make_user(credits=500)
    spent_grants(old, 300, until=until)
    sql("VACUUM ANALYZE credits_creditgrant")
    grant = CreditGrant._meta.db_table
    with transaction.atomic():
        fresh = rows_read(grant, lambda: make_charge(new))
        assert rows_read(grant, lambda: make_charge(old)) == fresh


#: Charges with holds by a loop in the database.
HOLD = """
DO $$ BEGIN FOR n IN 1..{count} LOOP
    PERFORM credits_deduct({user}, NULL, NULL, 'AI_TEXT_CHAT', 'ai_text_chat', 1, 1, NULL, NULL,
        NULL, NULL, interval '1 hour', '{{}}');
    COMMIT;
END LOOP; END $$
"""


@pytest.mark.django_db(transaction=True)
def test_a_spend_ends_no_more_than_a_hundred_lapsed_holds(alice: User, clock: Clock) -> None:
    make_grant(alice, 2000)
    sql(HOLD.format(count=2000, user=alice.pk))
    clock.move(hours=2)
    charge = make_charge(alice, 5)
    assert Hold.objects.filter(account_id=alice.pk).count() == 1900
    # What was not ended is not available yet.
    assert charge.balance == 100 + 100 - 5 == sql_balance(alice)
    assert sweep_holds() == 1900
    assert sql_balance(alice) == 2100 - 5


def test_a_spend_and_a_read_expire_no_more_than_a_hundred_grants(alice: User, clock: Clock) -> None:
    for number in range(450):
        end = clock.now() + timedelta(minutes=number + 1)
        make_grant(alice, 2, key=f"soon:{number}", expires_at=end, priority=1)
    clock.move(days=1)
    charge = make_charge(alice, 7)
    assert charge.balance == 100 - 7
    assert CreditGrant.objects.filter(account_id=alice.pk, expired=True).count() == 100
    balance = get_balance(user_id=alice.pk)
    assert (balance.remaining, balance.granted, balance.expires_at) == (93, 100, None)
    assert CreditGrant.objects.filter(account_id=alice.pk, expired=True).count() == 200


def test_what_is_due_and_not_yet_expired_is_not_spent(alice: User, clock: Clock) -> None:
    for number in range(150):
        end = clock.now() + timedelta(minutes=1)
        make_grant(alice, 2, key=f"soon:{number}", expires_at=end, priority=1)
    clock.move(days=1)
    with pytest.raises(InsufficientCredits) as refusal:
        make_charge(alice, 101)
    assert refusal.value.available == 100


def test_the_edges_of_a_statement_read_nothing_of_what_came_later(
    alice: User, clock: Clock
) -> None:
    clock.freeze()
    start = clock.now()
    make_charge(alice, 3)
    before = UsageHistory.objects.filter(account_id=alice.pk).latest("id")
    clock.move(days=3)
    make_grant(alice, 1000)
    for _ in range(600):
        make_charge(alice)
    sql("ANALYZE credits_usagehistory")
    day = start.date() + timedelta(days=1)
    usage = UsageHistory._meta.db_table
    span = get_range(user_id=alice.pk, first=day, last=day)
    assert span.opening == span.closing == (before.pk, 97)
    assert rows_read(usage, lambda: get_range(user_id=alice.pk, first=day, last=day)) < 150


@pytest.mark.parametrize("wait", [0, 1, 59, 60, 61, 3600])
def test_an_edge_is_the_last_row_before_midnight(wait: int, alice: User, clock: Clock) -> None:
    """Whichever rows stand near it, and for each of them."""
    clock.freeze(timezone.now().replace(hour=23, minute=59, second=30) + timedelta(days=1))
    for _ in range(5):
        make_charge(alice)
        clock.move(seconds=wait)
    rows = list(UsageHistory.objects.filter(account_id=alice.pk).order_by("id"))
    for row in rows:
        earlier = [r for r in rows if r.created_at < row.created_at]
        expected = (earlier[-1].pk, earlier[-1].balance_after) if earlier else (0, 0)
        assert sql("SELECT * FROM credits_edge(%s, %s)", alice.pk, row.created_at) == [expected]


@pytest.mark.parametrize(
    ("kind", "index"),
    [
        ("refund", "usage_refunds_of_user"),
        ("grant", "usage_grants_of_user"),
        ("expiry", "usage_grants_of_user"),
        ("adjustment", "usage_grants_of_user"),
    ],
)
def test_a_statement_of_what_is_rare_leaves_the_charges_out(
    kind: str, index: str, alice: User
) -> None:
    make_grant(alice, 400)
    for _ in range(400):
        make_charge(alice)
    sql("ANALYZE credits_usagehistory")
    rows = filter_rows(statement(user_id=alice.pk), kind=kind).order_by("-pk")
    assert index in plan_of(rows[:50])
