"""The log of calls by API keys: what each was, what it took and what became of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, TextChoices

from ai_chat.calls.statuses import ANSWERED, broke_off, status_of
from ai_chat.jobs.ending import reconcile
from ai_chat.models import ApiCall
from config.pagination import LATEST_FIRST, Key, Page, in_batches, paginate
from credits.amounts import as_decimal, as_exact_words
from credits.models import ApiKey, Hold, Use
from credits.models.catalogue import model_label
from credits.reasons import words_of
from credits.statement.csv_file import Columns
from credits.statement.days import on_days

type Calls = QuerySet[ApiCall]
State = ApiCall.State
REQUEST = "req_"


class Outcome(TextChoices):
    """What became of a call, as one looks for it."""

    DONE = "done", "Answered"
    STOPPED = "stopped", "Client left"
    FAILED = "failed", "Failed"
    BROKE_OFF = "broke_off", "Broke off"
    RUNNING = "running", "Going on"


BROKEN = Q(state=State.FAILED, streamed=True, first_seconds__isnull=False) & ~Q(
    failure__in=ANSWERED
)


@dataclass(frozen=True)
class CallFilter:
    """Which calls are asked for: of a key (its public id), by a model, with an outcome, of the days
    from `first` to `last` (both included, the reader's), or the one with this id."""

    key: str = ""
    model: str = ""
    outcome: str = ""
    first: date | None = None
    last: date | None = None
    call_id: UUID | None = None

    def of(self, calls: Calls) -> Calls:
        """Those among these calls."""
        if self.key:
            keys = ApiKey.objects.filter(public_id=self.key)
            calls = calls.filter(api_key_id=keys.values("pk")[:1])
        if self.model:
            calls = calls.filter(Q(model=self.model) | Q(answered_by=self.model))
        if self.outcome == Outcome.BROKE_OFF:
            calls = calls.filter(BROKEN)
        elif self.outcome:
            calls = calls.filter(state=self.outcome)
            calls = calls.exclude(BROKEN) if self.outcome == Outcome.FAILED else calls
        if self.call_id:
            calls = calls.filter(pk=self.call_id)
        return calls.filter(on_days("created_at", self.first, self.last))


def call_id_of(request_id: str) -> UUID | None:
    """The id of a request's call: it is in the request's. None for what is no request id."""
    digits = request_id.strip().removeprefix(REQUEST)
    try:
        return UUID(hex=digits) if len(digits) == 32 else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Line:
    """One line of the log: a call."""

    call: ApiCall

    @property
    def status(self) -> int | None:
        """The HTTP status that was answered; None while it runs."""
        return status_of(self.call)

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return Outcome.BROKE_OFF if broke_off(self.call) else Outcome(self.call.state)

    @property
    def why(self) -> str:
        """Why it failed, in words; empty when it did not."""
        return words_of(self.call.failure) if self.call.failure else ""

    @property
    def model(self) -> str:
        """The model that answered, as people read it."""
        return model_label(self.call.answered_by or self.call.model)

    @property
    def use(self) -> Use | None:
        """What it used, of a call by tokens that used something."""
        use = self.call.use
        return use if use and use.source != Use.Source.NONE else None

    @property
    def cost(self) -> str | None:
        """Credits that it has cost, exactly, as a decimal; None while it runs."""
        return None if self.call.is_running else as_decimal(self.call.cost)

    @property
    def cost_words(self) -> str:
        """The same as people read it."""
        return as_exact_words(self.call.cost)

    @property
    def seconds(self) -> float | None:
        """Seconds from the request to its end."""
        return self.call.seconds_taken


def calls(*, user_id: int) -> Calls:
    """The calls by keys of an account, with all that the log shows of them."""
    held = Exists(Hold.objects.filter(charge_id=OuterRef("charge_id")))
    return (
        ApiCall.with_receipt()
        .filter(user_id=user_id)
        .select_related("api_key")
        .annotate(is_held=held)
    )


def get_page(
    rows: Calls,
    *,
    size: int,
    older_than: Key | None = None,
    newer_than: Key | None = None,
) -> Page[Line]:
    """A page of calls, the latest first."""
    page = paginate(
        rows, size=size, order=LATEST_FIRST, older_than=older_than, newer_than=newer_than
    )
    return page.map(_lines)


def batches(rows: Calls) -> Iterator[list[Line]]:
    """All of them, the latest first."""
    return map(_lines, in_batches(rows, order=LATEST_FIRST))


def _lines(rows: Iterable[ApiCall]) -> list[Line]:
    """Of a call whose process died its end is written first, as its credits came back."""
    return [Line(_ended(row)) for row in rows]


def _ended(call: Any) -> ApiCall:
    if not call.is_running or call.is_held:
        return call  # type: ignore[no-any-return]
    ended: ApiCall = reconcile(call)
    ended.api_key = call.api_key
    return ended


def _of_use(name: str) -> Callable[[Line], int | str | None]:
    return lambda line: getattr(line.use, name) if line.use else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


COLUMNS: Columns[Line] = {
    "Time (UTC)": lambda line: line.call.created_at,
    "Request": lambda line: line.call.request_id,
    "Key": lambda line: line.call.api_key.label,
    "Key id": lambda line: line.call.api_key.public_id,
    "Endpoint": lambda line: line.call.endpoint,
    "Model": lambda line: line.call.model,
    "Answered by": lambda line: line.call.answered_by or line.call.model,
    "Tokens in": _of_use("input"),
    "From cache": _of_use("cached"),
    "To cache": _of_use("cache_write"),
    "Tokens out": _of_use("output"),
    "Thinking": _of_use("reasoning"),
    "Counted by": _of_use("source"),
    "Cost": lambda line: line.cost,
    "Status": lambda line: line.status,
    "Outcome": lambda line: line.outcome.value,
    "Why": lambda line: line.why,
    "Streamed": lambda line: line.call.streamed,
    "Seconds": lambda line: _milliseconds(line.seconds),
    "Seconds to the first piece": lambda line: _milliseconds(line.call.first_seconds),
    "Charge": lambda line: line.call.charge_id,
}
