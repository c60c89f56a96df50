"""What each kind of job brings: the work itself, how long it may take, and how it can be ended."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ai_chat.jobs.ending import BY_CONTENT, Outcome
from ai_chat.jobs.models import Job
from ai_chat.providers.client import patience_with
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Piece
from credits.models import AIModel
from credits.reasons import Reason
from credits.uses import Tokens


class Stopped(Exception):
    """The user asked to stop, or the job has been ended or deleted elsewhere."""


class TimeIsUp(ProviderError):
    """The job has taken all the time that there is for one: our limit. A kind that can deliver what
    has come by then does so; for others the provider took too long."""

    def __init__(self) -> None:
        super().__init__(Reason.TIMEOUT)


@dataclass(frozen=True)
class Bounds:
    """Seconds until the first sign of life, between two of them, and until the end."""

    first: float
    silence: float
    total: float

    @classmethod
    def of_text(cls, model: AIModel, *, total: float) -> Self:
        """Of what a model writes, in `total` seconds at most."""
        return cls(*patience_with(model), total)


def charged_if_shown(
    outcome: Outcome, cause: Exception | None, *, is_shown: bool, state: str
) -> Outcome:
    """The outcome of an answer, charged where it is one too many in the hour, in this `state`: if
    something of it was shown, and it comes to nothing by what was asked for, or by our own time
    limit."""
    is_up = bool(outcome.failure) and isinstance(cause, TimeIsUp)
    is_free = is_shown and outcome.delivered == 0 and (is_up or outcome.failure in BY_CONTENT)
    return replace(outcome, charged_as=state) if is_free else outcome


class Work[J: Job](ABC):
    """One job to be done: what its kind asks of the provider, and what comes of it."""

    #: Whether `keep` is to be called.
    keeps = True
    #: None for work that bounds itself: it ends within HOLD_LEASE_SECONDS, as no lease is renewed.
    bounds: Bounds | None = None

    def __init__(self, job: J, model: AIModel) -> None:
        self.job = job
        self.model = model

    def perform(self, publish: Callable[[Piece], bool]) -> None:
        """Does the work; what comes is published. Ends early once `publish` returns False: then
        nobody wants more; publishing Alive() only asks. Raises ProviderError."""
        for piece in self.pieces():
            if not publish(piece):
                return

    def pieces(self) -> Generator[Piece]:
        """The same, for work that is done while its pieces are taken (`Run.drive`)."""
        raise NotImplementedError

    def with_model(self, model: AIModel) -> "Work[J] | None":
        """The same work from the beginning, for the model that takes over; None when it cannot be
        done anew."""
        return None

    @abstractmethod
    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        """What the job comes to after `perform` has ended: with `text`, and because of a
        ProviderError, Stopped, or None."""

    def keep(self, text: str, reasoning: str, *, lost: bool) -> Mapping[str, Any]:
        """Keeps the result within the ending's transaction; returns columns of the job that it
        changes. A `lost` job's credits had come back before its end."""
        return {}

    @abstractmethod
    def cancel(self) -> None:
        """Ends the provider's call from another thread. May be called at any time, also twice."""

    def so_far(self) -> Tokens | None:
        """What the call has used by now, for work that may be paid by tokens."""
        return None

    def ended(self, job: J | None, *, kept: bool) -> None:  # noqa: B027 -- most kinds need not
        """After the ending's transaction, with the job as it ended (None: it is deleted); `kept`
        says that this call has ended it, and kept this work's result."""
