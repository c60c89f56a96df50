"""What is spent of limits, and left of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from credits.amounts import PICO, as_decimal
from credits.models import Limit
from credits.sql import fetch_all


@dataclass(frozen=True)
class LimitState:
    """A limit in its present period: pico-credits that are spent, and held by what is going on."""

    limit: Limit
    window_start: date
    spent: int
    held: int

    @property
    def left(self) -> int:
        """Whole credits that can be spent yet."""
        return max(0, self.limit.credits * PICO - self.spent - self.held) // PICO

    @property
    def percent(self) -> int:
        """How much of it is spent, in whole percent rounded down."""
        return self.spent * 100 // (self.limit.credits * PICO) if self.limit.credits else 100

    @property
    def resets_at(self) -> datetime | None:
        """When its next period begins; None for a limit in all."""
        now = timezone.now().astimezone(UTC)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        match self.limit.period:
            case Limit.Period.DAY:
                return today + timedelta(days=1)
            case Limit.Period.WEEK:
                return today + timedelta(days=7 - today.weekday())
            case Limit.Period.MONTH:
                return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        return None

    @property
    def sentence(self) -> str:
        """The rest of a sentence about why a spend was refused."""
        of = "the limit" if self.limit.api_key_id is None else "the key's limit"
        return (
            f"{of} of {self.limit.credits:,} credits {self.limit.get_period_display()} leaves "
            f"{self.left:,}. Nothing was charged."
        )

    @property
    def members(self) -> dict[str, Any]:
        """The limit as JSON says it."""
        return {
            "id": self.limit.pk,
            "period": self.limit.period,
            "credits": self.limit.credits,
            "hard": self.limit.hard,
            "spent": as_decimal(self.spent),
            "held": as_decimal(self.held),
            "remaining": self.left,
            "resetsAt": self.resets_at,
        }


def limit_states(*, account_id: int) -> list[LimitState]:
    """All limits of an account, in the order in which they were set."""
    limits = Limit.objects.filter(account_id=account_id).in_bulk()
    rows = fetch_all(
        "SELECT limit_id, window_start, spent, held FROM credits_limits_of(%s, credits_now())",
        [account_id],
    )
    states = {
        pk: LimitState(limits[pk], window_start, int(spent), int(held))
        for pk, window_start, spent, held in rows
        if pk in limits
    }
    return [states[pk] for pk in sorted(states)]


def limit_state(limit_id: int) -> LimitState:
    """One limit. Raises Limit.DoesNotExist when it was deleted meanwhile."""
    limit = Limit.objects.get(pk=limit_id)
    return next(s for s in limit_states(account_id=limit.account_id) if s.limit.pk == limit_id)
