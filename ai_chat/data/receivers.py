"""What an account sets off here when it closes, or may do nothing any more (`credits.signals`)."""

from functools import partial
from typing import Any

from django.db import transaction

from ai_chat.data.erasing import stop_running
from ai_chat.data.jobs import jobs_of, start
from ai_chat.models import DataJob


def erase_closed(*, user_id: int, **_: Any) -> None:
    """Has the content erased. What runs stops by itself: `ai_chat.jobs.supervision` looks at the
    user. Jobs that the user had asked for find their rows gone."""
    jobs_of(user_id=user_id).delete()
    start(user_id=user_id, kind=DataJob.Kind.ERASURE)


def stop_suspended(*, user_id: int, **_: Any) -> None:
    """Stops what runs. After the commit: an ending has the job's row before it has the balance,
    and a spend that has the balance waits for the user's row, which the caller has."""
    transaction.on_commit(partial(stop_running, user_id))
