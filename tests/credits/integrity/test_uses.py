"""Charges by tokens, what is paid ahead and what limits count: each difference is found and named,
in the whole ledger and in what changed."""

from datetime import timedelta

import pytest

from credits.integrity import limits, uses
from credits.integrity.run import check_and_keep, run_checks
from credits.ledger import refund_charge, release_charge, settle_charge
from credits.models import AIModel, Use, User
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.credits.ledger.test_check_ledger import broken_by
from tests.factories import (
    make_charge,
    make_limit,
    make_model,
    make_reserve,
    make_token_price,
    set_price,
    sql_now,
)
from tests.ledger import NO_SWEEPER, assert_ledger_is_consistent

pytestmark = pytest.mark.django_db(transaction=True)

USAGE, USE, SPEND = "credits_usagehistory", "credits_use", "credits_spendday"
#: The use of `make_busy`: its tokens are found nowhere else.
ONE = "WHERE input = 100"
OF_ONE = f"WHERE id IN (SELECT charge_id FROM {USE} {ONE})"

#: Check → what breaks its rule, with every guard off.
DIFFERENCES: dict[str, list[list[str]]] = {
    "use_names_its_charge": [
        [f"UPDATE {USE} SET account_id = account_id + 1"],
        [f"UPDATE {USAGE} SET bound = NULL, price_id = NULL"],
    ],
    "tokens_fit": [
        [f"ALTER TABLE {USE} DROP CONSTRAINT i8_tokens_fit", f"UPDATE {USE} SET {change} {ONE}"]
        for change in ("cached = -1", "cache_write = 51", "reasoning = 21", "reasoning = -1")
    ],
    "use_costs_its_tokens": [
        [f"UPDATE {USE} SET cost = cost + 1 {ONE}"],
        [f"UPDATE {USE} SET output = output + 1 {ONE}"],
        [f"UPDATE {USE} SET provider_cost = provider_cost + 1 {ONE}"],
        [f"UPDATE {USE} SET provider_cost = NULL {ONE}"],
        [f"UPDATE {USE} SET source = 'none' {ONE}"],
        ["UPDATE credits_tokenprice SET reasoning = reasoning + 1"],
        ["DELETE FROM credits_tokenprice"],
    ],
    "charge_names_the_price_in_force": [
        ["UPDATE credits_tokenprice SET valid_from = valid_from + interval '1 day'"],
        ["DELETE FROM credits_tokenprice"],
        [
            """INSERT INTO credits_tokenprice (model_id, valid_from, request, created_at)
            SELECT model_id, valid_from + interval '1 second', 0, now() FROM credits_tokenprice"""
        ],
    ],
    "bound_within_charge": [
        [f"UPDATE {USAGE} SET {to}"]
        for to in (
            f"bound = credits_used * 1000000000000.0 + 1 {OF_ONE}",
            f"bound = -1 {OF_ONE}",
            f"price_id = NULL {OF_ONE}",
            "bound = 0 WHERE refund_of_id IS NOT NULL",
        )
    ],
    "use_within_its_reserve": [
        [
            f"ALTER TABLE {USE} DROP CONSTRAINT i9_use_within_reserve",
            f"UPDATE {USE} SET collected = {to} {ONE}",
        ]
        for to in ("collected + 1", "collected - 1", "0")
    ],
    "use_keeps_what_did_not_come_back": [
        [f"UPDATE {USE} SET kept = kept + 1 {ONE}"],
        [f"UPDATE {USAGE} SET credits_used = -1 WHERE refund_of_id IS NOT NULL"],
    ],
    "charge_ends_with_one_use": [
        [f"DELETE FROM {USE} {ONE}"],
        [
            f"""INSERT INTO {USE} (charge_id, account_id, input, cached, cache_write, output,
                reasoning, source, cost, collected, kept, created_at)
            SELECT c.id, c.account_id, 0, 0, 0, 0, 0, 'none', 0, 0, 0, now()
            FROM credits_hold JOIN {USAGE} c ON c.id = charge_id WHERE bound IS NOT NULL"""
        ],
        ["DELETE FROM credits_hold"],
    ],
    "paid_ahead_below_one": [
        [
            "ALTER TABLE credits_paidahead DROP CONSTRAINT i10_paid_ahead_below_one",
            f"UPDATE credits_paidahead SET pico = {pico}",
        ]
        for pico in (-1, 10**12)
    ],
    "paid_ahead_is_exact": [
        ["UPDATE credits_paidahead SET pico = pico + 1"],
        ["DELETE FROM credits_paidahead"],
        [f"UPDATE {USE} SET collected = collected - 1 {ONE}"],
        ["INSERT INTO credits_paidahead SELECT max(id) + 1, 5 FROM credits_account"],
    ],
    "spend_is_counted": [
        [f"UPDATE {SPEND} SET spent = spent + 1"],
        [f"UPDATE {SPEND} SET held = held + 1"],
        [f"DELETE FROM {SPEND}"],
        [f"UPDATE {SPEND} SET day = day - 1"],
        [f"UPDATE {SPEND} SET api_key_id = 5"],
        ["DELETE FROM credits_hold"],
    ],
    "limited_account_is_counted": [["UPDATE credits_creditbalance SET counted = false"]],
}


@pytest.fixture
def model(clock: Clock) -> AIModel:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written; the provider asks half
    of it. Since ten minutes ago."""
    model = make_model()
    make_token_price(
        model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
        reasoning=2 * 10**9, provider_input=5 * 10**8, provider_cached=0, provider_cache_write=1,
        provider_output=10**9, provider_reasoning=10**9, provider_request=7,
    )  # fmt: skip
    clock.move(minutes=10)
    return model


def make_busy(user: User, model: AIModel) -> None:
    """A use of 3 reserved credits that kept one, one that cost more than was reserved, one of
    nothing, a call in flight, and charges per unit: settled, held, refunded in part."""
    used, more, failed, _open = (make_reserve(user, model) for _ in range(4))
    settle_use(charge_id=used.id, tokens=Tokens(100, 50, 0, 20, 5, Use.Source.PROVIDER))
    settle_use(charge_id=more.id, tokens=Tokens(9000, 0, 9, 9000, 0, Use.Source.ESTIMATED))
    release_charge(charge_id=failed.id, reason="provider_error")
    settle_charge(charge_id=make_charge(user, 2, hold=True).id)
    make_charge(user, 1, hold=True)
    charge = make_charge(user, 4)
    refund_charge(charge_id=charge.id, reason="r", idempotency_key=f"r{charge.id}", amount=3)


@pytest.fixture
def busy(alice: User, model: AIModel) -> None:
    """Something before the last clean run, and the same again since."""
    set_price("ai_text_chat", 1)
    make_limit(alice, 1000)
    make_busy(alice, model)
    check_and_keep(grace=NO_SWEEPER)
    make_busy(alice, model)


def broken(*, changed: bool) -> set[str]:
    results = run_checks(changed=changed, grace=NO_SWEEPER)
    return {result.check.name for result in results if not result.ok}


def test_every_check_has_differences_to_be_tried_on() -> None:
    assert DIFFERENCES.keys() == {check.name for check in (*uses.CHECKS, *limits.CHECKS)}


def test_every_difference_is_found_whole_and_in_what_changed(
    busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [broken(changed=changed) for changed in (False, True)] == [set(), set()]
    for check in (*uses.CHECKS, *limits.CHECKS):
        monkeypatch.setattr("credits.integrity.run.CHECKS", [check])
        for statements in DIFFERENCES[check.name]:
            with broken_by(statements):
                for changed in (False, True):
                    [found] = run_checks(changed=changed, grace=NO_SWEEPER)
                    assert found.offences >= len(found.offenders) >= 1, (statements, changed)
    monkeypatch.undo()


def test_a_hold_that_ended_without_a_row_is_looked_at(alice: User, model: AIModel) -> None:
    """All of its charge was kept: nothing came into the journal since the clean run."""
    make_limit(alice, 1000)
    calls = [make_reserve(alice, model) for _ in range(3)]
    plain = make_charge(alice, 1, hold=True)
    check_and_keep()
    for call in calls[:2]:
        settle_use(charge_id=call.id, tokens=Tokens(1000, 0, 0, 1000, 0, Use.Source.PROVIDER))
    settle_charge(charge_id=plain.id)
    assert broken(changed=True) == set()
    for statement, names in {
        f"UPDATE {USE} SET cost = cost + 1 WHERE charge_id = {calls[0].id}": {
            "use_costs_its_tokens",
        },
        f"DELETE FROM {USE} WHERE charge_id = {calls[1].id}": {
            "charge_ends_with_one_use", "spend_is_counted",
        },
        f"DELETE FROM credits_hold WHERE charge_id = {calls[2].id}": {
            "charge_ends_with_one_use",
        },
    }.items():  # fmt: skip
        with broken_by([statement]):
            assert broken(changed=True) == broken(changed=False) == names


def test_what_an_admin_returns_of_a_use_later_changes_nothing_of_it(
    alice: User, model: AIModel
) -> None:
    make_limit(alice, 1000)
    call = make_reserve(alice, model)
    settle_use(charge_id=call.id, tokens=Tokens(1000, 0, 0, 500, 0, Use.Source.PROVIDER))
    check_and_keep()
    refund_charge(charge_id=call.id, reason="r", idempotency_key="r", amount=1)
    assert [broken(changed=changed) for changed in (False, True)] == [set(), set()]


def test_a_refund_counts_on_the_day_of_its_charge(
    alice: User, bob: User, model: AIModel, days: Clock
) -> None:
    """A counter of long ago changes: that day of that account is counted anew, and no other."""
    set_price("ai_text_chat", 1)
    for user in (alice, bob):
        make_limit(user, 1000)
    charge = make_charge(alice, 4)
    for _ in range(3):
        days.move(days=1)
        make_charge(alice, 1)
        make_charge(bob, 1)
    check_and_keep(grace=NO_SWEEPER)
    refund_charge(charge_id=charge.id, reason="r", idempotency_key="r", amount=3)
    assert broken(changed=True) == set()
    with broken_by([f"UPDATE {SPEND} SET spent = 0 WHERE day = (SELECT min(day) FROM {SPEND})"]):
        assert broken(changed=True) == broken(changed=False) == {"spend_is_counted"}


def test_a_price_that_is_entered_beside_a_charge_is_no_difference(
    alice: User, model: AIModel, clock: Clock
) -> None:
    call = make_reserve(alice, model)
    make_token_price(model, valid_from=sql_now() - timedelta(seconds=20))
    assert_ledger_is_consistent()
    settle_use(charge_id=call.id, tokens=Tokens(1, 0, 0, 1, 0, Use.Source.PROVIDER))
    clock.move(minutes=6)
    later = f"UPDATE {USAGE} SET created_at = credits_now() WHERE id = {call.id}"
    with broken_by([later]):
        assert broken(changed=False) == {"charge_names_the_price_in_force"}
