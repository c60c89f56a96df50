"""Background work of the ledger, found by `manage.py procrastinate worker`."""

import logging
from contextlib import suppress

from django.conf import settings
from django.db import transaction
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from credits import audit
from credits.catalogue.uncollected import retire_uncollected
from credits.integrity.run import AlreadyRunning, check_and_keep, is_due
from credits.ledger import expire_credits, sweep_holds
from credits.models import User
from credits.rate_limits import forget
from credits.reports.rollup import close_days

logger = logging.getLogger(__name__)


# No procrastinate `lock`: it would outlive a worker that is killed while it sweeps, and sweepers
# are safe beside each other. The queueing lock keeps sweeps from piling up while no worker runs.
@app.periodic(cron="* * * * * */15")  # Every 15 seconds: the sixth field is the seconds.
@app.task(name="credits.sweep", queueing_lock="credits.sweep")
def sweep(timestamp: int) -> None:
    """Refunds holds whose lease ran out (I6) and posts due expiries (I5)."""
    refunded, expired = sweep_holds(), expire_credits()
    if refunded or expired:
        logger.info("swept: %d holds refunded, credits of %d users expired", refunded, expired)


@app.periodic(cron="*/5 * * * *")
@app.task(name="credits.close_days", queueing_lock="credits.close_days")
def close(timestamp: int) -> None:
    """Sums up the days that are over (`credits.reports.rollup`)."""
    if closed := close_days():
        logger.info("closed: %d days", closed)


@app.periodic(cron="* * * * *")
@app.task(name="credits.retire_uncollected", queueing_lock="credits.retire_uncollected")
def retire(timestamp: int) -> None:
    """Retires models that use more than is reserved for them, where UNCOLLECTED_RETIRES says so."""
    if settings.UNCOLLECTED_RETIRES:
        retire_uncollected()


@app.periodic(cron="*/10 * * * *")
@app.task(name="credits.integrity.changed", queueing_lock="credits.integrity.changed")
def check_changed(timestamp: int) -> None:
    """Checks what changed in the ledger, unless that takes so long that it is not due yet."""
    if is_due():
        with suppress(AlreadyRunning):
            check_and_keep(changed=True)


@app.periodic(cron="17 2 * * *")
@app.task(name="credits.integrity.whole", queueing_lock="credits.integrity.whole")
def check_whole(timestamp: int) -> None:
    """Checks the whole ledger once a night: what was changed by hand in old rows too."""
    check_and_keep(wait=True)


@app.periodic(cron="41 3 * * *")
@app.task(name="credits.forget_jobs", queueing_lock="credits.forget_jobs", pass_context=True)
async def forget_jobs(context: JobContext, timestamp: int) -> None:
    """Deletes jobs that succeeded: the sweeper alone leaves 5,760 a day. Failed ones stay for a
    month, to be looked at: letters among them hold addresses."""
    await context.app.job_manager.delete_old_jobs(nb_hours=72)
    await context.app.job_manager.delete_old_jobs(nb_hours=30 * 24, include_failed=True)


@app.task(name="credits.check_now", queueing_lock="credits.check_now")
def check_now() -> None:
    """Proves the whole ledger because somebody asked."""
    check_and_keep(wait=True)


def check_soon(*, actor: User) -> bool:
    """Asks the worker to prove the ledger now; False when that is asked for already."""
    try:
        with transaction.atomic():
            check_now.defer()
            audit.record(actor=actor, action="ledger.check", target="ledger")
    except AlreadyEnqueued:
        return False
    return True


@app.periodic(cron="7 * * * *")
@app.task(name="credits.forget_limits", queueing_lock="credits.forget_limits")
def forget_limits(timestamp: int) -> None:
    """Drops what no limit counts any more (`credits.rate_limits`)."""
    forget()
