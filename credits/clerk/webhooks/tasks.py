"""The inbox's background work (settings.PROCRASTINATE_IMPORT_PATHS)."""

import logging

from procrastinate.contrib.django import app

from credits.clerk.webhooks.inbox import empty_old_payloads

logger = logging.getLogger(__name__)


@app.periodic(cron="40 3 * * *")
@app.task(name="clerk.empty_payloads", queueing_lock="clerk.empty_payloads")
def empty_payloads(timestamp: int) -> None:
    """Empties webhook payloads that are old and settled."""
    if emptied := empty_old_payloads():
        logger.info("Emptied %d webhook payloads", emptied)
