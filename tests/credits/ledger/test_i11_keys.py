"""I11: limits of keys and members; a key that is not good charges nothing."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from credits.exceptions import BadKey, CreditsBusy, LimitReached
from credits.models import AIModel, ApiKey, Use, User
from tests.credits.ledger.counting import (
    add_member,
    assert_counted,
)
from tests.factories import (
    make_charge,
    make_key,
    make_limit,
    make_model,
    make_reserve,
)
from tests.ledger import sql_balance
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)
PROVIDER = Use.Source.PROVIDER
REFUSED = (LimitReached, CreditsBusy)


def _past() -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC)


def test_a_good_key_charges_the_account_in_its_name(alice: User, model: AIModel) -> None:
    plain = make_model()
    good = make_key(alice, only_models=[model.name, plain.name],
                    expires_at=datetime(2100, 1, 1, tzinfo=UTC))  # fmt: skip
    charge = make_charge(alice, model=plain.name, key_id=good.pk)
    reserve = make_reserve(alice, model, key_id=good.pk)
    rows = alice.usage.filter(pk__in=[charge.id, reserve.id])
    assert {(row.api_key_id, row.account_id) for row in rows} == {(good.pk, alice.pk)}


@pytest.mark.parametrize(
    "spoil",
    [
        {"revoked_at": _past()},
        {"expires_at": _past()},
        {"only_models": []},
        {"only_models": ["another"]},
    ],
    ids=["revoked", "expired", "no model", "another model"],
)
def test_a_bad_key_charges_nothing(spoil: dict[str, Any], alice: User, model: AIModel) -> None:
    plain, key = make_model(), make_key(alice)
    make_charge(alice, model=plain.name, key_id=key.pk)
    ApiKey.objects.filter(pk=key.pk).update(**spoil)
    for spend in (
        lambda: make_charge(alice, model=plain.name, key_id=key.pk),
        lambda: make_charge(alice, model=plain.name, key_id=key.pk, hold=True),
        lambda: make_reserve(alice, model, key_id=key.pk),
    ):
        with pytest.raises(BadKey):
            spend()
    assert sql_balance(alice) == 99


def test_a_key_acts_for_its_own_member_alone(alice: User, bob: User) -> None:
    add_member(alice, bob)
    his = make_key(alice, bob)
    with pytest.raises(BadKey):
        make_charge(alice, key_id=his.pk)
    make_charge(alice, key_id=his.pk, member_id=bob.pk)
    with pytest.raises(BadKey):
        make_charge(alice, key_id=10**9)


def test_a_key_charges_its_own_account_alone(alice: User, bob: User, model: AIModel) -> None:
    """Its member acts for another account too."""
    add_member(bob, alice)
    key = make_key(bob, alice)
    for spend in (make_charge, partial(make_reserve, model=model)):
        with pytest.raises(BadKey):
            spend(alice, key_id=key.pk)
        spend(bob, key_id=key.pk, member_id=alice.pk)


@together
def test_once_a_key_is_revoked_it_charges_nothing_more(rich: User) -> None:
    for _ in range(5):
        key = make_key(rich)
        late: list[int] = []

        def act(number: int) -> None:
            if number == 0:
                ApiKey.objects.filter(pk=key.pk).update(revoked_at=_past())  # noqa: B023
                late.append(rich.usage.filter(api_key=key).count())  # noqa: B023
                return
            for _ in range(10):
                try:
                    make_charge(rich, key_id=key.pk)  # noqa: B023
                except BadKey:
                    return

        in_parallel(8, act)
        # A spend that had its lock and the key before may be committed just after.
        assert rich.usage.filter(api_key=key).count() <= late[0] + 7
        with pytest.raises(BadKey):
            make_charge(rich, key_id=key.pk)


def test_limits_of_keys_and_members_leave_others_alone(alice: User, bob: User) -> None:
    add_member(alice, bob)
    key = make_key(alice)
    make_limit(alice, 2, api_key=key)
    make_limit(alice, 3, member=bob)
    make_charge(alice, 10)
    make_charge(alice, 2, key_id=key.pk)
    make_charge(alice, 3, member_id=bob.pk)
    for fields in ({"key_id": key.pk}, {"member_id": bob.pk}):
        with pytest.raises(LimitReached):
            make_charge(alice, **fields)
    make_charge(alice, 10)
    assert_counted(alice)
