"""I3: the journal refuses UPDATE, DELETE and TRUNCATE, whoever asks."""

import pytest
from django.db.models import ProtectedError

from credits.models import UsageHistory, User
from tests.factories import make_charge
from tests.ledger import refused_by, sql


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE credits_usagehistory SET credits_used = 0", "i3_usage_append_only"),
        ("UPDATE credits_usagehistory SET details = '{}'", "i3_usage_append_only"),
        ("UPDATE credits_usagehistory SET id = id", "i3_usage_append_only"),
        ("DELETE FROM credits_usagehistory", "i3_usage_append_only"),
        ("TRUNCATE credits_usagehistory CASCADE", "i3_no_truncate"),
        ("TRUNCATE credits_user CASCADE", None),
        (
            (
                "INSERT INTO credits_usagehistory SELECT * FROM credits_usagehistory"
                " ON CONFLICT (id) DO UPDATE SET credits_used = 0"
            ),
            "i3_usage_append_only",
        ),
        (
            (
                "MERGE INTO credits_usagehistory h USING credits_user u ON u.id = h.account_id"
                " WHEN MATCHED THEN DELETE"
            ),
            "i3_usage_append_only",
        ),
    ],
)
def test_a_superusers_session_is_refused(statement: str, rule: str | None, alice: User) -> None:
    make_charge(alice)
    assert sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(True,)]
    with refused_by(*([rule] if rule else ["account_no_truncate"])):
        sql(statement)


def test_the_orm_is_refused(alice: User) -> None:
    row = UsageHistory.objects.get(pk=make_charge(alice).id)
    with refused_by("i3_usage_append_only"):
        UsageHistory.objects.filter(pk=row.pk).update(credits_used=0)
    with refused_by("i3_usage_append_only"):
        row.save()
    with pytest.raises(ProtectedError):
        row.delete()


def test_the_error_names_the_rule_the_table_and_the_reason(alice: User) -> None:
    expected = "I3: credits_usagehistory refuses DELETE (the journal is append-only)"
    with refused_by("i3_usage_append_only", message=expected):
        sql("DELETE FROM credits_usagehistory")


def test_a_user_with_a_history_cannot_be_deleted(alice: User) -> None:
    ledger = ("credits_usagehistory", "credits_creditgrant", "credits_creditbalance")
    with refused_by(*(f"{table}_account_id_" for table in ledger)):
        sql("DELETE FROM credits_user WHERE id = %s", alice.pk)
