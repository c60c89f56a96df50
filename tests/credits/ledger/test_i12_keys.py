"""I12 attacked by hand, and raced: a key acts for one account while it is good."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import transaction

from credits.exceptions import BadKey
from credits.integrity.run import run_checks
from credits.keys.lookup import InvalidApiKey, find_caller
from credits.keys.secrets import digest_of, new_secret
from credits.models import AIModel, ApiKey, ApiKeySecret, Hold, User
from tests.clock import Clock
from tests.credits.ledger.counting import add_member, assert_counted
from tests.factories import make_charge, make_key, make_reserve, make_secret, sql_now
from tests.ledger import insert_row, refused_by, sql
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_charge_names_a_key_of_its_own_account_and_member(alice: User, bob: User) -> None:
    add_member(alice, bob)
    add_member(bob, alice)
    own, his, other = make_key(alice), make_key(alice, bob), make_key(bob, alice)
    for columns in (
        {"api_key_id": other.pk},
        {"api_key_id": other.pk, "member_id": bob.pk},
        {"api_key_id": his.pk},
        {"api_key_id": own.pk, "member_id": bob.pk},
        {"api_key_id": 10**9},
    ):
        with refused_by("i12_key_of_account"):
            insert_row(alice, **columns)
    insert_row(alice, api_key_id=own.pk)
    insert_row(alice, api_key_id=his.pk, member_id=bob.pk)


def test_only_charges_name_a_key(alice: User) -> None:
    key = make_key(alice)
    charge = make_charge(alice, 2)
    with refused_by("i12_key_of_account"):
        insert_row(alice, api_key_id=key.pk, credits_used=-1, unit_cost=None, quantity=None,
                   refund_of_id=charge.id, details='{"reason": "admin"}')  # fmt: skip


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_no_charge_is_posted_in_the_name_of_a_key_that_has_ended(alice: User, column: str) -> None:
    key = make_key(alice)
    insert_row(alice, api_key_id=key.pk)
    sql(f"UPDATE credits_apikey SET {column} = now() WHERE id = %s", key.pk)
    with refused_by("i12_key_good"):
        insert_row(alice, api_key_id=key.pk)


def test_a_key_that_comes_expired_charges_nothing(alice: User) -> None:
    key = make_key(alice, expires_at=PAST)
    with refused_by("i12_key_good"):
        insert_row(alice, api_key_id=key.pk)


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_a_key_does_not_end_in_the_past(alice: User, clock: Clock, column: str) -> None:
    """Charges since then would be later than its end."""
    key = make_key(alice)
    make_charge(alice, key_id=key.pk)
    now = clock.freeze()
    ApiKey.objects.update(**{column: PAST})
    assert getattr(ApiKey.objects.get(), column) == now


def test_a_key_is_not_revoked_for_later(alice: User, clock: Clock) -> None:
    key = make_key(alice)
    now = clock.freeze()
    ApiKey.objects.update(revoked_at=now + HOUR)
    key.refresh_from_db()
    assert key.revoked_at == now


@pytest.mark.parametrize(
    "change", ["revoked_at = NULL", "revoked_at = now()", "expires_at = now() + interval '1 day'"]
)
def test_what_is_revoked_stays_revoked(alice: User, change: str) -> None:
    make_key(alice)
    sql("UPDATE credits_apikey SET revoked_at = now()")
    with refused_by("i12_key_ends_for_good"):
        sql(f"UPDATE credits_apikey SET {change}")


def test_an_end_may_be_moved_and_taken_away(alice: User, clock: Clock) -> None:
    key = make_key(alice)
    for end in (sql_now() + HOUR, sql_now() + 2 * HOUR, sql_now() + HOUR / 2, None):
        ApiKey.objects.update(expires_at=end)
        key.refresh_from_db()
        assert key.expires_at == end
    ApiKey.objects.update(expires_at=sql_now() + HOUR)
    clock.move(hours=2)
    with pytest.raises(BadKey):
        make_charge(alice, key_id=key.pk)
    ApiKey.objects.update(expires_at=None)
    make_charge(alice, key_id=key.pk)


def test_a_key_stays_what_it_was(alice: User, bob: User) -> None:
    make_key(alice)
    for column, value in (("account_id", bob.pk), ("member_id", bob.pk), ("id", 10**9)):
        with refused_by("i12_key_stays_what_it_was"):
            sql(f"UPDATE credits_apikey SET {column} = %s", value)


def test_a_key_is_never_deleted(alice: User) -> None:
    key = make_key(alice)
    with refused_by("i12_key_stays"):
        key.delete()
    with refused_by("i12_no_truncate"):
        sql("TRUNCATE credits_apikey CASCADE")


def test_a_secret_opens_the_key_that_it_was_made_for(alice: User, bob: User) -> None:
    make_secret(make_key(alice))
    other = make_key(bob)
    for change, value in (("key_id", other.pk), ("digest", digest_of(new_secret())), ("id", 10**9)):
        with refused_by("i12_secret_stays_what_it_was"):
            sql(f"UPDATE credits_apikeysecret SET {change} = %s", value)


def test_a_digest_is_there_once_and_whole(alice: User) -> None:
    key = make_key(alice)
    digest = digest_of(make_secret(key))
    with refused_by("i12_digest_once"):
        ApiKeySecret.objects.create(key=key, digest=digest, hint="x9Qz")
    for wrong in (b"", digest[:-1], digest + b"0"):
        with refused_by("i12_digest_whole"):
            ApiKeySecret.objects.create(key=key, digest=wrong, hint="x9Qz")


def test_a_key_has_known_scopes(alice: User) -> None:
    with refused_by("api_key_scopes_known"):
        make_key(alice, scopes=["inference", "admin"])
    make_key(alice, scopes=[])


def test_an_account_is_counted_from_its_first_key_on(alice: User, carol: User) -> None:
    make_charge(alice, 3)
    key = make_key(alice)
    make_charge(alice, 2, key_id=key.pk)
    make_charge(alice, 2, key_id=key.pk, hold=True)
    assert_counted(alice)
    rows = sql("SELECT api_key_id, spent::text, held::text FROM credits_spendday ORDER BY 1")
    assert rows == [(0, f"3{'0' * 12}", "0"), (key.pk, f"2{'0' * 12}", f"2{'0' * 12}")]
    make_key(carol)  # Without a balance yet.
    assert_counted(carol)


#: Check → what breaks its rule, with every guard off.
DIFFERENCES = {
    "key_acts_for_its_account": "UPDATE credits_usagehistory SET api_key_id = %(other)s"
    " WHERE api_key_id IS NOT NULL",
    "key_was_good": "UPDATE credits_apikey SET revoked_at = now() - interval '1 hour'",
}


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.parametrize("changed", [False, True])
def test_check_ledger_names_the_charges(
    alice: User, bob: User, name: str, *, changed: bool
) -> None:
    key, other = make_key(alice), make_key(bob)
    charge = make_charge(alice, key_id=key.pk)
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        sql(DIFFERENCES[name].replace("%(other)s", str(other.pk)))
        sql("SET LOCAL session_replication_role = origin")
        results = {each.check.name: each for each in run_checks(changed=changed)}
        transaction.set_rollback(True)
    assert results[name].offenders == [str(charge.id)]


@together
@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_no_charge_is_later_than_the_end_of_its_key(
    rich: User, model: AIModel, column: str
) -> None:
    """Reserves and charges from six threads, while the key ends: none is dated later, and none is
    refused with anything but `BadKey`."""
    for _ in range(20):
        key = make_key(rich)
        ended: list[datetime] = []

        def act(number: int) -> int:
            if number == 0:
                ApiKey.objects.filter(pk=key.pk).update(**{column: PAST})  # noqa: B023
                ended.append(sql_now())  # noqa: B023
                return 0
            for made in count():
                try:
                    if number % 2:
                        make_charge(rich, key_id=key.pk)  # noqa: B023
                    else:
                        make_reserve(rich, model, key_id=key.pk, output=10)  # noqa: B023
                except BadKey:
                    return made
            raise AssertionError

        in_parallel(6, act)
        key.refresh_from_db()
        end = getattr(key, column)
        assert end <= ended[0]
        assert not rich.usage.filter(api_key=key, created_at__gt=end).exists()


@together
def test_a_key_that_expires_by_the_clock_is_refused_as_bad(rich: User, model: AIModel) -> None:
    """Whoever was let in just before is dated before; the row is never refused by the database."""
    for _ in range(20):
        key = make_key(rich, expires_at=sql_now() + timedelta(milliseconds=30))

        def act(_: int) -> int:
            for made in count():
                try:
                    make_reserve(rich, model, key_id=key.pk, output=10)  # noqa: B023
                except BadKey:
                    return made
            raise AssertionError

        in_parallel(4, act)
        charges = rich.usage.filter(api_key=key)
        assert not charges.filter(created_at__gte=key.expires_at).exists()


def test_a_key_that_expires_between_two_looks_at_the_clock_is_refused_as_bad(
    alice: User, model: AIModel, clock: Clock
) -> None:
    """Each look at the clock is a second later, so that the key's end comes after any of them."""
    key, outcomes = make_key(alice), []
    for seconds in range(1, 20):
        start = sql_now() + timedelta(seconds=100 * seconds)
        sql("UPDATE credits_apikey SET expires_at = %s", start + timedelta(seconds=seconds))
        sql(f"CREATE SEQUENCE looks_{seconds}")
        clock.count(f"looks_{seconds}", start)
        try:
            make_reserve(alice, model, key_id=key.pk, output=10)
            outcomes.append(True)
        except BadKey:
            outcomes.append(False)
        clock.reset()
    assert outcomes == sorted(outcomes)
    assert not outcomes[0]
    assert outcomes[-1]


def test_what_is_held_by_a_key_goes_on_when_it_is_revoked(alice: User) -> None:
    key = make_key(alice)
    charge = make_charge(alice, key_id=key.pk, hold=True)
    ApiKey.objects.update(revoked_at=sql_now())
    assert Hold.objects.filter(charge_id=charge.id).exists()


def test_a_secret_that_was_found_good_may_be_refused_by_the_charge(alice: User) -> None:
    key = make_key(alice)
    caller = find_caller(make_secret(key))
    ApiKey.objects.update(revoked_at=sql_now())
    with pytest.raises(BadKey):
        make_charge(alice, key_id=caller.key_id, member_id=caller.member_id)
    with pytest.raises(InvalidApiKey):
        find_caller(new_secret())
