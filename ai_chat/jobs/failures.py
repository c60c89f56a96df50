"""How providers fail, recorded for the log, the metrics and the desk. Nothing here disturbs a job:
a database that does not answer is only logged."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection

from ai_chat.jobs.models import Job
from ai_chat.providers.errors import ProviderError
from credits.models import AIModel
from credits.reasons import Reason

logger = logging.getLogger(__name__)

#: Why credits come back although the provider did not fail.
NOT_THE_PROVIDER = {
    Reason.STOPPED_EARLY,
    Reason.STORAGE_FAILED,
    Reason.NOT_STARTED,
    Reason.LEASE_EXPIRED,
}
RECORD = """
INSERT INTO ai_chat_providerfailure AS known (model, provider, reason, status, code, count)
VALUES (%(model)s, %(provider)s, %(reason)s, %(status)s, %(code)s, 1)
ON CONFLICT (model, provider, reason, status, code) DO UPDATE SET
    count = known.count + 1,
    since = CASE WHEN known.recovered_at IS NULL THEN known.since ELSE EXCLUDED.since END,
    latest_at = EXCLUDED.latest_at,
    recovered_at = NULL
"""
RECOVER = """
UPDATE ai_chat_providerfailure SET recovered_at = statement_timestamp()
WHERE model = %(model)s AND provider = %(provider)s AND recovered_at IS NULL
"""
LOOK = "SELECT DISTINCT model, provider FROM ai_chat_providerfailure WHERE recovered_at IS NULL"

#: The (model, provider) pairs that have failed and not answered since, as far as this process
#: knows: a good answer writes nothing unless its model is among them.
_failing: set[tuple[str, str]] = set()


def note(job: Job, model: AIModel, failure: str, cause: Exception | None) -> None:
    """Records what the end of a job says about its provider: it ended because of `failure` (a
    Reason, empty for a good answer) and `cause`."""
    if not failure:
        recover(model)
    elif isinstance(cause, ProviderError):
        record(job, model, cause)
    elif failure not in NOT_THE_PROVIDER:
        record(job, model, ProviderError(Reason(failure)))


def record(job: Job, model: AIModel, error: ProviderError) -> None:
    """Logs and counts a failed call. Neither what was asked nor a key is in it."""
    pair = _pair(model)
    logger.warning(
        "%s %s failed: model=%s provider=%s reason=%s status=%s code=%s",
        job.kind, job.pk, *pair, error.reason.value, error.status or "-", error.code or "-",
    )  # fmt: skip
    _failing.add(pair)
    values = {"reason": error.reason.value, "status": error.status, "code": error.code[:60]}
    with _database_errors_logged():
        _execute(RECORD, model=pair[0], provider=pair[1], **values)


def recover(model: AIModel) -> None:
    """The model has given a good answer: its failures are over."""
    pair = _pair(model)
    if pair not in _failing:
        return
    with _database_errors_logged():
        _execute(RECOVER, model=pair[0], provider=pair[1])
        _failing.discard(pair)
        logger.info("model=%s provider=%s answers again", *pair)


def look() -> None:
    """Learns what failed in other processes, and what has recovered there."""
    with _database_errors_logged(), connection.cursor() as cursor:
        cursor.execute(LOOK)
        pairs = set(cursor.fetchall())
        _failing.intersection_update(pairs)
        _failing.update(pairs)


def _pair(model: AIModel) -> tuple[str, str]:
    return model.name, model.provider.name


def _execute(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@contextmanager
def _database_errors_logged() -> Iterator[None]:
    try:
        yield
    except AnyDatabaseError as error:
        logger.warning("a provider's failure could not be recorded (%s)", type(error).__name__)
