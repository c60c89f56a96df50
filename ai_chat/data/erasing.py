"""Deleting all that a user has made, in batches, so that no statement is long; repeating it after a
kill goes on with what is left. Files go before the rows that name them: none is forgotten."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Model, QuerySet

from ai_chat import files
from ai_chat.conversations.services import delete_conversation
from ai_chat.jobs.ending import reconcile
from ai_chat.jobs.errors import TurnRunning
from ai_chat.jobs.models import RUNNING
from ai_chat.models import ARCHIVES, IMAGES, Conversation, DataJob, ImageRequest, Turn
from credits.clerk.webhooks.inbox import erase_payloads_of
from credits.ledger import wait_for_spends
from credits.models import Session

#: Rows that are looked at, or deleted, at once.
BATCH = 200


class StillRunning(Exception):
    """Work of the user is going on. It was told to stop, and its end is to be waited for: its hold
    is ended with its row."""


def stop_running(user_id: int) -> None:
    """Stops what is being made for a user, in whichever process, within a second."""
    for kind in (Turn, ImageRequest):
        kind.objects.filter(user_id=user_id, state=RUNNING).update(stop_requested=True)


def delete_chats(job: DataJob) -> None:
    """Deletes the conversations that there were when it was asked for. Raises StillRunning,
    TakenOver."""
    turns = Turn.objects.filter(conversation__in=_conversations(job))
    _expect(job, turns.count() + _conversations(job).count())
    if not _delete_conversations(job):
        raise StillRunning


def delete_images(job: DataJob) -> None:
    """Deletes the images that there were when it was asked for, and their requests. Raises
    StillRunning, TakenOver, StorageFailed."""
    _expect(job, _requests(job).count())
    if not _delete_requests(job):
        raise StillRunning


def erase_content(job: DataJob) -> None:
    """Erases all that a closed account has made, and what Clerk sent about its user. Raises
    StillRunning, TakenOver, StorageFailed."""
    wait_for_spends(user_id=job.user_id)  # Work that had begun by the closing is seen from here on.
    turns = Turn.objects.filter(conversation__in=_conversations(job))
    _expect(job, turns.count() + _conversations(job).count() + _requests(job).count())
    are_gone = [_delete_conversations(job), _delete_requests(job)]
    if not all(are_gone):
        raise StillRunning
    # Of processes that died before they wrote down what they had kept.
    for folder in (IMAGES, ARCHIVES):
        files.remove_folder(f"{folder}/{job.user_id}")
    if job.user.clerk_id:
        erase_payloads_of(job.user.clerk_id)
    Session.objects.filter(user_id=job.user_id).delete()  # Of a sign-in beside the closing.


def _conversations(job: DataJob) -> QuerySet[Conversation]:
    own = Conversation.objects.filter(user_id=job.user_id)
    return own if job.kind == DataJob.Kind.ERASURE else own.filter(created_at__lte=job.created_at)


def _requests(job: DataJob) -> QuerySet[ImageRequest]:
    own = ImageRequest.objects.filter(user_id=job.user_id)
    return own if job.kind == DataJob.Kind.ERASURE else own.filter(created_at__lte=job.created_at)


def _expect(job: DataJob, rows: int) -> None:
    """So many rows are left; a job that was begun before keeps count of what it has done."""
    job.total = job.processed + rows
    job.keep(total=job.total)


def _advance(job: DataJob, rows: int) -> None:
    job.processed += rows
    job.total = max(job.total, job.processed)
    job.keep(processed=job.processed, total=job.total)


def _delete_conversations(job: DataJob) -> bool:
    """Whether all of them are gone: an answer that is being written keeps its conversation."""
    are_gone = True
    for conversation in _each(_conversations(job)):
        ended = conversation.turns.exclude(state=RUNNING)
        while ids := list(ended.values_list("pk", flat=True)[:BATCH]):
            deleted, _ = Turn.objects.filter(pk__in=ids).delete()
            _advance(job, deleted)
        try:
            delete_conversation(conversation=conversation)
        except TurnRunning:
            stop_running(job.user_id)
            are_gone = False
        else:
            _advance(job, 1)
    return are_gone


def _delete_requests(job: DataJob) -> bool:
    """The same for requests of images."""
    are_gone = True
    for request in _each(_requests(job).select_related("charge")):
        if _is_running(request):
            stop_running(job.user_id)
            are_gone = False
            continue
        files.remove_folder(request.folder)
        request.delete()
        _advance(job, 1)
    return are_gone


def _is_running(request: ImageRequest) -> bool:
    return request.is_running and reconcile(request).is_running


def _each[Row: Model](rows: QuerySet[Row]) -> Iterator[Row]:
    """All rows by their primary keys, whatever becomes of them meanwhile."""
    batch: list[Any] = list(rows.order_by("pk")[:BATCH])
    while batch:
        last = batch[-1].pk  # A row that was deleted has none any more.
        yield from batch
        batch = list(rows.filter(pk__gt=last).order_by("pk")[:BATCH])
