"""Who calls with a key."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from credits.keys.lookup import Caller, InvalidApiKey, find_caller
from credits.keys.secrets import new_secret
from credits.models import ApiKey, ApiKeySecret, User
from credits.users.closing import close
from tests.clock import Clock
from tests.credits.ledger.counting import add_member
from tests.factories import make_key, make_secret
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_secret_names_key_account_and_member(alice: User, bob: User) -> None:
    add_member(alice, bob)
    key = make_key(alice, bob, scopes=["inference", "usage:read"], only_models=["small"])
    caller = find_caller(make_secret(key))
    assert caller == Caller(
        key_id=key.pk,
        public_id=key.public_id,
        account_id=alice.pk,
        member_id=bob.pk,
        scopes=["inference", "usage:read"],
        only_models=["small"],
    )


def test_a_key_may_call_all_models_unless_it_says_which(alice: User) -> None:
    caller = find_caller(make_secret(make_key(alice)))
    assert (caller.scopes, caller.only_models) == (["inference"], None)


def test_the_look_up_is_one_statement(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    secret = make_secret(make_key(alice))
    find_caller(secret)
    with django_assert_num_queries(1):
        find_caller(secret)


def test_what_is_no_secret_by_its_form_is_not_looked_up(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    secret = make_secret(make_key(alice))
    mistyped = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    with django_assert_num_queries(0):
        for wrong in (mistyped, "", "sk-tally_", "sk-proj-0123456789"):
            with pytest.raises(InvalidApiKey):
                find_caller(wrong)


def _unknown(key: ApiKey, secret: str) -> str:
    return new_secret()


def _expired(key: ApiKey, secret: str) -> str:
    ApiKey.objects.update(expires_at=timezone.now())
    return secret


def _revoked(key: ApiKey, secret: str) -> str:
    ApiKey.objects.update(revoked_at=timezone.now())
    return secret


def _rolled(key: ApiKey, secret: str) -> str:
    ApiKeySecret.objects.update(valid_until=timezone.now())
    return secret


def _closed(key: ApiKey, secret: str) -> str:
    close(key.member)
    return secret


def _banned(key: ApiKey, secret: str) -> str:
    User.objects.filter(pk=key.member_id).update(is_active=False)
    return secret


@pytest.mark.parametrize("spoil", [_unknown, _expired, _revoked, _rolled, _closed, _banned])
def test_every_useless_secret_has_the_same_answer(
    alice: User, spoil: Callable[[ApiKey, str], str]
) -> None:
    key = make_key(alice)
    secret = make_secret(key)
    find_caller(secret)
    with pytest.raises(InvalidApiKey) as refused:
        find_caller(spoil(key, secret))
    assert (refused.value.status, refused.value.body) == (401, InvalidApiKey().body)


def test_a_key_ends_with_its_account_or_its_member(alice: User, bob: User, carol: User) -> None:
    add_member(alice, bob)
    secret = make_secret(make_key(alice, bob))
    for person in (alice, bob):
        User.objects.filter(pk=person.pk).update(is_active=False)
        with pytest.raises(InvalidApiKey):
            find_caller(secret)
        User.objects.filter(pk=person.pk).update(is_active=True)
    assert find_caller(secret).member_id == bob.pk


def test_ends_that_are_still_to_come_do_not_matter_yet(alice: User, clock: Clock) -> None:
    key = make_key(alice, expires_at=timezone.now() + 2 * HOUR)
    secret = make_secret(key, valid_until=timezone.now() + HOUR)
    later = make_secret(key)
    assert find_caller(secret).key_id == key.pk
    clock.move(hours=1)
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    assert find_caller(later).key_id == key.pk
    clock.move(hours=1)
    with pytest.raises(InvalidApiKey):
        find_caller(later)


def last_use() -> datetime | None:
    return ApiKeySecret.objects.get().last_used_at


def test_a_use_is_written_once_a_minute(alice: User) -> None:
    secret = make_secret(make_key(alice))
    assert last_use() is None

    find_caller(secret)
    first = last_use()
    assert first

    find_caller(secret)
    assert last_use() == first

    long_ago = first - timedelta(seconds=61)
    ApiKeySecret.objects.update(last_used_at=long_ago)
    find_caller(secret)
    assert last_use() != long_ago


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_neither_wait_nor_write_twice(alice: User) -> None:
    secret = make_secret(make_key(alice))
    version = "SELECT xmin::text::bigint FROM credits_apikeysecret"
    with connection.cursor() as cursor:
        cursor.execute(version)
        before = cursor.fetchone()
    callers = in_parallel(20, lambda _: find_caller(secret))
    assert {caller.account_id for caller in callers} == {alice.pk}
    with connection.cursor() as cursor:
        cursor.execute(version)
        first = cursor.fetchone()
        assert first != before
    in_parallel(20, lambda _: find_caller(secret))
    with connection.cursor() as cursor:
        cursor.execute(version)
        assert cursor.fetchone() == first


@pytest.mark.django_db(transaction=True)
def test_a_call_does_not_wait_for_the_row_of_its_secret(alice: User) -> None:
    secret = make_secret(make_key(alice))
    with transaction.atomic():
        ApiKeySecret.objects.select_for_update().get()
        (caller,) = in_parallel(1, lambda _: find_caller(secret))
    assert caller.account_id == alice.pk
    assert last_use() is None


def test_a_use_that_cannot_be_written_does_not_fail_the_call(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = make_secret(make_key(alice))
    monkeypatch.setattr("credits.keys.lookup.WRITE_USE", "SELECT 1 / 0 WHERE %s > 0")
    assert find_caller(secret).account_id == alice.pk
    assert last_use() is None
    assert "was not written" in caplog.text
    assert secret not in caplog.text
