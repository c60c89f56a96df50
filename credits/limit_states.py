"""What is spent of limits, and left of them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from credits.amounts import PICO, as_decimal, as_words
from credits.models import Limit
from credits.sql import fetch_all

STATES = """
SELECT limit_id, window_start, (now_at AT TIME ZONE 'UTC')::date, spent, held
FROM credits_now() AS now_at, credits_limits_of(%s, now_at)
"""


class SpentAndHeld:
    """Pico-credits that are spent, and held by what is going on, as people and programs read
    them."""

    spent: int
    held: int

    @property
    def spent_words(self) -> str:
        """What is spent, in credits as people read them."""
        return as_words(self.spent)

    @property
    def held_words(self) -> str:
        """The same of what is held."""
        return as_words(self.held)

    @property
    def spent_exact(self) -> str:
        """What is spent, in credits as JSON has fractions of them."""
        return as_decimal(self.spent)


@dataclass(frozen=True)
class LimitState(SpentAndHeld):
    """A limit in the period of `day`, which begins at `window_start` (both in UTC): pico-credits
    that are spent, and held by what is going on."""

    limit: Limit
    window_start: date
    day: date
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
    def is_reached(self) -> bool:
        """Whether all of it is spent."""
        return self.spent >= self.limit.credits * PICO

    @property
    def scope(self) -> str:
        """The key or member that it is for, in words; empty for the whole account."""
        if self.limit.api_key:
            return f"key {self.limit.api_key}"
        return f"for {self.limit.member}" if self.limit.member else ""

    @property
    def applies_to(self) -> str:
        """Whose spending it bounds: `account`, `key` or `member`."""
        return "key" if self.limit.api_key_id else "member" if self.limit.member_id else "account"

    @property
    def held_exact(self) -> str:
        """The same of what is held."""
        return as_decimal(self.held)

    @property
    def bar(self) -> tuple[float, float]:
        """The widths of what is spent and of what is held, in percent of the whole bar."""
        whole = max(self.limit.credits * PICO, self.spent + self.held, 1)
        return round(100 * self.spent / whole, 1), round(100 * self.held / whole, 1)

    @property
    def resets_at(self) -> datetime | None:
        """When its next period begins; None for a limit in all."""
        first = self.day
        match self.limit.period:
            case Limit.Period.DAY:
                following = first + timedelta(days=1)
            case Limit.Period.WEEK:
                following = first + timedelta(days=7 - first.weekday())
            case Limit.Period.MONTH:
                following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
            case _:
                return None
        return datetime(following.year, following.month, following.day, tzinfo=UTC)

    @property
    def until(self) -> str:
        """When it resets, for a sentence and in the reader's zone: ` until Monday 30 November
        00:00 UTC`; empty for a limit in all."""
        if self.resets_at is None:
            return ""
        moment = timezone.localtime(self.resets_at)
        return f" until {moment:%A} {moment.day} {moment:%B %H:%M} {moment:%Z}"

    @property
    def sentence(self) -> str:
        """The rest of a sentence about why a spend was refused."""
        of = "the limit" if self.limit.api_key_id is None else "the key's limit"
        setter = " that an admin set" if self.limit.by_admin else ""
        return f"{of} of {self.limit}{setter} leaves {self.left:,}{self.until}."

    @property
    def members(self) -> dict[str, Any]:
        """The limit as JSON says it: whole credits, but for `spent` and `held`, which are exact."""
        return {
            "id": self.limit.pk,
            "period": self.limit.period,
            "credits": self.limit.credits,
            "hard": self.limit.hard,
            "byAdmin": self.limit.by_admin,
            "spent": self.spent_exact,
            "held": self.held_exact,
            "remaining": self.left,
            "resetsAt": self.resets_at,
        }


def limit_states(*, account_id: int) -> list[LimitState]:
    """All limits of an account: the admins' first, then by scope and period."""
    limits = Limit.objects.filter(account_id=account_id).select_related("api_key", "member")
    known = limits.in_bulk()
    states = [
        LimitState(known[pk], start, day, int(spent), int(held))
        for pk, start, day, spent, held in fetch_all(STATES, [account_id])
        if pk in known
    ]
    return sorted(states, key=_place)


def _place(state: LimitState) -> tuple[bool, int, int, int]:
    limit, periods = state.limit, Limit.Period.values
    return (
        not limit.by_admin, limit.api_key_id or 0, limit.member_id or 0, periods.index(limit.period)
    )  # fmt: skip


def limit_state(limit_id: int | None) -> LimitState | None:
    """One limit; None when it was deleted meanwhile."""
    limit = Limit.objects.filter(pk=limit_id).first() if limit_id else None
    states = limit_states(account_id=limit.account_id) if limit else []
    return next((state for state in states if state.limit.pk == limit_id), None)
