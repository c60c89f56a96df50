"""An account pays: it comes and goes with its user, has the same id, and stays as it was opened."""

import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from credits.integrity.run import run_checks
from credits.ledger import deduct_credits_for_feature, get_balance
from credits.models import Account, CreditBalance, UsageHistory, User
from tests.factories import make_charge, make_user, set_price
from tests.ledger import refused_by, sql

pytestmark = pytest.mark.django_db

INSERT_USER = (
    "INSERT INTO credits_user (password, is_superuser, email, name, is_active, is_staff)"
    " VALUES ('', false, %s, '', true, false)"
)


class TestEveryUserHasAnAccount:
    def test_of_its_own_id(self) -> None:
        user = make_user()
        account = Account.objects.get(pk=user.pk)
        assert (account.kind, account.created_at.date()) == ("personal", user.date_joined.date())

    def test_when_many_are_made_at_once(self) -> None:
        made = User.objects.bulk_create([User(email=f"bulk{n}@example.com") for n in range(5)])
        assert Account.objects.filter(pk__in=[user.pk for user in made]).count() == 5

    def test_when_made_by_hand(self) -> None:
        [(pk,)] = sql(f"{INSERT_USER} RETURNING id", "hand@example.com")
        assert Account.objects.filter(pk=pk).exists()

    def test_but_not_when_the_insert_did_nothing(self, alice: User) -> None:
        before = Account.objects.count()
        sql(f"{INSERT_USER} ON CONFLICT DO NOTHING", alice.email)
        assert Account.objects.count() == before

    def test_and_loses_it_when_deleted(self) -> None:
        users = [make_user(), make_user()]
        users[0].delete()
        sql("DELETE FROM credits_user WHERE id = %s", users[1].pk)
        assert not Account.objects.exists()


class TestAnIdNamesOnePayer:
    def test_ids_come_from_one_sequence(self) -> None:
        first = make_user()
        [(second,)] = sql("SELECT nextval(pg_get_serial_sequence('credits_user', 'id'))")
        default = "SELECT column_default FROM information_schema.columns WHERE column_name = 'id'"
        [(default,)] = sql(f"{default} AND table_name = 'credits_account'")
        assert "credits_user_id_seq" in default
        assert make_user().pk > second > first.pk

    def test_a_user_cannot_take_an_account_that_is_there(self, alice: User) -> None:
        sql("SET LOCAL session_replication_role = replica")
        sql("INSERT INTO credits_account (id, kind) VALUES (%s, 'personal')", alice.pk + 1000)
        sql("SET LOCAL session_replication_role = origin")
        with refused_by("credits_account_pkey"):
            User.objects.create(pk=alice.pk + 1000, email="taken@example.com")
        sql("SET LOCAL session_replication_role = replica")
        sql("DELETE FROM credits_account WHERE id = %s", alice.pk + 1000)
        sql("SET LOCAL session_replication_role = origin")

    def test_a_user_keeps_the_id(self, carol: User) -> None:
        with refused_by("account_keeps_its_user", message="Account: credits_user refuses UPDATE"):
            User.objects.filter(pk=carol.pk).update(id=carol.pk + 1000)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("INSERT INTO credits_account (kind) VALUES ('personal')", "account_opened_by_its_user"),
        ("INSERT INTO credits_account (kind) VALUES ('club')", "account_kind_known"),
        ("UPDATE credits_account SET id = id + 1000", "account_stays"),
        ("UPDATE credits_account SET kind = 'club'", "account_stays"),
        ("DELETE FROM credits_account", "account_stays"),
        ("TRUNCATE credits_account CASCADE", "account_no_truncate"),
        ("TRUNCATE credits_user CASCADE", "account_no_truncate"),
    ],
)
def test_accounts_stay_as_they_were_opened(statement: str, rule: str, carol: User) -> None:
    with refused_by(rule):
        sql(statement)


class TestTheLedgerBelongsToAccounts:
    def test_a_user_with_a_history_keeps_the_account(self, alice: User) -> None:
        with pytest.raises(ProtectedError):
            alice.delete()
        with refused_by("credits_usagehistory_", "credits_creditgrant_", "credits_creditbalance_"):
            sql("DELETE FROM credits_user WHERE id = %s", alice.pk)

    def test_nobody_pays_without_an_account(self, alice: User) -> None:
        nobody = alice.pk + 1000
        set_price("ai_text_chat", 0)
        with refused_by("credits_creditbalance_account_id_"):
            deduct_credits_for_feature(user_id=nobody, feature="ai_text_chat")

    def test_the_account_pays_whatever_happens_to_its_user(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(email=None, name="")
        charge = make_charge(alice, 3)
        assert UsageHistory.objects.get(pk=charge.id).account == Account.objects.get(pk=alice.pk)
        assert get_balance(user_id=alice.pk).remaining == 97

    def test_rows_find_their_user_without_a_column(self, alice: User, bob: User) -> None:
        make_charge(alice, 3)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            [row] = UsageHistory.objects.select_related("user").filter(
                user__email=alice.email, unit_cost__isnull=False
            )
            assert row.user == alice
            assert row.account_id == alice.pk
        assert len(queries) == 1
        assert CreditBalance.objects.get(user=bob).user == bob
        rich = User.objects.filter(credit_balance__credits_remaining__gt=50)
        rich = rich.filter(credit_balance__credits_remaining__lt=1000)
        assert list(rich) == [alice]
        assert str(rich.query).count("JOIN") == 1
        assert alice.usage.count() == 2


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM credits_account WHERE id = %s",
        "UPDATE credits_account SET kind = 'club' WHERE id = %s",
        "DELETE FROM credits_user WHERE id = %s",
    ],
)
def test_a_user_and_an_account_apart_are_a_difference(damage: str, carol: User) -> None:
    with transaction.atomic():
        sql("ALTER TABLE credits_account DROP CONSTRAINT account_kind_known")
        sql("SET LOCAL session_replication_role = replica")
        sql(damage, carol.pk)
        sql("SET LOCAL session_replication_role = origin")
        broken = {result.check.name: result.offenders for result in run_checks() if not result.ok}
        transaction.set_rollback(True)
    assert broken["user_has_an_account"] == [str(carol.pk)]
