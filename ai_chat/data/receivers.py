"""Receivers of the signals for closed and suspended accounts, and for revoked keys
(`credits.signals`)."""

from functools import partial
from typing import Any

from django.db import transaction

from ai_chat.data.erasing import stop_running
from ai_chat.data.jobs import jobs_of, start
from ai_chat.jobs.models import RUNNING
from ai_chat.models import ApiCall, DataJob


def erase_closed(*, user_id: int, **_: Any) -> None:
    """Starts the erasure of the content. Running jobs end by themselves: `ai_chat.jobs.supervision`
    checks their user. The user's own data jobs are deleted."""
    jobs_of(user_id=user_id).delete()
    start(user_id=user_id, kind=DataJob.Kind.ERASURE)


def stop_suspended(*, user_id: int, **_: Any) -> None:
    """Stops running jobs, after the commit. Within it there would be a deadlock: an ending locks
    the job's row before the balance, a spend the balance before the user's row, which the caller
    has."""
    transaction.on_commit(partial(stop_running, user_id))


def stop_calls(*, key_id: int, stop: bool, **_: Any) -> None:
    """With `stop`, asks the running calls of a revoked key to stop, which they do within a second,
    in any process. After the commit, for the same reason: who revokes a key has the balance."""
    if stop:
        running = ApiCall.objects.filter(api_key_id=key_id, state=RUNNING)
        transaction.on_commit(partial(running.update, stop_requested=True))
