"""Beginning a job: the only place of this app that charges."""

import json
from typing import Any, NamedTuple
from uuid import uuid4

from django.conf import settings

from ai_chat.jobs.ending import load_job
from ai_chat.jobs.errors import AnswerDeleted, TurnRunning
from ai_chat.jobs.models import Job, Rate
from ai_chat.jobs.rates import REQUESTS
from config.errors import TooManyRequests
from credits.catalogue.models import find_model, get_model
from credits.catalogue.packs import shop
from credits.clerk.billing.releases import next_grant
from credits.exceptions import InsufficientCredits, ModelNotOffered, PlanRequired
from credits.features import to_operation_type
from credits.idempotency import fingerprint
from credits.keys.lookup import Caller
from credits.ledger import Charge, Details, call_deduct
from credits.models import AIModel, UsageHistory, User
from credits.refusals import Refused
from credits.uses import Asked


class Agreed(NamedTuple):
    """What somebody agreed to for a call that is priced by tokens: the price (0: none by tokens),
    and the most credits. None: whatever it is."""

    price_id: int | None = None
    credits: int | None = None


#: When to come back after being refused for work in flight: nobody knows when it ends.
IN_FLIGHT_RETRY_SECONDS = 3


def choose_model(name: str, *, feature: str, user_id: int, idempotency_key: str) -> AIModel:
    """The model of this name as `get_model` offers it. A repeated request has its model whatever
    has become of that meanwhile: it gets its first answer (I7). Raises ModelNotOffered,
    PlanRequired."""
    try:
        return get_model(name, feature=feature, user_id=user_id)
    except (ModelNotOffered, PlanRequired):
        model = find_model(name)
        if model is None or not was_charged(user_id=user_id, idempotency_key=idempotency_key):
            raise
        return model


def was_charged(*, user_id: int, idempotency_key: str) -> bool:
    """Whether a request with this key was charged before."""
    rows = UsageHistory.objects.filter(account_id=user_id, idempotency_key=idempotency_key)
    return rows.exists()


def start_job[J: Job](
    model: type[J],
    *,
    user_id: int,
    feature: str,
    quantity: int = 1,
    max_unit_cost: int | None,
    idempotency_key: str,
    request: Any,
    row: dict[str, Any],
    asked: Asked | None = None,
    agreed: Agreed = Agreed(),  # noqa: B008 -- it cannot be changed
    key: Caller | None = None,
    details: Details | None = None,
) -> tuple[J, bool]:
    """Charges a job and records it, in one statement. `request` is what was asked under the key, as
    anything JSON can say; `row` has the columns of the job's kind, `model` among them, and what
    its recorder needs besides; `details` stand in the journal. `key` is the API key through which
    it is asked for: then the rates of keys count. `asked` is the size of the call, for a model
    that is priced by tokens: then the most that it can cost is reserved, within what is `agreed`.
    Returns the job and whether it is new: a repeated key finds the first one (I7).

    Raises TooManyRequests, TurnRunning, AnswerDeleted, and what `deduct_credits_for_feature`
    raises; its InsufficientCredits says what comes next and when, as the pages do.
    """
    row = {"id": str(uuid4()), **row}
    try:
        charge, started = call_deduct(
            "ai_chat_start",
            user_id=user_id,
            feature=feature,
            quantity=quantity,
            model=row["model"],
            max_unit_cost=max_unit_cost,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint(request),
            lease_seconds=settings.HOLD_LEASE_SECONDS,
            details=details,
            member_id=key and key.member_id,
            key_id=key and key.key_id,
            **rates_of(user_id, key),
            input_bound=asked and asked.input_bound,
            output_asked=asked and asked.output,
            output_least=asked and asked.least,
            output_named=asked is not None and asked.named,
            choices=asked.choices if asked else 1,
            agreed_price=agreed.price_id,
            most=agreed.credits,
            recorder=model.recorder,
            job=json.dumps(row),
        )
    except Refused as refusal:
        raise _refused(refusal.row, key) from refusal
    except InsufficientCredits as error:
        say_what_comes(error, user_id=user_id)
        raise
    if charge.replayed:
        return _earlier_job(model, charge, started), False
    paid = _row_of(charge, account_id=user_id, feature=feature, quantity=quantity)
    paid.price_id = started.price_id
    job = _job(model, paid, {**row, **json.loads(started.recorded), "user_id": user_id})
    job.output_granted, job.rate = started.output_granted, rate_of(started)
    if asked and job.output_granted is not None and job.output_granted < asked.output:
        job.limited_by = limiter(started.limit_id, agreed, charge.balance + charge.credits)
    return job, True


def _earlier_job[J: Job](model: type[J], charge: Charge, started: Any) -> J:
    """The job that was charged before under the same key. Raises AnswerDeleted."""
    job = load_job(model, charge_id=charge.id)
    if job is None:
        raise AnswerDeleted("This was sent before; its answer is deleted.")
    job.rate = rate_of(started)
    return job


def rates_of(user_id: int, key: Caller | None) -> dict[str, Any]:
    """What is counted of a request, how often each fits in a minute, and how much may be in
    flight."""
    if key is None:
        counted = {f"{REQUESTS}:{user_id}": settings.REQUESTS_PER_MINUTE}
        in_flight = settings.TURNS_IN_FLIGHT
    else:
        most = settings.API_CALLS_PER_MINUTE
        own = min(key.calls_per_minute or most, most)
        counted = {f"calls:key:{key.key_id}": own, f"calls:{user_id}": most}
        in_flight = settings.API_CALLS_IN_FLIGHT
    return {
        "counted": [*counted],
        "per_minute": [*counted.values()],
        "in_flight": in_flight,
    }


def limiter(limit_id: int | None, agreed: Agreed, available: int) -> str:
    """Why a call is granted less output than it asks for, of so many available credits, as the
    header X-Tally-Limited-By has it."""
    if limit_id is not None:
        return f"limit:{limit_id}"
    is_least = agreed.credits is not None and agreed.credits < available
    return "max-credits" if is_least else "balance"


def rate_of(row: Any) -> Rate | None:
    """The rate in a row of `ai_chat_start`; None where nothing was counted."""
    if row.rate_most is None:
        return None
    return Rate(row.rate_most, row.rate_remaining, row.rate_reset)


def rate_of_refusal(error: BaseException) -> Rate | None:
    """The same for what `start_job` has raised."""
    cause = error.__cause__
    return rate_of(cause.row) if isinstance(cause, Refused) else None


def say_what_comes(error: InsufficientCredits, *, user_id: int) -> None:
    """Adds to the error what credits come next and when, and which can be had, as the pages say
    it."""
    upcoming = next_grant(User.objects.get(pk=user_id))
    error.members |= {"next": upcoming and upcoming._asdict(), **shop()}


def _row_of(charge: Charge, *, account_id: int, feature: str, quantity: int) -> UsageHistory:
    """The charge's row in the journal as far as a job needs it, without reading it back."""
    return UsageHistory(
        pk=charge.id,
        account_id=account_id,
        operation_type=to_operation_type(feature),
        credits_used=charge.credits,
        unit_cost=charge.unit_cost,
        quantity=quantity,
        balance_after=charge.balance,
    )


def _job[J: Job](model: type[J], charge: UsageHistory, recorded: dict[str, Any]) -> J:
    """The job as it was recorded, without reading it back."""
    columns = [field for field in model._meta.concrete_fields if field.attname in recorded]
    values = {column.attname: _value(column, recorded[column.attname]) for column in columns}
    return model(**values, charge=charge)


def _value(column: Any, recorded: Any) -> Any:
    # Django makes what an array holds of text alone.
    return column.to_python(json.dumps(recorded) if isinstance(recorded, list) else recorded)


def _refused(row: Any, key: Caller | None) -> TooManyRequests | TurnRunning:
    if row.outcome == "turn_running":
        return TurnRunning()
    if row.outcome == "rate_limited":
        seconds, many = row.retry_seconds, row.rate_most
        what = "call" if key else "message"
        return TooManyRequests(
            f"You can send {many} {what}{'s' if many != 1 else ''}"
            f"{'' if key else ' or image requests'} a minute. "
            f"Try again in {seconds} second{'s' if seconds != 1 else ''}; nothing was charged.",
            retry_seconds=seconds,
        )
    many = rates_of(0, key)["in_flight"]
    return TooManyRequests(
        f"{many} answer{'s are' if many != 1 else ' is'} being made for you already. "
        "Wait for one to end; nothing was charged.",
        retry_seconds=IN_FLIGHT_RETRY_SECONDS,
    )
