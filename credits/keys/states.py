"""What people see of keys: whether they are valid, when they were used, and what they spent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Max, Sum, TextChoices
from django.utils.dateformat import format as format_date

from credits.amounts import as_exact_words
from credits.kernel import database_time
from credits.limit_states import LimitState, SpentAndHeld, limit_states
from credits.models import ApiKey, ApiKeySecret, SpendDay
from credits.statement.chart import Chart, stack


class State(TextChoices):
    """Whether a key can be used."""

    ACTIVE = "active", "Active"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"


@dataclass(frozen=True)
class KeyState(SpentAndHeld):
    """A key at a moment (`now`): its secrets that are still valid, the newest first, when one was
    used last, and pico-credits spent and held in its name in the month (UTC)."""

    key: ApiKey
    now: datetime
    secrets: Sequence[ApiKeySecret] = ()
    last_used_at: datetime | None = None
    spent: int = 0
    held: int = 0
    limits: Sequence[LimitState] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Whether it can be used at this moment."""
        if self.key.revoked_at:
            return State.REVOKED
        is_over = self.key.expires_at and self.key.expires_at <= self.now
        return State.EXPIRED if is_over else State.ACTIVE

    @property
    def hint(self) -> str:
        """The end of its present secret; empty where none is valid any more."""
        return self.secrets[0].hint if self.secrets else ""

    @property
    def former(self) -> ApiKeySecret | None:
        """The secret before the present one, while it is still valid."""
        return self.secrets[1] if len(self.secrets) > 1 else None


def key_states(keys: Iterable[ApiKey], *, limits_of: int | None = None) -> list[KeyState]:
    """These keys as they are now, in the same order; with the limits of each, if they are all of
    the account `limits_of`."""
    keys, now = list(keys), database_time()
    ids = [key.pk for key in keys]
    secrets: dict[int, list[ApiKeySecret]] = defaultdict(list)
    for secret in ApiKeySecret.objects.filter(key__in=ids).order_by("-pk"):
        if secret.valid_until is None or secret.valid_until > now:
            secrets[secret.key_id].append(secret)
    used = ApiKeySecret.objects.filter(key__in=ids).values_list("key").annotate(Max("last_used_at"))
    last_used, spent = dict(used), _spent_by_key(ids, since=now.date().replace(day=1))
    limits: dict[int | None, list[LimitState]] = defaultdict(list)
    for state in limit_states(account_id=limits_of) if limits_of is not None else []:
        limits[state.limit.api_key_id].append(state)
    return [
        KeyState(key, now, secrets[key.pk], last_used.get(key.pk), *spent[key.pk], limits[key.pk])
        for key in keys
    ]


def _spent_by_key(ids: Sequence[int], *, since: date) -> dict[int, tuple[int, int]]:
    """What was spent and is held in the name of each key since a day (UTC), in pico-credits."""
    accounts = ApiKey.objects.filter(pk__in=ids).values("account_id")
    days = SpendDay.objects.filter(account_id__in=accounts, api_key_id__in=ids, day__gte=since)
    sums = days.values_list("api_key_id").annotate(Sum("spent"), Sum("held"))
    return dict.fromkeys(ids, (0, 0)) | {key: (int(s), int(h)) for key, s, h in sums}


#: Days of the chart of a key.
CHART_DAYS = 30


def spend_chart(key: ApiKey, *, today: date) -> Chart | None:
    """What was spent in the name of a key on each of the last CHART_DAYS days (UTC); a bar's source
    is the amount in words. None when nothing was."""
    first = today - timedelta(days=CHART_DAYS - 1)
    days = SpendDay.objects.filter(account_id=key.account_id, api_key_id=key.pk, day__gte=first)
    spent = dict(days.values_list("day").annotate(Sum("spent")))
    if not any(spent.values()):
        return None
    rows = []
    for place in range(CHART_DAYS):
        day = first + timedelta(days=place)
        amount = int(spent.get(day, 0))
        rows.append((format_date(day, "j M"), [amount], as_exact_words(amount)))
    return stack(rows, ["net"])
