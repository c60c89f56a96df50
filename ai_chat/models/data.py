"""What the worker does with all that a user has here."""

from django.conf import settings
from django.db import models

from credits.models.background import BackgroundJob

#: The folders of the storage; each has a folder for every user in it.
ARCHIVES = "archives"
IMPORTS = "imports"


class DataJob(BackgroundJob):
    """What the worker does with everything that a user has here: see `ai_chat.data`."""

    class Kind(models.TextChoices):
        ARCHIVE = "archive", "Archive"
        IMPORT = "import", "Import"
        CHATS = "chats", "Deletion of all chats"
        IMAGES = "images", "Deletion of all images"
        ERASURE = "erasure", "Erasure of a closed account"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="data_jobs", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    #: An archive's name in the storage, and its size, once it is ready; those of the file that is
    #: imported until it is.
    file = models.CharField(max_length=200, blank=True)
    bytes = models.BigIntegerField(default=0)
    #: What came of an import, for people.
    result = models.TextField(blank=True, default="", db_default="")

    class Meta(BackgroundJob.Meta):
        indexes = [models.Index(fields=["user", "-created_at"], name="data_jobs_of_user")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=models.Q(state__in=BackgroundJob.OPEN),
                name="data_job_open_once",
            ),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(kind="erasure"), name="data_erasure_once"
            ),
        ]

    @property
    def folder(self) -> str:
        """Where its file is in the storage."""
        return f"{IMPORTS if self.kind == self.Kind.IMPORT else ARCHIVES}/{self.user_id}"
