"""Redeeming a code: its credits come to whoever has it, once. Guesses are counted before anything
is looked up (`credits.rate_limits`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from config.errors import DomainError
from credits import audit, rate_limits
from credits.kernel import ledger_now
from credits.ledger import get_balance, grant_credits
from credits.models import CodeBatch, CreditGrant, RedeemCode, UsageHistory, User
from credits.packs.batches import find_batch
from credits.packs.codes import digest_of
from credits.rate_limits import LONGEST
from credits.users.limits import TooManyFromHere


class CodeRefused(DomainError):
    """There is no such code, or it has ended, or somebody else has redeemed it: who guesses codes
    does not learn which."""

    status = 404
    code = "code_refused"

    def __init__(self) -> None:
        super().__init__(
            "This code brings nothing: it is not one of ours, has ended, or was redeemed already."
        )


class OnePerUser(DomainError):
    """The account has redeemed another code of a batch of which each takes one."""

    status = 409
    code = "one_per_user"

    def __init__(self) -> None:
        super().__init__(
            "You have redeemed another code of this kind, and each account can redeem one. "
            "Somebody else can still redeem this one."
        )


class OwnCode(DomainError):
    """Who made, approved or exported a batch knows its codes, and does not gain by them."""

    status = 403
    code = "own_code"

    def __init__(self) -> None:
        super().__init__(
            "You made, approved or exported the batch of this code: it is for others to redeem."
        )


class TooManyCodesTried(TooManyFromHere):
    """REDEMPTIONS_PER_HOUR codes of a user, or REDEMPTIONS_PER_HOUR_AND_ADDRESS from one client
    address, brought nothing."""

    code = "too_many_codes"
    what = "Too many codes that bring nothing were tried."


class Redemption(NamedTuple):
    """A code that an account has redeemed: `credits` came at `at` with the journal row `usage_id`;
    `replayed` when that was an earlier request."""

    credits: int
    at: datetime
    usage_id: int
    balance: int
    replayed: bool


def redeem(*, user: User, code: str, address: str) -> Redemption:
    """Gives `user` the credits of a code as they typed it. Who has redeemed it is told again what
    it brought. `address` is the client's. Raises CodeMistyped, TooManyCodesTried, CodeRefused,
    OnePerUser, OwnCode."""
    digest = digest_of(code)
    with _counted(user, address), transaction.atomic():
        return _redeem(user, digest)


@contextmanager
def _counted(user: User, address: str) -> Iterator[None]:
    """Counts a try, and takes the count back when it was right: outside of the transaction, which
    would take it back when it was wrong."""
    limits = {
        f"redeem:{user.pk}": settings.REDEMPTIONS_PER_HOUR,
        f"redeem-from:{address}": settings.REDEMPTIONS_PER_HOUR_AND_ADDRESS,
    }
    for key, limit in limits.items():
        if seconds := rate_limits.take(key, limit=limit, window=LONGEST):
            raise TooManyCodesTried(seconds)
    yield
    for key in limits:
        rate_limits.give_back(key)


def _redeem(user: User, digest: str) -> Redemption:
    rows = RedeemCode.objects.filter(digest=digest)
    unlocked = rows.first()
    if unlocked is None:
        raise CodeRefused
    # The batch before its codes, so that an export anew and a redemption do not wait in a circle.
    # Read again under its lock: an export may have given the code another digest.
    batch = find_batch(unlocked.batch_id, lock=True)
    row = rows.first()
    if row is None:
        raise CodeRefused
    if row.account_id == user.pk:
        return _of(row, batch, replayed=True)
    if row.account_id or batch.state != "exported":
        raise CodeRefused
    if user.pk in {batch.made_by_id, batch.approved_by_id, batch.exported_by_id}:
        raise OwnCode
    if batch.once_per_user and batch.codes.filter(account_id=user.pk).exists():
        raise OnePerUser
    return _grant(user, row, batch)


def _grant(user: User, row: RedeemCode, batch: CodeBatch) -> Redemption:
    granted = grant_credits(
        user_id=user.pk,
        source=CreditGrant.Source.PACK,
        amount=batch.worth,
        key=f"code:{row.pk}",
        details={"batch": batch.pk, "code": row.number, "pack": batch.pack and batch.pack.name},
    )
    RedeemCode.objects.filter(pk=row.pk).update(
        account_id=user.pk, redeemed_at=ledger_now(), grant_id=granted.id
    )
    audit.record(
        actor=str(batch),
        action="code.redeem",
        target=str(row),
        user_id=user.pk,
        before=granted.balance - batch.worth,
        after=granted.balance,
    )
    row.refresh_from_db()
    return _of(row, batch, replayed=False)


def _of(row: RedeemCode, batch: CodeBatch, *, replayed: bool) -> Redemption:
    assert row.account_id
    assert row.redeemed_at
    usage = UsageHistory.objects.get(grant_id=row.grant_id, credits_used__lt=0)
    balance = get_balance(user_id=row.account_id).remaining
    return Redemption(batch.worth, row.redeemed_at, usage.pk, balance, replayed)
