"""One thread per process that looks after everything being done in it: it ends what is overdue, and
once a second saves all that was written since, and learns what is to be stopped: because its user
asked for that in another process, or may do nothing any more."""

import logging
import threading
import time
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection

from ai_chat.jobs import failures
from ai_chat.jobs.models import RUNNING, Job
from ai_chat.jobs.running import Run, released_connection, runs
from ai_chat.jobs.work import Stopped, Work
from config.errors import Busy
from credits.ledger import extend_holds

logger = logging.getLogger(__name__)

#: Seconds between saves of the text so far, and so between looks at a stop asked for elsewhere.
SAVE_SECONDS = 1.0

# A job that began in the moment of a ban is not seen by whoever bans: its user is looked at too.
GOES_ON = """JOIN credits_user u ON u.id = j.user_id
WHERE j.id = ANY(%(ids)s::uuid[]) AND j.state = %(running)s AND NOT j.stop_requested AND u.is_active
"""
# Appends what is new to the jobs that still run, and returns those that go on, with the length of
# their text. A row that is locked is being ended or deleted, and must not keep the others waiting.
# One whose length is not as we remember it was saved by a try whose answer was lost.
SAVE = """
WITH news AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(lengths)s::integer[], %(texts)s::text[])
        AS n (id, length, text)
), free AS (
    SELECT j.id FROM {table} j JOIN news n ON n.id = j.id
    WHERE j.state = %(running)s AND n.text <> '' AND length(j.{column}) = n.length
    FOR UPDATE OF j SKIP LOCKED
), saved AS (
    UPDATE {table} j SET {column} = j.{column} || n.text
    FROM news n JOIN free f ON f.id = n.id WHERE j.id = n.id
    RETURNING j.id, length(j.{column}) AS length
)
SELECT j.id, coalesce(s.length, length(j.{column}))
FROM {table} j LEFT JOIN saved s ON s.id = j.id
{goes_on}
"""
LOOK = """
SELECT j.id, 0 FROM {table} j
{goes_on}
"""

_wanted = threading.Event()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def begin[J: Job](work: Work[J]) -> Run[J]:
    """Begins the work of a job that was just charged. Raises Busy when this process has no thread
    for it: then the job is refunded."""
    run = Run(work)
    try:
        _start_supervisor()  # First: without it the run would have no deadline.
        run.start()
    except RuntimeError:
        logger.exception("%s could not be started", work.job)
        run.give_up()
        raise Busy from None
    _wanted.set()
    return run


def begin_driven[J: Job](work: Work[J]) -> Run[J]:
    """The same for a job that its request's own thread does (`Run.drive`)."""
    run = Run(work)
    try:
        _start_supervisor()
    except RuntimeError:
        run.give_up()
        raise Busy from None
    run.register()
    _wanted.set()
    return run


def _start_supervisor() -> None:
    global _thread  # noqa: PLW0603 -- the one thread of this process
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_supervise, name="supervisor", daemon=True)
            _thread.start()


def _supervise() -> None:
    save_at = time.monotonic() + SAVE_SECONDS
    while True:
        if not runs():
            _wanted.clear()
            if not runs():  # None has come before the flag was taken down.
                _wanted.wait()
                save_at = time.monotonic() + SAVE_SECONDS
                with released_connection():
                    failures.look()
        # Whoever comes meanwhile has at least a second before it can be overdue.
        soonest = min([save_at, *(run.overdue_at for run in runs())])
        time.sleep(max(0.0, soonest - time.monotonic()))
        try:
            for run in runs():
                if run.overdue_at <= time.monotonic():
                    run.time_out()
            if time.monotonic() >= save_at:
                save_at = time.monotonic() + SAVE_SECONDS
                _save_all()
                _renew_leases()
        except Exception:
            logger.exception("the supervisor of jobs failed")


def _save_all() -> None:
    by_kind = sorted(runs(), key=lambda run: run.work.job.kind)
    if not by_kind:
        return
    with released_connection():
        failures.look()
        for _, group in groupby(by_kind, key=lambda run: run.work.job.kind):
            try:
                _save({run.work.job.pk: run for run in group})
            except AnyDatabaseError:
                # The answers go on; their endings are what must reach the database.
                logger.warning("what was written could not be saved")


def _renew_leases() -> None:
    """Lengthens the holds of work that may outlive its lease. A lease stays short, so that the
    credits of a process that died come back soon."""
    lease, now = settings.HOLD_LEASE_SECONDS, time.monotonic()
    due = [
        run
        for run in runs()
        if run.work.bounds and run.work.bounds.total >= lease and now - run.leased_at > lease / 3
    ]
    if due:
        with released_connection():
            extend_holds(charge_ids=[run.work.job.charge_id for run in due], seconds=lease)
        for run in due:
            run.leased_at = now


def _save(group: dict[UUID, Run[Any]]) -> None:
    """Saves what jobs of one kind have written since the last time, and stops those that are to
    stop or do not run any more."""
    job: Job = next(iter(group.values())).work.job
    statement = (SAVE if job.text_column else LOOK).format(
        table=job._meta.db_table, column=job.text_column, goes_on=GOES_ON
    )
    values: dict[str, Any] = {
        "ids": list(group),
        "lengths": [run.saved for run in group.values()],
        "texts": [run.text()[run.saved :] for run in group.values()],
        "running": RUNNING,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        lengths: dict[UUID, int] = dict(cursor.fetchall())
    for job_id, run in group.items():
        if job_id in lengths:
            run.saved = lengths[job_id]
        else:
            run.interrupt(Stopped())
