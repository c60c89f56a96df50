"""The end of a job: one transaction over its hold, its refund and its row."""

import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.shortcuts import get_object_or_404

from ai_chat.jobs.models import FAILED, RUNNING, Job
from ai_chat.providers.used import Used
from credits.kernel import call_kernel
from credits.ledger import is_held
from credits.limits.alerts import tell_reached
from credits.models import UsageHistory, Use
from credits.reasons import Reason, is_by_payer

#: How often an hour one user gets the credits of a stop before the answer began back: the provider
#: is paid for each call. Design, section 3.
FREE_STOPS = 10
#: The same of answers that come to nothing by what was asked for (`BY_CONTENT`), although something
#: of them was shown: thoughts alone, and what a filter ended.
FREE_ANSWERS = 10
BY_CONTENT = {
    Reason.REFUSED,
    Reason.EMPTY_ANSWER,
    Reason.LENGTH_USED_UP,
    Reason.NOT_ACCEPTED,
    Reason.CONTEXT_TOO_LONG,
    Reason.UNKNOWN_END,
}


@dataclass(frozen=True)
class Outcome:
    """What a job comes to. The charge stands for the `delivered` units (None for all of them), the
    rest is refunded because of `failure`. One by tokens stands for `used`, if anything was
    delivered."""

    state: str
    failure: str = ""
    delivered: int | None = None
    used: Used | None = None
    #: Of an answer that comes to nothing although something of it was shown: its state where it is
    #: one too many in the hour, and so charged.
    charged_as: str | None = None
    #: See `Job.first_seconds`.
    first_seconds: float | None = None


#: Keeps the result within the ending's transaction; returns columns of the job that it changes. It
#: is given whether the job was lost: then its credits had come back before.
type Keep = Callable[[bool], Mapping[str, Any]]


class Ended[J: Job](NamedTuple):
    """The job as it stands, None when it is deleted; `here` says that this call has ended it and
    kept its result."""

    job: J | None
    here: bool


def end_job[J: Job](job: J, outcome: Outcome, keep: Keep | None = None) -> Ended[J]:
    """Ends a running job and its hold together. Safe to repeat when the database failed to answer:
    the job's state says whether it is done. A job whose hold was swept meanwhile is lost: it is
    marked as refunded (I6)."""
    if keep is None:
        row, kept = _end(job, outcome), {}
    else:
        with transaction.atomic():
            row = _end(job, outcome)
            kept = dict(keep(row.lost)) if row.was == RUNNING else {}
            if kept:
                type(job)._default_manager.filter(pk=job.pk).update(**kept)
    if row.alerts:
        tell_reached(account_id=job.user_id)
    if row.was != RUNNING:
        return Ended(type(job).with_receipt().filter(pk=job.pk).first(), here=False)
    return Ended(_changed(job, outcome, row, kept), here=not row.lost)


def _end(job: Job, outcome: Outcome) -> Any:
    """The row of `ai_chat_end`."""
    used = outcome.used if job.is_by_tokens else None
    if job.is_by_tokens and outcome.delivered != 0 and used is None:
        raise ValueError(f"{job} was delivered, and nobody says what it used.")
    free_kind, free_most = _free(outcome)
    return call_kernel(
        "ai_chat_end",
        kind=job._meta.db_table,
        job_id=job.pk,
        charge=job.charge_id,
        owner=job.user_id,
        state=outcome.state,
        failure=outcome.failure,
        by_payer=is_by_payer(outcome.failure),
        delivered=outcome.delivered,
        tokens=used and [*used.tokens[:5]],
        source=used and used.tokens.source,
        flags=sorted(used.flags) if used else [],
        free_kind=free_kind,
        free_most=free_most,
        charged_as=outcome.charged_as,
        first_seconds=outcome.first_seconds,
    )


def _free(outcome: Outcome) -> tuple[str | None, int | None]:
    """Under what a free ending is counted, and how often it may be in an hour; None for one that is
    the provider's doing, or ours."""
    if outcome.failure == Reason.STOPPED_EARLY and not outcome.delivered:
        return "early_stops", FREE_STOPS
    return ("free_answers", FREE_ANSWERS) if outcome.charged_as else (None, None)


def _changed[J: Job](job: J, outcome: Outcome, row: Any, kept: Mapping[str, Any]) -> J:
    """A copy of the job as it ended: others may be showing it as it began."""
    ended = copy(job)
    if row.used is not None:
        ended.charge = copy(job.charge)
        ended.charge.use = Use(**json.loads(row.used))
    refund = UsageHistory(pk=row.refund_id, account_id=job.user_id, credits_used=-row.refunded)
    columns = {
        "state": row.state,
        "failure": row.failure,
        "refund": refund if row.refund_id else None,
        "ended_at": row.ended_at,
        "first_seconds": outcome.first_seconds,
        "remaining": row.remaining,
    }
    for name, value in {**columns, **kept}.items():
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
    if not job.is_running or is_held(charge_id=job.charge.pk):
        return job
    outcome = Outcome(FAILED, Reason.LEASE_EXPIRED, delivered=0)
    ended = end_job(job, outcome).job
    if ended is None:
        return job
    if ended.state == FAILED:
        ended.discard_result()
    return ended
