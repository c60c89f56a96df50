"""Making, changing, rolling and revoking keys."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from config.errors import InvalidInput
from credits.exceptions import BadKey, LimitReached
from credits.keys import services
from credits.keys.exceptions import (
    KeyRevoked,
    NoSuchKey,
    RolledLately,
    TooManyKeys,
    TooManySecrets,
)
from credits.keys.lookup import InvalidApiKey, find_caller
from credits.keys.services import change_key, find_key, make_key, revoke_key, roll_key
from credits.limits.setting import TooManyLimits
from credits.models import ApiKey, ApiKeySecret, AuditEntry, AuthenticationEvent, Limit, User
from credits.signals import key_revoked
from credits.users.closing import close
from tests.clock import Clock
from tests.credits.users.conftest import work
from tests.factories import make_charge, make_limit, make_model, make_user, sql_now
from tests.parallel import count_of, in_parallel

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def make(user: User, **fields: Any) -> services.WithSecret:
    return make_key(actor=user, account_id=user.pk, **{"name": "CI", **fields})


@pytest.fixture
def with_mail(settings: Any) -> None:
    settings.MAIL_CONFIGURED = True


@pytest.fixture
def revocations() -> Iterator[list[dict[str, Any]]]:
    """What `key_revoked` said."""
    received: list[dict[str, Any]] = []

    def receive(sender: Any, signal: Any, **said: Any) -> None:
        received.append(said)

    key_revoked.connect(receive)
    yield received
    key_revoked.disconnect(receive)


def test_a_key_is_good_as_soon_as_it_is_made(alice: User) -> None:
    model = make_model("small")
    end = sql_now() + HOUR
    key, secret = make(alice, name="CI", models=["small"], expires_at=end)
    assert find_caller(secret).key_id == key.pk
    assert (key.name, key.only_models, key.expires_at, key.member) == ("CI", ["small"], end, alice)
    make_charge(alice, model=model.name, key_id=key.pk)
    other = make_model("other")
    with pytest.raises(BadKey):
        make_charge(alice, model=other.name, key_id=key.pk)


def test_only_a_digest_is_kept(alice: User) -> None:
    key, secret = make(alice)
    [row] = key.secrets.values()
    assert secret not in str(row)
    assert row["hint"] == secret[-4:]
    assert len(bytes(row["digest"])) == 32


def test_limits_bound_what_the_key_spends(alice: User) -> None:
    key, _ = make(alice, limits={"day": 2, "month": 5})
    assert set(Limit.objects.values_list("period", "credits", "hard", "api_key")) == {
        ("day", 2, True, key.pk),
        ("month", 5, True, key.pk),
    }
    make_charge(alice, 2, key_id=key.pk)
    with pytest.raises(LimitReached) as refused:
        make_charge(alice, key_id=key.pk)
    assert "the key's limit" in str(refused.value)
    make_charge(alice, 3)


def test_there_is_room_for_the_limits_of_many_keys(alice: User) -> None:
    for _ in range(8):
        make(alice, limits={"day": 1, "week": 2, "month": 3, "ever": 4})
    for period in ("day", "week", "month", "ever"):
        make_limit(alice, 5, period)
    assert Limit.objects.count() == 36


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": ""}, ("name",)),
        ({"name": "\u200b"}, ("name",)),
        ({"name": "x" * 101}, ("name",)),
        ({"name": "two\nlines"}, ("name",)),
        ({"models": []}, ("models",)),
        ({"models": ["unknown"]}, ("models", 0)),
        ({"models": ["small", "small"]}, ("models",)),
        ({"models": ["nul\0"]}, ("models",)),
        ({"scopes": []}, ("scopes",)),
        ({"scopes": ["admin"]}, ("scopes",)),
        ({"limits": {"day": -1}}, ("credits",)),
        ({"limits": {"year": 1}}, ("period",)),
    ],
)
def test_what_no_key_can_be_is_refused(
    alice: User, wrong: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    make_model("small")
    with pytest.raises(InvalidInput) as refused:
        make(alice, **wrong)
    assert refused.value.path == path
    assert not ApiKey.objects.exists()


def test_a_key_does_not_begin_over(alice: User) -> None:
    with pytest.raises(InvalidInput) as refused:
        make(alice, expires_at=sql_now())
    assert refused.value.path == ("expiresAt",)


def test_so_many_keys_and_no_more(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST", 2)
    first, _ = make(alice)
    make(alice)
    with pytest.raises(TooManyKeys):
        make(alice)
    make(bob)
    revoke_key(actor=alice, key=first)
    make(alice)


@together
def test_at_once_there_are_not_more(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST", 3)
    answers = in_parallel(8, lambda _: make(alice), catch=TooManyKeys)
    assert count_of(answers, TooManyKeys) == 5
    assert ApiKey.objects.count() == 3


def test_secrets_of_an_hour_are_counted(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "SECRETS_PER_HOUR", 2)
    key, _ = make(alice)
    roll_key(actor=alice, key=key, overlap_days=0)
    with pytest.raises(TooManySecrets) as refused:
        make(alice)
    assert refused.value.retry_seconds
    with pytest.raises(TooManySecrets):
        roll_key(actor=alice, key=key, overlap_days=0)


def test_a_key_is_found_by_its_name_and_owner(alice: User, bob: User) -> None:
    key, _ = make(alice)
    assert find_key(public_id=key.public_id) == key
    assert find_key(public_id=key.public_id, account_id=alice.pk) == key
    for public_id, account in (
        (key.public_id, bob.pk), ("key_0000000000000000", alice.pk), ("nul\0", alice.pk),
        (key.public_id + "\n", alice.pk), ("\ud800", alice.pk), ("", alice.pk),
    ):  # fmt: skip
        with pytest.raises(NoSuchKey):
            find_key(public_id=public_id, account_id=account)


def test_changing_a_key_keeps_what_is_not_named(alice: User) -> None:
    make_model("small")
    key, secret = make(alice, limits={"day": 2}, models=["small"])
    changed = change_key(actor=alice, key=key, name="New")
    assert (changed.name, changed.only_models) == ("New", ["small"])
    assert Limit.objects.get().credits == 2
    changed = change_key(actor=alice, key=key, models=None, expires_at=sql_now() + HOUR)
    assert (changed.name, changed.only_models) == ("New", None)
    assert find_caller(secret).only_models is None


def test_limits_of_a_key_become_those_that_are_named(alice: User) -> None:
    key, _ = make(alice, limits={"day": 2, "month": 9})
    make_limit(alice, 7, "day")
    make_limit(alice, 1, "day", api_key=key, by_admin=True)
    day = Limit.objects.get(period="day", api_key=key, by_admin=False)
    change_key(actor=alice, key=key, limits={"day": 3, "week": 5})
    own = Limit.objects.filter(api_key=key, by_admin=False)
    assert set(own.values_list("period", "credits")) == {("day", 3), ("week", 5)}
    assert own.get(period="day").pk == day.pk
    assert Limit.objects.count() == 4
    change_key(actor=alice, key=key, limits={})
    assert set(Limit.objects.values_list("api_key", "by_admin")) == {(None, False), (key.pk, True)}


def test_a_key_that_is_over_can_be_renamed_and_go_on(alice: User, clock: Clock) -> None:
    end = sql_now() + HOUR
    key, secret = make(alice, expires_at=end)
    clock.move(hours=2)
    key.refresh_from_db()
    changed = change_key(actor=alice, key=key, name="Over", expires_at=key.expires_at)
    assert (changed.name, changed.expires_at) == ("Over", end)
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    change_key(actor=alice, key=key, expires_at=None)
    assert find_caller(secret).key_id == key.pk


def test_a_rolled_key_has_two_secrets_for_a_time(alice: User, clock: Clock) -> None:
    key, first = make(alice, limits={"ever": 3})
    make_charge(alice, 2, key_id=key.pk)
    rolled, second = roll_key(actor=alice, key=key, overlap_days=7)
    assert rolled == key
    assert find_caller(first) == find_caller(second)
    clock.move(days=6, hours=23)
    assert find_caller(first) == find_caller(second)
    clock.move(hours=1)
    assert find_caller(second).key_id == key.pk
    with pytest.raises(InvalidApiKey):
        find_caller(first)
    # What the key has spent counts as before.
    with pytest.raises(LimitReached):
        make_charge(alice, 2, key_id=key.pk)


def test_a_key_can_be_rolled_at_once(alice: User) -> None:
    key, first = make(alice)
    _, second = roll_key(actor=alice, key=key, overlap_days=0)
    with pytest.raises(InvalidApiKey):
        find_caller(first)
    assert find_caller(second).key_id == key.pk


def test_a_key_never_has_three_secrets(alice: User, clock: Clock) -> None:
    key, first = make(alice)
    _, second = roll_key(actor=alice, key=key, overlap_days=2)
    with pytest.raises(RolledLately) as refused:
        roll_key(actor=alice, key=key, overlap_days=1)
    assert refused.value.members["formerUntil"]
    _, third = roll_key(actor=alice, key=key, overlap_days=0)
    for former in (first, second):
        with pytest.raises(InvalidApiKey):
            find_caller(former)
    assert find_caller(third)
    roll_key(actor=alice, key=key, overlap_days=2)
    clock.move(days=2)
    roll_key(actor=alice, key=key, overlap_days=2)
    assert ApiKeySecret.objects.count() == 2


@pytest.mark.parametrize("days", [-1, 8])
def test_two_secrets_are_good_for_a_week_at_most(alice: User, days: int) -> None:
    key, _ = make(alice)
    with pytest.raises(InvalidInput) as refused:
        roll_key(actor=alice, key=key, overlap_days=days)
    assert refused.value.path == ("overlapDays",)


@together
def test_calls_go_on_while_a_key_is_rolled_with_overlap(alice: User) -> None:
    """One that is rolled at once refuses the former secret once that has returned."""
    key, first = make(alice)
    for days in (1, 0):
        made: list[str] = []

        def act(number: int) -> None:
            if number == 0:
                made.append(roll_key(actor=alice, key=key, overlap_days=days).secret)  # noqa: B023
                return
            while not made:  # noqa: B023
                if days:  # noqa: B023
                    find_caller(first)

        in_parallel(4, act)
        assert find_caller(made[0]).key_id == key.pk
    with pytest.raises(InvalidApiKey):
        find_caller(first)


def test_a_revoked_key_is_useless_at_once(alice: User, revocations: list[dict[str, Any]]) -> None:
    key, secret = make(alice, limits={"day": 5})
    charge = make_charge(alice, key_id=key.pk, hold=True)
    revoked = revoke_key(actor=alice, key=key)
    assert revoked.revoked_at
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    with pytest.raises(BadKey):
        make_charge(alice, key_id=key.pk)
    assert not Limit.objects.exists()
    assert alice.usage.filter(pk=charge.id).exists()
    said = {"key_id": key.pk, "account_id": alice.pk}
    assert revocations == [{**said, "stop": False}]
    revoke_key(actor=alice, key=key, stop=True)
    assert revocations[1:] == [{**said, "stop": True}]
    key.refresh_from_db()
    assert key.revoked_at == revoked.revoked_at


def test_what_was_revoked_is_not_changed(alice: User) -> None:
    key, _ = make(alice)
    revoke_key(actor=alice, key=key)
    for change in (
        lambda: change_key(actor=alice, key=key, name="New"),
        lambda: change_key(actor=alice, key=key, expires_at=None, limits={"day": 1}),
        lambda: roll_key(actor=alice, key=key, overlap_days=0),
    ):
        with pytest.raises(KeyRevoked):
            change()


def test_what_an_admin_revokes_is_recorded_without_its_secret(alice: User, bob: User) -> None:
    key, secret = make(alice, name="CI")
    revoke_key(actor=bob, key=key, by_admin=True, reason="It was leaked.", stop=True)
    entry = AuditEntry.objects.get(action="key.revoke")
    assert (entry.actor, entry.user_id, entry.target) == (bob, alice.pk, key.public_id)
    assert (entry.after, entry.reason) == ({"stop": True}, "It was leaked.")
    assert secret[-4:] not in str(vars(entry))


def test_the_trail_has_keys(alice: User) -> None:
    key, _ = make(alice)
    roll_key(actor=alice, key=key, overlap_days=0)
    revoke_key(actor=alice, key=key)
    kinds = AuthenticationEvent.objects.filter(user=alice).order_by("pk")
    assert list(kinds.values_list("kind", flat=True)) == ["key_made", "key_rolled", "key_revoked"]


def test_a_letter_says_that_a_key_was_made(alice: User, with_mail: None) -> None:
    key, secret = make(alice, name="Buy at evil.example")
    work()
    [letter] = mail.outbox
    assert letter.to == [alice.email]
    assert f"…{secret[-4:]}" in letter.body
    assert f"/account/keys/{key.public_id}" in letter.body
    assert secret not in letter.body
    assert "evil" not in letter.body
    roll_key(actor=alice, key=key, overlap_days=0)
    work()
    assert "new secret" in mail.outbox[1].body


def test_a_closed_account_has_no_secrets(alice: User, bob: User) -> None:
    key, secret = make(alice, name="Alice's laptop", limits={"day": 1})
    _, his = make(bob)
    close(alice)
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    key.refresh_from_db()
    assert (key.name, key.secrets.count()) == ("", 0)
    assert find_caller(his).account_id == bob.pk


def test_a_deactivated_account_has_its_keys_back_with_it(alice: User) -> None:
    key, secret = make(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert find_caller(secret).key_id == key.pk


def test_a_key_whose_limits_are_too_many_is_not_made(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.limits.setting.MOST", 1)
    with pytest.raises(TooManyLimits):
        make(alice, limits={"day": 1, "week": 2})
    assert not ApiKey.objects.exists()


@together
def test_closing_an_account_beside_its_spends_waits_for_none_for_ever() -> None:
    """Spends that name a member take a share of its user at the commit, under the balance."""
    for _ in range(10):
        user = make_user(credits=1000)
        key, _secret = make(user)

        def act(number: int) -> None:
            if number == 0:
                close(user)  # noqa: B023
                return
            for _ in range(20):
                make_charge(user, key_id=key.pk, member_id=user.pk)  # noqa: B023

        in_parallel(4, act, catch=Exception)
        key.refresh_from_db()
        assert key.name == ""
