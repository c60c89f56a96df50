"""Deleting all content of a user, in batches, so that statements are short. A job that was killed
continues with the rest. Files are deleted before the rows that name them, so that none is lost."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import Model, QuerySet

from ai_chat import files
from ai_chat.conversations.services import delete_conversation
from ai_chat.data.kept_responses import delete_kept
from ai_chat.images.requests import delete_request
from ai_chat.jobs.ending import reconcile
from ai_chat.jobs.errors import TurnRunning
from ai_chat.jobs.models import RUNNING
from ai_chat.models import (
    ARCHIVES,
    ATTACHMENTS,
    IMAGES,
    IMPORTS,
    ApiCall,
    Attachment,
    ChatPreferences,
    Conversation,
    DataJob,
    Folder,
    ImageRequest,
    Preset,
    Turn,
)
from ai_chat.sharing.services import delete_all as delete_shares
from config.pagination import delete_in_batches, in_batches
from credits.clerk.webhooks.inbox import erase_payloads_of
from credits.events.endpoints import delete_all
from credits.ledger import wait_for_spends
from credits.models import Session

#: Rows that are looked at, or deleted, at once.
BATCH = 200
#: What a user has made, by the tables that are gone through.
type Made = Conversation | ImageRequest | ApiCall


class StillRunning(Exception):
    """Jobs of the user are still running. They were asked to stop; their rows are needed until
    then, as their holds end with them."""


def stop_running(user_id: int) -> None:
    """Asks all running jobs of a user to stop, which they do within a second, in any process."""
    for kind in (Turn, ImageRequest, ApiCall):
        kind.objects.filter(user_id=user_id, state=RUNNING).update(stop_requested=True)


def delete_chats(job: DataJob) -> None:
    """Deletes the conversations that existed when the job was requested. Raises StillRunning,
    TakenOver."""
    _expect(job, _turns(job), _rows(Conversation, job))
    if not _delete_conversations(job):
        raise StillRunning


def delete_images(job: DataJob) -> None:
    """Deletes the images that existed when the job was requested, and their requests. Raises
    StillRunning, TakenOver, StorageFailed."""
    _expect(job, _rows(ImageRequest, job))
    if not _delete_requests(job):
        raise StillRunning


def erase_content(job: DataJob) -> None:
    """Erases all content of a closed account, and what Clerk sent about its user. Raises
    StillRunning, TakenOver, StorageFailed."""
    wait_for_spends(user_id=job.user_id)  # So that jobs begun before the closing are found below.
    rows = _rows(Conversation, job), _rows(ImageRequest, job), _rows(ApiCall, job)
    _expect(job, _turns(job), *rows)
    are_deleted = [_delete_conversations(job), _delete_requests(job), _delete_calls(job)]
    if not all(are_deleted):
        raise StillRunning
    delete_shares(user_id=job.user_id)
    for deleted in delete_in_batches(Attachment.objects.filter(user_id=job.user_id), size=BATCH):
        _advance(job, deleted)
    delete_shares(user_id=job.user_id)
    # With those of processes that died before they saved the row.
    for folder in (IMAGES, ATTACHMENTS, ARCHIVES, IMPORTS):
        files.remove_folder(f"{folder}/{job.user_id}")
    if job.user.clerk_id:
        erase_payloads_of(job.user.clerk_id)
    Session.objects.filter(user_id=job.user_id).delete()  # Of a simultaneous sign-in.
    for kept in (ChatPreferences, Preset, Folder):
        kept.objects.filter(user_id=job.user_id).delete()
    delete_kept(account_id=job.user_id)
    delete_all(user_id=job.user_id)  # What was announced of jobs that ended after the closing.


def _rows[Row: (Conversation, ImageRequest, ApiCall)](
    model: type[Row], job: DataJob
) -> QuerySet[Row]:
    """The rows that the job is to delete: all of the user's in an erasure, else those that existed
    when it was requested."""
    rows = model._default_manager.filter(user_id=job.user_id)
    return rows if job.kind == DataJob.Kind.ERASURE else rows.filter(created_at__lte=job.created_at)


def _turns(job: DataJob) -> QuerySet[Turn]:
    return Turn.objects.filter(conversation__in=_rows(Conversation, job))


def _expect(job: DataJob, *rows: QuerySet[Any]) -> None:
    """Sets the total from the rows that are left; a job that is continued keeps what it has
    counted."""
    job.total = job.processed + sum(each.count() for each in rows)
    job.keep(total=job.total)


def _advance(job: DataJob, rows: int) -> None:
    job.processed += rows
    job.total = max(job.total, job.processed)
    job.keep(processed=job.processed, total=job.total)


def _delete_conversations(job: DataJob) -> bool:
    """Deletes them, and returns whether all are deleted: one whose answer runs is not."""
    are_deleted = True
    for conversation in _each(_rows(Conversation, job)):
        ended = conversation.turns.exclude(state=RUNNING)
        for deleted in delete_in_batches(ended, size=BATCH):
            _advance(job, deleted)
        try:
            delete_conversation(conversation=conversation)
        except TurnRunning:
            stop_running(job.user_id)
            are_deleted = False
        else:
            _advance(job, 1)
    return are_deleted


def _delete_requests(job: DataJob) -> bool:
    """The same for requests of images."""
    are_deleted = True
    for request in _each(_rows(ImageRequest, job).select_related("charge")):
        if _is_running(request):
            stop_running(job.user_id)
            are_deleted = False
            continue
        files.remove_folder(request.folder)
        delete_request(request=request)
        _advance(job, 1)
    return are_deleted


def _delete_calls(job: DataJob) -> bool:
    """The same for the log of calls by keys."""
    for call in _each(_rows(ApiCall, job).filter(state=RUNNING).select_related("charge")):
        if _is_running(call):
            stop_running(job.user_id)
    ended = _rows(ApiCall, job).exclude(state=RUNNING)
    for deleted in delete_in_batches(ended, size=BATCH):
        _advance(job, deleted)
    return not _rows(ApiCall, job).exists()


def _is_running(job: ImageRequest | ApiCall) -> bool:
    return job.is_running and reconcile(job).is_running


def _each[Row: Model](rows: QuerySet[Row]) -> Iterator[Row]:
    """All rows, while rows are deleted."""
    return chain.from_iterable(in_batches(rows, order=("pk",), size=BATCH))
