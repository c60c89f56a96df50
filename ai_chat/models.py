"""Conversations, their turns and images. Money is not here: each points at its charge in the
journal."""

import uuid
from datetime import timedelta
from itertools import dropwhile

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from ai_chat import files
from ai_chat.jobs.models import FAILED, RUNNING, Job
from config.text import cut, is_blank
from credits.amounts import PICO
from credits.models import Account, ApiKey
from credits.models.background import BackgroundJob
from credits.reasons import Reason

TITLE_CHARACTERS = 60
#: Folders of the storage; each has a folder for every user in it.
IMAGES, ARCHIVES = "images", "archives"


class Conversation(models.Model):
    """A user's chat. Deleting it deletes its turns; the ledger keeps what they cost."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", db_index=False
    )
    title = models.CharField(max_length=120)
    #: The id that a client of the API gave its chat.
    external_id = models.CharField(max_length=200, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When its last turn began: the order in the rail.
    active_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "-active_at"], name="conversation_of_user")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "external_id"],
                condition=models.Q(external_id__isnull=False),
                name="conversation_external_id_once",
            )
        ]

    def __str__(self) -> str:
        return self.title


def title_from(text: str) -> str:
    """What a conversation is called that begins with this text: what can be seen of it first."""
    line = "".join(dropwhile(is_blank, " ".join(text.split())))
    return cut(line, TITLE_CHARACTERS)


class Turn(Job):
    """One message of a user and its answer."""

    class State(models.TextChoices):
        RUNNING = RUNNING
        ANSWERED = "answered"
        STOPPED = "stopped"
        FAILED = FAILED

    class Cut(models.TextChoices):
        """Why an answer that was charged is not whole."""

        LENGTH = "length", "cut at the length limit"
        TIME = "time", "cut at the time limit"

    kind = "turn"
    recorder = "ai_chat_record_turn"
    text_column = "answer"

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="turns", db_index=False
    )
    prompt = models.TextField()
    answer = models.TextField(blank=True)
    #: The answer as HTML, made at its end, and the version of the renderer that made it (0: none).
    html = models.TextField(blank=True, default="", db_default="")
    html_version = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: What the model thought before it answered; kept at the end.
    reasoning = models.TextField(blank=True, default="", db_default="")
    cut = models.CharField(max_length=10, choices=Cut, blank=True, default="", db_default="")
    #: The turn that this one answers anew: the model is sent one of them. Not a foreign key, as
    #: turns go with their conversation.
    replaces = models.UUIDField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)

    class Meta:
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="turns_of_conversation")
        ]


class ApiCall(Job):
    """A call of the API by a key: never its content, but what it was and what became of it."""

    class State(models.TextChoices):
        RUNNING = RUNNING
        DONE = "done"
        STOPPED = "stopped"
        FAILED = FAILED

    kind = "call"
    recorder = "ai_chat_record_call"

    api_key = models.ForeignKey(
        ApiKey, models.PROTECT, related_name="calls", db_index=False, db_constraint=False
    )
    #: The address below /v1, as `chat/completions`. The row's own id is the request's (`req_…`).
    endpoint = models.CharField(max_length=40)
    request_id = models.CharField(max_length=64)
    streamed = models.BooleanField()
    #: Of address and body: a repeated try of the same call is recognised by it.
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)

    class Meta:
        indexes = [
            models.Index(fields=["api_key", "-created_at"], name="calls_of_key"),
            models.Index(fields=["user", "-created_at"], name="calls_of_user"),
            # Costs a call next to nothing, as in the journal.
            BrinIndex(
                fields=["created_at"], pages_per_range=32, autosummarize=True, name="calls_by_time"
            ),
        ]

    @property
    def cost(self) -> int:
        """Pico-credits that it has cost, never more than was reserved; 0 while it runs."""
        if self.is_running:
            return 0
        return int(self.use.collected) if self.use else self.charged * PICO


class KeptAnswer(models.Model):
    """The answer of a call, for a client that asks again (`gateway/repeats.py`)."""

    KEPT = timedelta(minutes=10)

    call = models.OneToOneField(
        ApiCall, models.CASCADE, primary_key=True, related_name="kept_answer"
    )
    #: Whether the client had left before it was sent.
    unread = models.BooleanField()
    headers = models.JSONField()
    #: Compressed (RFC 1950).
    content = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="kept_answers_by_age")]

    def __str__(self) -> str:
        return f"{self.call_id}"


class ApiCount(models.Model):
    """How many requests to `/v1` of a day (UTC) were answered alike: what metrics and the desk
    show. `begun` of them began an answer, after `first_seconds` together. Days that are over for
    long are added up without day and key (`ai_chat.calls.keeping`), so that no sum ever falls."""

    day = models.DateField(null=True)
    #: Null where the request had no valid key.
    api_key = models.ForeignKey(
        ApiKey, models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    #: The address below /v1; empty for those that there are not.
    endpoint = models.CharField(max_length=60, blank=True)
    status = models.PositiveSmallIntegerField()
    #: The error's code; of a stream `broke_off` when it ended with an error. Empty: well.
    code = models.CharField(max_length=60, blank=True)
    count = models.BigIntegerField()
    begun = models.BigIntegerField(default=0)
    first_seconds = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "api_key", "endpoint", "status", "code"],
                name="api_count_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.endpoint} {self.status} {self.code}: {self.count}"


class ImageRequest(Job):
    """One to four images of one prompt, paid together."""

    class State(models.TextChoices):
        RUNNING = RUNNING
        DELIVERED = "delivered"
        PARTIAL = "partial"
        FAILED = FAILED

    kind = "images"
    recorder = "ai_chat_record_images"
    shown_with = ("images",)

    #: Where it was asked for; None from the gallery, or when that conversation is gone.
    conversation = models.ForeignKey(
        Conversation, models.SET_NULL, null=True, related_name="image_requests", db_index=False
    )
    prompt = models.TextField()
    #: WIDTHxHEIGHT in pixels, as asked for.
    size = models.CharField(max_length=20)
    count = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="image_requests_of_user"),
            models.Index(
                fields=["conversation", "created_at"],
                condition=models.Q(conversation__isnull=False),
                name="image_requests_of_conversation",
            ),
        ]

    @property
    def folder(self) -> str:
        """Where its files are in the storage: what a killed process left can be found."""
        return f"{IMAGES}/{self.user_id}/{self.pk}"

    def discard_result(self) -> None:
        files.discard_folder(self.folder)

    @property
    def places(self) -> range:
        return range(self.count)

    @property
    def missing(self) -> int:
        """How many images were not delivered."""
        return self.refunded // (self.charge.unit_cost or 1)

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height as asked for, in pixels."""
        width, height = self.size.split("x")
        return int(width), int(height)


class Image(models.Model):
    """A delivered image: a file in the storage, served to its owner only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(ImageRequest, models.CASCADE, related_name="images")
    #: The name in the storage.
    file = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"image {self.pk} ({self.width}×{self.height})"

    @property
    def filename(self) -> str:
        """What a download is called."""
        return f"tally-{str(self.pk)[:8]}.{self.file.rpartition('.')[2]}"


class DataJob(BackgroundJob):
    """What the worker does with everything that a user has here: see `ai_chat.data`."""

    class Kind(models.TextChoices):
        ARCHIVE = "archive", "Archive"
        CHATS = "chats", "Deletion of all chats"
        IMAGES = "images", "Deletion of all images"
        ERASURE = "erasure", "Erasure of a closed account"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="data_jobs", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    #: An archive's name in the storage, and its size, once it is ready.
    file = models.CharField(max_length=200, blank=True)
    bytes = models.BigIntegerField(default=0)

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
        """Where an archive is in the storage."""
        return f"{ARCHIVES}/{self.user_id}"


class ProviderFailure(models.Model):
    """How often a model's provider failed in one way, and whether it still does: what the metrics
    and the desk show. `recovered_at` is set by the next answer of the model."""

    model = models.CharField(max_length=120)
    provider = models.CharField(max_length=60)
    reason = models.CharField(max_length=40, choices=Reason)
    #: Of the provider's HTTP answer, and what it called the failure.
    status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=60, blank=True)
    count = models.BigIntegerField(default=1)
    #: The first failure since the model answered last, and the latest one.
    since = models.DateTimeField(db_default=Now())
    latest_at = models.DateTimeField(db_default=Now())
    recovered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "provider", "reason", "status", "code"],
                name="provider_failure_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.reason} {self.status or ''} {self.code}".strip()


class KeptResponse(models.Model):
    """A response of /v1/responses that its account can go on from. Its items are kept apart, as
    clients send the same ones with each call: `request` (what the response repeats of it),
    `inputs` and `outputs` name rows of ResponseItem."""

    id = models.CharField(primary_key=True, max_length=80)
    account = models.ForeignKey(Account, models.DB_CASCADE, related_name="+")
    #: The response that this one went on from; empty for none.
    previous = models.CharField(max_length=80, blank=True)
    request = models.CharField(max_length=80)
    inputs = ArrayField(models.CharField(max_length=80))
    outputs = ArrayField(models.CharField(max_length=80))
    #: Its other members: status, usage, times.
    ended = models.JSONField()
    #: The day at whose beginning it is gone (UTC).
    expires_on = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["expires_on"], name="kept_responses_by_day")]

    def __str__(self) -> str:
        return self.pk


class ResponseItem(models.Model):
    """A part of kept responses: an item of the output under its own id, or what a client sent under
    a digest of it, once however often it comes."""

    id = models.CharField(primary_key=True, max_length=80)
    account = models.ForeignKey(Account, models.DB_CASCADE, related_name="+")
    item = models.JSONField()
    #: Not before that of any response that names it.
    expires_on = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["expires_on"], name="response_items_by_day")]

    def __str__(self) -> str:
        return self.pk
