"""Calls of `/v1` by keys: what they were and what became of them; answers and responses that are
kept for a while."""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from ai_chat.jobs.models import FAILED, RUNNING, Job
from credits.amounts import PICO
from credits.models import Account, ApiKey


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
