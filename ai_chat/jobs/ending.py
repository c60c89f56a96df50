"""The end of a job: one transaction over its hold, its refund and its row."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.shortcuts import get_object_or_404
from django.utils import timezone

from ai_chat.jobs.models import FAILED, RUNNING, Job
from ai_chat.providers.used import Used
from credits import rate_limits
from credits.ledger import Ending, is_held, settle_charge
from credits.limits.alerts import tell_reached
from credits.models import UsageHistory, Use
from credits.reasons import Reason
from credits.uses import UseEnding, settle_use

#: How often an hour one user gets the credits of a stop before the answer began back: the provider
#: is paid for each call. Design, section 3.
FREE_STOPS = 10


@dataclass(frozen=True)
class Outcome:
    """What a job comes to. The charge stands for the `delivered` units (None for all of them), the
    rest is refunded because of `failure`. One by tokens stands for `used`, if anything was
    delivered."""

    state: str
    failure: str = ""
    delivered: int | None = None
    used: Used | None = None


#: Keeps the result within the ending's transaction; returns columns of the job that it changes. It
#: is given whether the job was lost: then its credits had come back before.
type Keep = Callable[[bool], Mapping[str, Any]]


class Ended[J: Job](NamedTuple):
    """The job as it stands, None when it is deleted; `here` says that this call has ended it and
    kept its result."""

    job: J | None
    here: bool


def end_job[J: Job](job: J, outcome: Outcome, keep: Keep) -> Ended[J]:
    """Ends a running job and its hold together. Safe to repeat when the database failed to answer:
    the job's state says whether it is done. A job whose hold was swept meanwhile is lost: it is
    marked as refunded (I6)."""
    rows = type(job)._default_manager.filter(pk=job.pk)
    with transaction.atomic():
        state = rows.select_for_update().values_list("state", flat=True).first()
        if state == RUNNING:
            outcome = _within_free_stops(job, outcome)
            ending = _settle(job, outcome)
            lost = ending.outcome == "ended"
            changes = _lost(job) if lost else _ended(job, outcome, ending)
            changes = {**changes, **keep(lost)}
            rows.update(**changes)
    tell_reached(account_id=job.user_id)
    if state != RUNNING:
        return Ended(type(job).with_receipt().filter(pk=job.pk).first(), here=False)
    return Ended(_changed(job, changes), here=not lost)


def _settle(job: Job, outcome: Outcome) -> Ending | UseEnding:
    if not job.is_by_tokens or outcome.delivered == 0:
        return settle_charge(
            charge_id=job.charge_id, delivered=outcome.delivered, reason=outcome.failure
        )
    if outcome.used is None:
        raise ValueError(f"{job} was delivered, and nobody says what it used.")
    tokens, flags = outcome.used
    return settle_use(charge_id=job.charge_id, tokens=tokens, flags=sorted(flags))


def _within_free_stops(job: Job, outcome: Outcome) -> Outcome:
    """The outcome, charged when nothing was delivered and it is one early stop too many. Counted in
    the transaction of the ending: one that is repeated counts once."""
    if outcome.failure != Reason.STOPPED_EARLY or outcome.delivered:
        return outcome
    window = timedelta(hours=1)
    if not rate_limits.take(f"early_stops:{job.user_id}", limit=FREE_STOPS, window=window):
        return outcome
    return replace(outcome, failure=Reason.STOPS_USED_UP, delivered=None)


def _ended(job: Job, outcome: Outcome, ending: Ending | UseEnding) -> dict[str, Any]:
    refund = UsageHistory(
        pk=ending.refund_id, account_id=job.user_id, credits_used=-ending.refunded
    )
    return {
        "state": outcome.state,
        "failure": outcome.failure,
        "refund": refund if ending.refund_id else None,
        "ended_at": timezone.now(),
    }


def _lost(job: Job) -> dict[str, Any]:
    refund = UsageHistory.objects.filter(refund_of_id=job.charge_id).first()
    return {
        "state": FAILED,
        "failure": Reason.LEASE_EXPIRED,
        "refund": refund,
        "ended_at": refund.created_at if refund else timezone.now(),
    }


def _changed[J: Job](job: J, changes: Mapping[str, Any]) -> J:
    """A copy: others may be showing the job as it began."""
    ended = copy(job)
    if job.is_by_tokens:
        ended.charge = copy(job.charge)
        ended.charge.use = Use.objects.get(charge=job.charge_id)
    for name, value in changes.items():
        setattr(ended, name, value)
    prefetch_related_objects([ended], *job.shown_with)
    return ended


def load_job[J: Job](model: type[J], **lookup: Any) -> J | None:
    """A job with what its receipt shows, as the ledger knows it."""
    job = model.with_receipt().filter(**lookup).first()
    return reconcile(job) if job else None


def job_or_404[J: Job](model: type[J], **lookup: Any) -> J:
    """The same. Raises Http404."""
    return reconcile(get_object_or_404(model.with_receipt(), **lookup))


def reconcile[J: Job](job: J) -> J:
    """The job as the ledger knows it: one whose process died is closed once its hold has ended."""
    if not job.is_running or is_held(charge_id=job.charge_id):
        return job
    outcome = Outcome(FAILED, Reason.LEASE_EXPIRED, delivered=0)
    ended = end_job(job, outcome, lambda _lost: {}).job
    if ended is None:
        return job
    if ended.state == FAILED:
        ended.discard_result()
    return ended
