"""Jobs over all data of a user: starting, running and deleting them."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from ai_chat import files
from ai_chat.data.archive import TooLarge, make_archive
from ai_chat.data.erasing import StillRunning, delete_chats, delete_images, erase_content
from ai_chat.data.importing import import_chats
from ai_chat.imports.reading import Unreadable
from ai_chat.models import ARCHIVES, IMPORTS, DataJob
from config.errors import TooManyRequests
from credits.models.background import TakenOver
from credits.users import letters

logger = logging.getLogger(__name__)
Kind, State = DataJob.Kind, DataJob.State

#: Archives that one user may have made within a day, and for how long each is kept.
ARCHIVES_A_DAY = 3
ARCHIVE_KEPT = timedelta(days=7)
#: An archive, or an import, that stalls after so long has failed in more than one worker, and is
#: given up.
ARCHIVE_TAKES = timedelta(hours=6)
#: What is asked for anew where it failed; the others are taken up again.
ASKED_ANEW = {Kind.ARCHIVE, Kind.IMPORT}
#: Seconds until a deletion looks again at jobs that were asked to stop.
STOPPING_SECONDS = 3
#: The content of a closed account is erased within this time, if worker and storage run.
ERASED_WITHIN = timedelta(hours=24)

DO: dict[str, Callable[[DataJob], None]] = {
    Kind.ARCHIVE: make_archive,
    Kind.IMPORT: import_chats,
    Kind.CHATS: delete_chats,
    Kind.IMAGES: delete_images,
    Kind.ERASURE: erase_content,
}


class TooManyArchives(TooManyRequests):
    """ARCHIVES_A_DAY were made within a day."""

    def __init__(self, *, retry_seconds: int) -> None:
        message = f"You can have {ARCHIVES_A_DAY} archives a day. Take one of those below."
        super().__init__(message, retry_seconds=retry_seconds)


def start_archive(*, user_id: int) -> None:
    """Starts an archive, unless one is open. Raises TooManyArchives."""
    day = timedelta(days=1)
    made = DataJob.objects.filter(user_id=user_id, kind=Kind.ARCHIVE).exclude(state=State.FAILED)
    recent = made.filter(created_at__gt=timezone.now() - day).order_by("created_at")
    if len(recent) >= ARCHIVES_A_DAY and not any(job.is_open for job in recent):
        again = recent[0].created_at + day - timezone.now()
        raise TooManyArchives(retry_seconds=max(1, int(again.total_seconds())))
    start(user_id=user_id, kind=Kind.ARCHIVE)


def start(*, user_id: int, kind: str) -> None:
    """Starts a job of this kind after the commit, unless one is open."""
    with suppress(IntegrityError), transaction.atomic():
        later(DataJob.objects.create(user_id=user_id, kind=kind))


def later(job: DataJob, *, seconds: int = 0) -> None:
    """Queues this job, if the caller's transaction commits, in `seconds`."""
    pause = {"seconds": seconds} if seconds else None
    app.configure_task("data.run", queue="default", schedule_in=pause).defer(job_id=str(job.pk))


def jobs_of(*, user_id: int) -> QuerySet[DataJob]:
    """The jobs that the user requested lately, newest first."""
    return DataJob.objects.filter(user_id=user_id).exclude(kind=Kind.ERASURE)


def run(job_id: UUID | str) -> None:
    """Works on a job until its end. What fails is logged; a deletion is taken up again once its
    heartbeat is silent (`resume`), an archive is to be asked for anew."""
    job = DataJob.claim(job_id)
    if job is None:
        return
    try:
        DO[job.kind](job)
    except StillRunning:
        with suppress(TakenOver):
            job.keep(state=State.QUEUED)
            later(job, seconds=STOPPING_SECONDS)
    except TakenOver:
        logger.warning("%s goes on in another process, or was deleted", job.pk)
    except (TooLarge, Unreadable) as error:
        _end(job, State.FAILED, str(error))
    except Exception:
        logger.exception("%s of user %d failed", job.kind, job.user_id)
        if job.kind in ASKED_ANEW:
            _end(job, State.FAILED, "Something went wrong on our side. Ask for it again.")
    else:
        _end(job, State.DONE)
        if job.kind == Kind.ARCHIVE:
            _send_letter(job)


def _end(job: DataJob, state: str, error: str = "") -> None:
    """Ends a job; a file that was imported, or could not be, is not needed any more."""
    if job.kind != Kind.IMPORT:
        job.finish(state, error)
        return
    job.finish(state, error, file="")
    if not DataJob.objects.filter(pk=job.pk, file=job.file).exists():
        files.discard(filter(None, [job.file]))


def _send_letter(job: DataJob) -> None:
    letters.send_later(
        template="archive_ready.txt",
        subject="Your archive is ready",
        user=job.user,
        context={"link": reverse("account-data"), "days": ARCHIVE_KEPT.days},
    )


def resume() -> None:
    """Puts jobs whose worker died, or that failed, back on the queue."""
    for job in DataJob.stalled():
        if job.kind in ASKED_ANEW and job.created_at < timezone.now() - ARCHIVE_TAKES:
            ended = {"state": State.FAILED, "finished_at": timezone.now()}
            stalled = DataJob.stalled().filter(pk=job.pk)
            stalled.update(**ended, error="It took too long. Ask for it again.")
        else:
            later(job)


def forget() -> None:
    """Deletes requested jobs after ARCHIVE_KEPT, with their archives; and files without a job,
    whose process died before it saved the row."""
    old = DataJob.objects.filter(created_at__lt=timezone.now() - ARCHIVE_KEPT)
    for job in old.exclude(kind=Kind.ERASURE).exclude(state__in=DataJob.OPEN):
        if job.file:
            files.remove(job.file)
        job.delete()
    for folder in (ARCHIVES, IMPORTS):
        for user_id in files.list_folder(folder)[0]:
            _forget_strays(f"{folder}/{user_id}")


def _forget_strays(folder: str) -> None:
    for name in files.list_folder(folder)[1]:
        with suppress(ValueError):
            if not DataJob.objects.filter(pk=UUID(name.partition(".")[0])).exists():
                files.remove(f"{folder}/{name}")
