"""What every paid job has in the database."""

import uuid
from typing import ClassVar, NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from credits.models import UsageHistory, Use
from credits.models.catalogue import model_label
from credits.reasons import CHARGED, Reason

#: The states that every kind has. All but RUNNING are final.
RUNNING, FAILED = "running", "failed"


class Rate(NamedTuple):
    """The tightest rate that a request counts under: of the `most` in a minute `remaining` are
    left, and in `reset` seconds all of them are."""

    most: int
    remaining: int
    reset: int


class Job(models.Model):
    """A paid piece of work. A RUNNING job has an open hold; the other states are final and were
    written together with the hold's end."""

    #: What templates and answers tell kinds apart by.
    kind: ClassVar[str]
    #: The SQL function that inserts the row of a job that was just charged (`ai_chat/sql/`). Called
    #: as recorder(owner, charge, job), it fills every column without a default in the database, and
    #: returns the columns that it chose as JSON, `created_at` among them.
    recorder: ClassVar[str]
    #: The column with what was written so far, for kinds that write.
    text_column: ClassVar[str] = ""
    #: Relations that a receipt shows besides the charge and the refund.
    shown_with: ClassVar[tuple[str, ...]] = ()

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Without constraints: a job is written with its charge and ended with its refund. Checking
    # again would lock the rows that all jobs of a user share (docs/ledger.md, "Relations …").
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="%(class)ss",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    # Null for an imported turn alone (`is_charged`): such a job never ran here.
    charge: models.OneToOneField[UsageHistory, UsageHistory] = models.OneToOneField(  # type: ignore[misc]
        UsageHistory, models.PROTECT, null=True, related_name="%(class)s", db_constraint=False
    )
    # Without an index either: so what an ending changes is in none (HOT).
    refund = models.ForeignKey(
        UsageHistory, models.PROTECT, null=True, related_name="+",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    model = models.CharField(max_length=120)
    #: The model that took over because the provider of the chosen one was down.
    answered_by = models.CharField(max_length=120, blank=True, default="", db_default="")
    #: Each kind has further states, as its choices.
    state = models.CharField(max_length=10, default=RUNNING)
    failure = models.CharField(max_length=40, choices=Reason, blank=True)
    #: Asked for by the user in a process that may not be the one doing the job.
    stop_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)
    #: Seconds until the first piece of the result was passed on; null when none was, while it runs,
    #: and for kinds whose results come whole.
    first_seconds = models.FloatField(null=True)

    #: The user's credits when the job ended; only on a job handed over by its ending.
    remaining: int | None = None
    #: Seconds after which the provider asked to be called again; likewise.
    retry_seconds: int | None = None
    #: Tokens of output that were paid for, of a charge by tokens; only on a job that was just
    #: started.
    output_granted: int | None = None
    #: What bounds it, where it is less than was asked for: `balance`, `max-credits` or
    #: `limit:ID`; likewise.
    limited_by: str = ""
    #: What is left of the rate of requests; likewise.
    rate: Rate | None = None

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.state})"

    @classmethod
    def with_receipt(cls) -> models.QuerySet[Self]:
        """Jobs with all that their receipts show."""
        jobs = cls._default_manager.select_related("charge__use", "refund")
        return jobs.prefetch_related(*cls.shown_with)

    @property
    def output_text(self) -> str:
        """The text that was delivered so far; empty for kinds that deliver none."""
        return getattr(self, self.text_column) if self.text_column else ""

    def discard_result(self) -> None:
        """Removes what the lost job of a process that died may have left outside the database."""

    @property
    def is_running(self) -> bool:
        return self.state == RUNNING

    @property
    def is_charged(self) -> bool:
        """Whether it has a charge: all have, except turns that were imported."""
        return self.charge_id is not None

    @property
    def seconds_taken(self) -> float | None:
        """Seconds from the request to the end of the work."""
        return (self.ended_at - self.created_at).total_seconds() if self.ended_at else None

    @property
    def is_by_tokens(self) -> bool:
        """Whether the charge is for the most that it can cost by its tokens, until its use is
        known."""
        return self.is_charged and self.charge.price_id is not None

    @property
    def use(self) -> Use | None:
        """What came of a charge by tokens; None for others, and while it runs."""
        return getattr(self.charge, "use", None)

    @property
    def came_back(self) -> bool:
        """Whether credits came back because something was not delivered."""
        return self.refund_id is not None and self.failure not in CHARGED

    @property
    def is_free(self) -> bool:
        """Whether it failed or was stopped, and nothing of it was to be paid."""
        paid = self.use.collected if self.use else self.charged
        return bool(self.failure) and not paid

    @property
    def line(self) -> UsageHistory:
        """The row of the journal that says what it came to."""
        return self.refund if self.refund and self.came_back else self.charge

    @property
    def refunded(self) -> int:
        """Credits that came back: refunded, or reserved and not used."""
        return -self.refund.credits_used if self.refund else 0

    @property
    def charged(self) -> int:
        """Credits that what was delivered has cost."""
        return self.charge.credits_used - self.refunded if self.is_charged else 0

    @property
    def model_label(self) -> str:
        return model_label(self.model)
