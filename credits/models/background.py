"""Jobs of the background worker whose progress is shown."""

import uuid
from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

#: A job without a heartbeat for this long is taken over: twice the longest pause of a client.
SILENCE = timedelta(seconds=90)


class TakenOver(Exception):
    """Another process works on the job now, or it was deleted; this process must leave it alone."""


class BackgroundJob(models.Model):
    """A job with its progress. `runner` is the process that works on it; another takes over when
    its heartbeat stops."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Canceled"

    #: States in which it is still to be done.
    OPEN = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    processed = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    runner = models.UUIDField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.state}: {self.processed} of {self.total}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @classmethod
    def unattended(cls) -> Q:
        """Running jobs that no process works on any more: it sent no heartbeat for too long."""
        return Q(state=cls.State.RUNNING, heartbeat_at__lt=timezone.now() - SILENCE)

    @classmethod
    def stalled(cls) -> models.QuerySet[Self]:
        """Jobs whose worker died, or that were queued and lost."""
        lost = Q(state=cls.State.QUEUED, created_at__lt=timezone.now() - SILENCE)
        return cls._default_manager.filter(cls.unattended() | lost)

    @classmethod
    def claim(cls, job_id: uuid.UUID | str) -> Self | None:
        """Takes a job that no process works on; None when it ended or another process does."""
        free = cls._default_manager.filter(Q(state=cls.State.QUEUED) | cls.unattended(), pk=job_id)
        taken = {"state": cls.State.RUNNING, "runner": uuid.uuid4(), "heartbeat_at": timezone.now()}
        if not free.update(**taken):
            return None
        job = cls._default_manager.filter(pk=job_id).first()
        if job and not job.started_at:
            job.started_at = timezone.now()
            job.save(update_fields=["started_at"])
        return job

    def keep(self, **values: Any) -> None:
        """Saves these columns with a heartbeat, while this process is the one that works on the
        job. Raises TakenOver."""
        if not self._own_row().update(heartbeat_at=timezone.now(), **values):
            raise TakenOver(str(self.pk))

    def finish(self, state: str, error: str = "", **values: Any) -> None:
        """Ends the job, unless another process works on it now."""
        end = {"state": state, "error": error[:1000], "finished_at": timezone.now()}
        self._own_row().update(**end, **values)

    def _own_row(self) -> models.QuerySet[Self]:
        running = self.State.RUNNING
        return type(self)._default_manager.filter(pk=self.pk, runner=self.runner, state=running)
