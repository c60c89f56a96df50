"""Beginning a job: the only place of this app that charges."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection

from ai_chat.jobs.ending import reconcile
from ai_chat.jobs.errors import AnswerDeleted, LimitReached
from ai_chat.jobs.models import Job
from credits.exceptions import IdempotencyConflict, InsufficientCredits, PriceChanged
from credits.features import FEATURES
from credits.idempotency import fingerprint
from credits.models import UsageHistory

#: When to come back after being refused for work in flight: nobody knows when it ends.
IN_FLIGHT_RETRY_SECONDS = 3


@dataclass(frozen=True, kw_only=True)
class Price:
    """What is charged: `quantity` units of a feature, times the model's price factor.
    `max_unit_cost` is what the user was shown, in credits; more is never charged."""

    feature: str
    quantity: int = 1
    multiplier: int
    max_unit_cost: int | None = None


@dataclass(frozen=True, kw_only=True)
class Once:
    """The idempotency key of a request, and what was asked under it, as anything JSON can say."""

    key: str
    request: Any


def start_job[J: Job](
    model: type[J], *, user_id: int, price: Price, once: Once, row: dict[str, Any]
) -> tuple[J, bool]:
    """Charges a job and records it, in one statement. `row` has the columns of its kind, and what
    its recorder needs besides. Returns the job and whether it is new: a repeated key finds the
    first one (I7).

    Raises InsufficientCredits, PriceChanged, IdempotencyConflict, LimitReached, AnswerDeleted.
    """
    row = {"id": str(uuid4()), **row}
    started = _call(model, user_id, price, once, row)
    match started["outcome"]:
        case "replayed":
            return _earlier(model, started["charge_id"]), False
        case "rate_limited":
            raise _too_often(started["retry_seconds"])
        case "too_many_in_flight":
            raise _too_many()
        case "price_changed":
            agreed = price.max_unit_cost or 0
            raise PriceChanged(agreed=agreed, unit_cost=started["price"])
        case "insufficient":
            raise InsufficientCredits(required=started["total"], available=started["available"])
        case "key_conflict":
            raise IdempotencyConflict("This idempotency key belongs to another request.")
    return _job(model, user_id, row, started), True


def _call(
    model: type[Job], user_id: int, price: Price, once: Once, row: dict[str, Any]
) -> dict[str, Any]:
    feature = FEATURES[price.feature]
    arguments: dict[str, Any] = {
        "owner": user_id,
        "per_minute": settings.REQUESTS_PER_MINUTE,
        "in_flight": settings.TURNS_IN_FLIGHT,
        "operation": feature.operation_type,
        "feature": feature.key,
        "default_cost": feature.default_cost,
        "units": price.quantity,
        "multiplier": price.multiplier,
        "max_unit_cost": price.max_unit_cost,
        "request_key": once.key,
        "fingerprint": fingerprint(once.request),
        "lease": timedelta(seconds=settings.HOLD_LEASE_SECONDS),
        "extra": json.dumps({"model": row["model"]}),
        "recorder": model.recorder,
        "job": json.dumps(row),
    }
    named = ", ".join(f"{name} => %({name})s" for name in arguments)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ai_chat_start({named})", arguments)  # noqa: S608
        columns = [column.name for column in cursor.description or ()]
        return dict(zip(columns, cursor.fetchone(), strict=True))


def _job[J: Job](model: type[J], user_id: int, row: dict[str, Any], started: dict[str, Any]) -> J:
    """The job as it was recorded, without reading it back."""
    known = {**row, **json.loads(started["recorded"])}
    columns = [field for field in model._meta.concrete_fields if field.attname in known]
    charge = UsageHistory(
        pk=started["charge_id"],
        account_id=user_id,
        credits_used=started["total"],
        unit_cost=started["price"],
        balance_after=started["available"],
    )
    return model(
        **{column.attname: column.to_python(known[column.attname]) for column in columns},
        user_id=user_id,
        charge=charge,
    )


def _earlier[J: Job](model: type[J], charge_id: int) -> J:
    job = model.with_receipt().filter(charge_id=charge_id).first()
    if job is None:
        raise AnswerDeleted("This was sent before; its answer is deleted.")
    return reconcile(job)


def _too_often(seconds: int) -> LimitReached:
    limit = settings.REQUESTS_PER_MINUTE
    return LimitReached(
        f"You can send {limit} message{'s' if limit != 1 else ''} or image requests a minute. "
        f"Try again in {seconds} second{'s' if seconds != 1 else ''}; nothing was charged.",
        retry_seconds=seconds,
    )


def _too_many() -> LimitReached:
    limit = settings.TURNS_IN_FLIGHT
    return LimitReached(
        f"{limit} answer{'s are' if limit != 1 else ' is'} being made for you already. "
        "Wait for one to end; nothing was charged.",
        retry_seconds=IN_FLIGHT_RETRY_SECONDS,
    )
