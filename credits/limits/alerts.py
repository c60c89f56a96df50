"""Telling an account that a threshold of a limit is reached, once for each period, percentage and
size of the limit: what is reached is recorded by the database, and announced in the transaction
that records it, so that neither is lost nor repeated."""

import json
import logging
from datetime import timedelta
from itertools import groupby

from django.core.serializers.json import DjangoJSONEncoder
from django.db import InterfaceError, OperationalError, transaction

from credits.amounts import as_words
from credits.events.announcing import Letter, announce
from credits.kernel import database_time
from credits.limit_states import LimitState
from credits.models import Limit, SpendDay
from credits.sql import fetch_all

logger = logging.getLogger(__name__)

#: Kinds of events.
THRESHOLD, REACHED = "limit.threshold_reached", "limit.reached"

ALERTS = """
SELECT limit_id, window_start, day, spent, held, percent FROM credits_limit_alerts(%s, %s)
"""


@transaction.atomic
def record_alerts(*, account_id: int, limit_id: int | None = None, tell: bool = True) -> int:
    """Records what the account's spending has reached (of one limit, if it is given), and with
    `tell` announces it: each threshold to webhooks, the highest of a limit by mail. Returns how
    many were new. One statement for an account that never had a limit."""
    rows = fetch_all(ALERTS, [account_id, limit_id])
    limits = Limit.objects.in_bulk({row[0] for row in rows}) if rows and tell else {}
    for _, group in groupby(rows, key=lambda row: row[:2]):
        reached = list(group)
        for key, start, day, spent, held, percent in reached:
            if limit := limits.get(key):
                state = LimitState(limit, start, day, int(spent), int(held))
                _announce(state, percent, by_mail=percent == reached[-1][-1])
    return len(rows)


def _announce(state: LimitState, percent: int, *, by_mail: bool) -> None:
    limit = state.limit
    data = {**state.members, "percent": percent, "windowStart": state.window_start}
    announce(
        account_id=limit.account_id,
        kind=REACHED if percent == 100 else THRESHOLD,
        key=f"limit:{limit.pk}:{state.window_start}:{percent}:{limit.credits}",
        payload=json.loads(json.dumps(data, cls=DjangoJSONEncoder)),
        letter=_letter(state, percent) if by_mail else None,
    )


def _letter(state: LimitState, percent: int) -> Letter:
    limit = state.limit
    whose = f"your limit of {limit}" if limit.api_key_id is None else f"a key's limit of {limit}"
    text = f"{as_words(state.spent)} of {whose} are spent."
    if percent == 100 and limit.hard:
        text += f" Nothing more is charged{state.until}."
    return Letter(f"{percent} % of {whose} is used", text, "/account/limits")


def tell_reached(*, account_id: int) -> None:
    """The same after a spend was committed, which is over whatever happens here: where the database
    does not answer, or a limit was removed meanwhile, the worker tells what is left to be told
    (`tell_all_reached`)."""
    try:
        record_alerts(account_id=account_id)
    except (OperationalError, InterfaceError):
        logger.warning("alerts of account %d are left to the worker", account_id)
    except Exception:
        logger.exception("alerts of account %d could not be recorded", account_id)


def tell_all_reached(*, lately: timedelta) -> int:
    """The same for every account whose spending changed lately: of processes that died before they
    could. Returns how many alerts were new."""
    now, limits = database_time(), Limit.objects.exclude(alert_at=[])
    changed = SpendDay.objects.filter(
        day__gte=now.date() - timedelta(days=1),
        changed_at__gt=now - lately,
        account_id__in=limits.values("account_id"),
    )
    total = 0
    for account_id in changed.values_list("account_id", flat=True).distinct():
        try:
            total += record_alerts(account_id=account_id)
        except Exception:  # It must keep nobody else's waiting.
            logger.exception("alerts of account %d could not be recorded", account_id)
    return total
