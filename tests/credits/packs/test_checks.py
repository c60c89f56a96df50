"""The ledger's checks see what is wrong with packs and codes, and name it."""

import pytest

from credits.integrity.packs import CHECKS
from credits.integrity.run import run_checks
from credits.models import User
from credits.packs.giving import give_pack
from tests.credits.ledger.test_check_ledger import broken_by
from tests.credits.packs.making import make_codes, make_pack, take

pytestmark = pytest.mark.django_db
CODE, BATCH = "credits_redeemcode", "credits_codebatch"

NOT_WHOLE = f"ALTER TABLE {CODE} DROP CONSTRAINT code_redeemed_whole"

#: Check → each a way to break its rule, with every guard off.
DIFFERENCES = {
    "grant_of_a_code_has_it": [
        f"UPDATE {CODE} SET account_id = NULL, grant_id = NULL, redeemed_at = NULL",
        "UPDATE credits_creditgrant SET key = 'code:0' WHERE starts_with(key, 'pack:')",
    ],
    "redeemed_code_has_its_grant": [
        f"{NOT_WHOLE}; UPDATE {CODE} SET grant_id = NULL",
        f"UPDATE {CODE} SET account_id = batch_id WHERE account_id IS NOT NULL",
        f"UPDATE {BATCH} SET worth = worth + 1",
        "UPDATE credits_creditgrant SET key = 'code:0' WHERE starts_with(key, 'code:')",
        "UPDATE credits_creditgrant SET source = 'plan' WHERE starts_with(key, 'code:')",
    ],
    "codes_within_their_batch": [
        f"UPDATE {BATCH} SET count = 1",
        f"UPDATE {CODE} SET number = 9 WHERE account_id IS NULL",
        f"UPDATE {BATCH} SET made_by_id = (SELECT max(account_id) FROM {CODE})",
    ],
    "batch_is_in_the_audit": [
        f"UPDATE {BATCH} SET count = count + 1",
        f"UPDATE {BATCH} SET approved_by_id = (SELECT max(account_id) FROM {CODE})",
        "UPDATE credits_auditentry SET credits = 0 WHERE action = 'codes.make'",
        "DELETE FROM credits_auditentry WHERE action = 'codes.make'",
    ],
    "given_pack_is_in_the_audit": [
        "DELETE FROM credits_auditentry WHERE action = 'pack.give'",
        "UPDATE credits_auditentry SET credits = 1 WHERE action = 'pack.give'",
    ],
}


def test_each_check_is_tried() -> None:
    assert DIFFERENCES.keys() == {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("name", "statement"), [(name, each) for name, ways in DIFFERENCES.items() for each in ways]
)
def test_a_difference_is_named(admin: User, alice: User, name: str, statement: str) -> None:
    _, codes = make_codes(admin, 2)
    take(alice, codes[0])
    give_pack(actor=admin, user_id=alice.pk, pack_id=make_pack().pk, reason="Paid", key="k")
    with broken_by([statement]):
        results = {result.check.name: result for result in run_checks()}
    assert results[name].offences >= 1
