"""Changing packs, and which are on sale. Each change is one transaction, and stays in the history.
A pack gives nobody credits by itself, so that changes move none (`credits.packs` does)."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from credits.catalogue.exceptions import InvalidValue, NameTaken, NotInCatalogue
from credits.catalogue.fields import PACK_FIELDS, problems_of
from credits.catalogue.history import Subject, check_version, pack_state, record_change, version_of
from credits.models import Pack, User


def packs_on_sale() -> list[Pack]:
    """The packs that people can have, in their order."""
    return list(Pack.objects.filter(active=True))


def shop() -> dict[str, Any]:
    """What there is for those who need credits, for JSON: packs, and how to get one."""
    packs = [
        {"name": pack.name, "credits": pack.credits, "price": pack.price}
        for pack in packs_on_sale()
    ]
    return {"packs": packs, "shop": settings.CREDIT_SHOP_TEXT}


def pack_version(pack: Pack) -> str:
    """Differs for two states of a pack: for `expected_version`."""
    return version_of(pack_state(pack))


def find_pack(pack_id: int, *, lock: bool = False) -> Pack | None:
    """The pack with this id. With `lock` nobody else changes it before this transaction ends."""
    packs = Pack.objects.select_for_update(no_key=True) if lock else Pack.objects.all()
    return packs.filter(pk=pack_id).first()


@transaction.atomic
def create_pack(*, actor: User | None, values: Mapping[str, Any], reason: str = "") -> Pack:
    """Adds a pack with these values, by the names of PACK_FIELDS; what they do not name begins with
    its default. Raises InvalidValue, NameTaken."""
    for needed in ("name", "credits"):
        if needed not in values:
            raise InvalidValue(PACK_FIELDS[needed].sentence, needed)
    pack = Pack(**values)
    _save(pack)
    record_change(actor, Subject.PACK, pack.name, None, pack_state(pack), reason=reason)
    return pack


@transaction.atomic
def change_pack(
    *,
    actor: User | None,
    pack_id: int,
    changes: Mapping[str, Any],
    expected_version: str | None = None,
    reason: str = "",
) -> Pack:
    """Changes what `changes` names of a pack. What was given and every batch of codes keeps the
    credits that it had. Raises NotInCatalogue, InvalidValue, NameTaken, ChangedMeanwhile."""
    pack = find_pack(pack_id, lock=True)
    if pack is None:
        raise NotInCatalogue("pack", str(pack_id))
    check_version(pack_version(pack), expected_version)
    before = pack_state(pack)
    for field in changes.keys() & PACK_FIELDS.keys():
        setattr(pack, field, changes[field])
    if pack_state(pack) != before:
        _save(pack)
        after = pack_state(pack)
        record_change(actor, Subject.PACK, before["name"], before, after, reason=reason)
    return pack


def _save(pack: Pack) -> None:
    for field, sentence in problems_of(pack_state(pack), PACK_FIELDS).items():
        raise InvalidValue(sentence, field)
    try:
        with transaction.atomic():
            pack.save()
    except IntegrityError as error:
        if Pack.objects.filter(name=pack.name).exclude(pk=pack.pk).exists():
            raise NameTaken("pack", pack.name) from error
        raise
