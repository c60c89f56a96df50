"""Background work of the ledger, found by `manage.py procrastinate worker`."""

import logging

from procrastinate.contrib.django import app

from credits.ledger import expire_credits, sweep_holds

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
