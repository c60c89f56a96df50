"""Giving a pack to somebody, for a payment that came or as a gift: a grant of the source PACK, once
for each payment. A payment provider will come through the same door (`grant_credits`)."""

import unicodedata
from typing import NamedTuple

from config.text import is_blank
from credits import audit, exceptions
from credits.adjustments import who
from credits.approvals import Kind, asks
from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.fields import PACK_QUANTITY, REFERENCE
from credits.catalogue.packs import find_pack
from credits.idempotency import namespaced
from credits.ledger import grant_credits
from credits.models import CreditGrant, Pack, UsageHistory, User


class ReferenceUsed(exceptions.LedgerError):
    """The payment has brought another pack, or one to somebody else. Nothing was given."""

    status = 409
    code = "reference_used"

    def __init__(self, reference: str) -> None:
        payment = f"The payment {reference}" if reference else "This key"
        super().__init__(f"{payment} was used for another pack or person. Nothing was given.")


class PackChanged(exceptions.LedgerError):
    """The pack holds other credits than were shown. Nothing was given."""

    status = 409
    code = "pack_changed"

    def __init__(self, pack: Pack) -> None:
        super().__init__(f"{pack.name} is {pack.credits:,} credits by now. Look again.")


class Given(NamedTuple):
    """Packs that somebody has: `credits` of all of them came with the journal row `usage_id`;
    `replayed` when the payment had brought them before."""

    pack: Pack
    quantity: int
    credits: int
    usage_id: int
    balance: int
    replayed: bool


@asks(Kind.PACK, pin=lambda _, done: {"each": done.pack.credits})
def give_pack(
    *,
    actor: User,
    user_id: int,
    pack_id: int,
    reason: str,
    key: str,
    quantity: int = 1,
    reference: str = "",
    each: int | None = None,
) -> Given:
    """Gives packs that are on sale. The same payment `reference`, whatever its case and blanks, or
    without one the same `key`, gives them once. With `each`, the credits of one that were shown, a
    pack that was changed is not given. What is left of a pack can be taken back by an adjustment.

    Raises ApprovalPending, ReferenceUsed, PackChanged, InvalidValue, OwnAccount, LedgerError.
    """
    pack = _checked(pack_id, quantity, reference, reason)
    if each not in {None, pack.credits}:
        raise PackChanged(pack)
    which = {"packId": pack.pk, "quantity": quantity}
    try:
        granted = grant_credits(
            user_id=user_id,
            source=CreditGrant.Source.PACK,
            amount=pack.credits * quantity,
            key=_key_of(reference, key),
            details={
                **which,
                "pack": pack.name,
                "reference": reference.strip(),
                "reason": reason.strip(),
                **who(actor),
            },
        )
    except exceptions.IdempotencyConflict:
        raise ReferenceUsed(reference) from None
    row = UsageHistory.objects.get(grant_id=granted.id, credits_used__lt=0)
    done = Given(pack, quantity, row.into, row.pk, granted.balance, granted.replayed)
    if granted.replayed:
        if which.items() - row.details.items():
            raise ReferenceUsed(reference)
        return done
    audit.record(
        actor=actor,
        action="pack.give",
        target=f"{quantity} × {pack.name}",
        user_id=user_id,
        before=granted.balance - done.credits,
        after=granted.balance,
        reason=reason.strip(),
        credits=done.credits,
        usage_id=row.pk,
    )
    return done


def _checked(pack_id: int, quantity: int, reference: str, reason: str) -> Pack:
    """The pack, locked against changes until it is given."""
    pack = find_pack(pack_id, lock=True)
    if pack is None or not pack.active:
        raise InvalidValue("Choose one of the packs on sale.", "packId")
    if not PACK_QUANTITY.accepts(quantity):
        raise InvalidValue(PACK_QUANTITY.sentence, "quantity")
    if not REFERENCE.accepts(reference):
        raise InvalidValue(REFERENCE.sentence, "reference")
    if is_blank(reason):
        raise InvalidValue("Say why.", "reason")
    return pack


def _key_of(reference: str, key: str) -> str:
    """The grant's key. A reference is typed by people: its case and blanks say nothing."""
    plain = "".join(unicodedata.normalize("NFKC", reference).split()).casefold()
    return namespaced("pack", f"payment:{plain}" if plain else f"key:{key}")
