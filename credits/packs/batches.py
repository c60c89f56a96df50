"""Batches of redeem codes: made by an admin, and by a second one where they are worth much; the
codes come to be in the export, and nobody can read them afterwards. Each function is one
transaction; a batch is locked before its codes (docs/ledger.md, Locks)."""

from datetime import UTC, timedelta
from typing import Any

from django.db import transaction
from django.db.models import (
    BooleanField,
    Case,
    Count,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from config.errors import DomainError
from credits import audit
from credits.approvals import Kind, asks
from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.fields import CODES, NOTE, PACK_CREDITS
from credits.catalogue.packs import find_pack
from credits.exceptions import IdempotencyConflict
from credits.kernel import ledger_now
from credits.models import CodeBatch, Pack, RedeemCode, User
from credits.models.packs import MAX_WORTH
from credits.packs.codes import digest_of, new_code
from credits.statement.days import midnight, parse_day

#: Digests that are written at once.
WRITTEN_AT_ONCE = 2_000


class NoBatch(DomainError):
    """There is no such batch."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is no such batch of codes.")


class AlreadyExported(DomainError):
    """The codes exist with whoever exported them, and nowhere else."""

    status = 409
    code = "already_exported"

    def __init__(self, batch: CodeBatch) -> None:
        super().__init__(
            f"{batch.exported_by} has exported these codes already, and they are kept nowhere. If "
            "that file is lost, export anew: then the codes in it that nobody redeemed end."
        )


class BatchEnded(DomainError):
    """The batch is void, its end has come, or all of it was redeemed: there is nothing to export
    or to void."""

    status = 409
    code = "batch_ended"


def batches() -> QuerySet[CodeBatch]:
    """All batches, each with how many of its codes were `redeemed`, and whether it `is_over`."""
    redeemed = RedeemCode.objects.filter(RedeemCode.REDEEMED, batch=OuterRef("pk"))
    counted = redeemed.order_by().values("batch").annotate(n=Count("pk")).values("n")
    over = Case(
        When(expires_at__lte=ledger_now(), then=True), default=False, output_field=BooleanField()
    )
    known: dict[str, Any] = {
        "redeemed": Coalesce(Subquery(counted, output_field=IntegerField()), 0),
        "is_over": over,
    }
    return CodeBatch.objects.select_related("pack", "made_by", "approved_by").annotate(**known)


def find_batch(batch_id: int, *, lock: bool = False) -> CodeBatch:
    """The batch. With `lock` its codes are neither redeemed nor exported by others before this
    transaction ends. Raises NoBatch."""
    if lock:
        # On its own: what is counted beside it is read after it is locked.
        list(CodeBatch.objects.select_for_update(no_key=True).filter(pk=batch_id))
    batch = batches().filter(pk=batch_id).first()
    if batch is None:
        raise NoBatch
    return batch


@asks(Kind.CODES, pin=lambda _, batch: {"worth": batch.worth})
def make_batch(
    *,
    actor: User,
    count: int,
    last_day: str,
    key: str,
    pack_id: int | None = None,
    worth: int | None = None,
    once_per_user: bool = True,
    reason: str = "",
) -> CodeBatch:
    """Makes a batch of `count` codes that bring the credits of a pack, or `worth` each, and can be
    redeemed up to `last_day` (2026-12-31, in UTC, included). All of them count as what the admin
    moves. The same `key` of an admin makes it once. `reason` is its note.

    Raises ApprovalPending, InvalidValue, IdempotencyConflict.
    """
    pack, worth = _worth_of(pack_id, worth)
    wanted: dict[str, Any] = {
        "pack": pack,
        "worth": worth,
        "count": count,
        "expires_at": midnight(_day_after(last_day), UTC),
        "once_per_user": once_per_user,
        "note": reason.strip(),
    }
    if earlier := CodeBatch.objects.filter(made_by=actor, key=key).first():
        if any(getattr(earlier, name) != value for name, value in wanted.items()):
            raise IdempotencyConflict("This idempotency key belongs to another batch.")
        return find_batch(earlier.pk)
    _check(count=count, worth=worth, note=reason.strip(), expires_at=wanted["expires_at"])
    change = audit.movement.get()
    entry = audit.record(
        actor=actor,
        action="codes.make",
        target=f"{count:,} × {worth:,} credits",
        after={
            "pack": pack and pack.name,
            "lastDay": last_day,
            "oncePerUser": once_per_user,
        },
        reason=reason.strip(),
        credits=worth * count,
    )
    approved_by = change.approved_by if change else None
    made = CodeBatch.objects.create(
        made_by=actor, approved_by=approved_by, key=key, entry=entry, **wanted
    )
    return find_batch(made.pk)


def _worth_of(pack_id: int | None, worth: int | None) -> tuple[Pack | None, int]:
    """The pack, if it is of one, and the credits of a code."""
    if pack_id is None:
        if worth is None or not PACK_CREDITS.accepts(worth):
            raise InvalidValue(f"Choose a pack, or write {PACK_CREDITS.range}.", "worth")
        return None, worth
    pack = find_pack(pack_id, lock=True)
    if pack is None:
        raise InvalidValue("There is no such pack.", "packId")
    if worth not in {None, pack.credits}:
        raise InvalidValue(f"{pack.name} is {pack.credits:,} credits by now.", "worth")
    return pack, pack.credits


def _day_after(last_day: str) -> Any:
    try:
        return parse_day(last_day) + timedelta(days=1)
    except ValueError as error:
        raise InvalidValue(str(error), "lastDay") from None


def _check(*, count: int, worth: int, note: str, expires_at: Any) -> None:
    if not CODES.accepts(count):
        raise InvalidValue(CODES.sentence, "count")
    if worth * count > MAX_WORTH:
        raise InvalidValue(f"All codes together are at most {MAX_WORTH:,} credits.", "count")
    if not NOTE.accepts(note):
        raise InvalidValue(NOTE.sentence, "note")
    if expires_at <= timezone.now():
        raise InvalidValue("This day is over.", "lastDay")


@transaction.atomic
def export_codes(*, actor: User, batch_id: int, anew: bool = False) -> tuple[CodeBatch, list[str]]:
    """Makes the codes of a batch, and returns them: once. They are stored as digests alone. With
    `anew` the codes that nobody has redeemed end, and as many others are made in their place: for a
    file that was lost. Raises NoBatch, AlreadyExported, BatchEnded."""
    batch = find_batch(batch_id, lock=True)
    if batch.state in {"void", "over"}:
        raise BatchEnded(f"This batch is {batch.state}: its codes cannot be redeemed any more.")
    if batch.exported_at and not anew:
        raise AlreadyExported(batch)
    plain = _renewed(batch) if batch.exported_at else _first(batch)
    if not plain:
        raise BatchEnded("All codes of this batch have been redeemed.")
    CodeBatch.objects.filter(pk=batch.pk).update(exported_by=actor, exported_at=ledger_now())
    is_first = batch.exported_at is None
    audit.record(
        actor=actor,
        action="codes.export",
        target=str(batch),
        after={"codes": len(plain), "anew": not is_first},
    )
    return batch, plain


def _first(batch: CodeBatch) -> list[str]:
    codes = [new_code() for _ in range(batch.count)]
    rows = [
        RedeemCode(
            batch=batch, number=number, digest=digest_of(code), once_per_user=batch.once_per_user
        )
        for number, code in enumerate(codes, 1)
    ]
    RedeemCode.objects.bulk_create(rows, batch_size=WRITTEN_AT_ONCE)
    return codes


def _renewed(batch: CodeBatch) -> list[str]:
    rows = list(batch.codes.exclude(RedeemCode.REDEEMED).order_by("number"))
    codes = [new_code() for _ in rows]
    for row, code in zip(rows, codes, strict=True):
        row.digest = digest_of(code)
    RedeemCode.objects.bulk_update(rows, ["digest"], batch_size=WRITTEN_AT_ONCE)
    return codes


@transaction.atomic
def void_batch(*, actor: User, batch_id: int, reason: str = "") -> CodeBatch:
    """Ends the codes of a batch that nobody has redeemed, for good; what was redeemed stays. Once
    it is void nothing more happens. Raises NoBatch."""
    batch = find_batch(batch_id, lock=True)
    if batch.voided_at is None:
        CodeBatch.objects.filter(pk=batch_id).update(voided_by=actor, voided_at=ledger_now())
        ended = batch.count - batch.redeemed
        audit.record(
            actor=actor,
            action="codes.void",
            target=str(batch),
            after={"ended": ended, "redeemed": batch.redeemed},
            reason=reason.strip(),
        )
    return find_batch(batch_id)
