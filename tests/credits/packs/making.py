"""Packs and codes for tests, made through their own doors."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from credits.catalogue.packs import create_pack
from credits.models import CodeBatch, Pack, User
from credits.packs.batches import export_codes, make_batch
from credits.packs.redeeming import Redemption, redeem

ADDRESS = "192.0.2.7"


def make_pack(name: str = "Small", *, credits: int = 50, **values: Any) -> Pack:
    values = {"name": name, "credits": credits, "price": "€5", **values}
    return create_pack(actor=None, values=values)


def day(ahead: int) -> str:
    """A day so many days from today, in UTC."""
    return f"{timezone.now() + timedelta(days=ahead):%Y-%m-%d}"


def make_codes(actor: User, count: int = 1, **options: Any) -> tuple[CodeBatch, list[str]]:
    """A batch of codes of 20 credits that were exported."""
    options = {"worth": 20, "last_day": day(30), "key": str(uuid4()), **options}
    batch = make_batch(actor=actor, count=count, **options)
    return export_codes(actor=actor, batch_id=batch.pk)


def take(user: User, code: str) -> Redemption:
    return redeem(user=user, code=code, address=ADDRESS)
