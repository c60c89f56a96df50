"""What the meter in the top bar shows, and the cheap answer to "is it still so?"."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from credits.features import FEATURE_CREDIT_COSTS
from credits.ledger import Balance, get_balance
from credits.models import User
from credits.pricing import get_feature_cost

TEXT = "ai_text_chat"
#: Below this share of the grants that still hold something, or so many messages, credits run low.
LOW_SHARE = 0.1
LOW_MESSAGES = 3


@dataclass(frozen=True)
class Meter:
    """Credits of one user, drawn. `left` and `open` are widths in percent of the whole bar;
    `version` names the user and everything that decides what is drawn."""

    remaining: int
    held: int
    expiring: int | None
    expires_at: datetime | None
    left: float
    open: float
    low: bool
    version: str


def get_meter(*, user_id: int) -> Meter:
    """The meter as it stands, after expired credits have left."""
    return draw(user_id, get_balance(user_id=user_id), text_cost=get_feature_cost(TEXT))


def draw(user_id: int, balance: Balance, *, text_cost: int) -> Meter:
    """The meter for a balance; `text_cost` (credits per message) decides what is too little."""
    whole = max(balance.granted, balance.remaining + balance.held, 1)
    return Meter(
        remaining=balance.remaining,
        held=balance.held,
        expiring=balance.expiring,
        expires_at=balance.expires_at,
        left=round(100 * balance.remaining / whole, 1),
        open=round(100 * balance.held / whole, 1),
        low=balance.remaining < max(LOW_MESSAGES * text_cost, whole * LOW_SHARE),
        version=f"{user_id}.{balance.version}.{text_cost}",
    )


def still_shows(request: HttpRequest, version: str) -> bool:
    """Whether the request's session belongs to the user whose meter had this version, and the meter
    has it still: one query in place of three. True only after the session passed every check
    that `django.contrib.auth.get_user` makes; False means: find out the long way."""
    user_id = version.partition(".")[0]
    if not (user_id.isascii() and user_id.isdigit() and len(user_id) < 19):
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM credits_standing(%s, %s, %s, %s)",
            [request.session.session_key, user_id, TEXT, FEATURE_CREDIT_COSTS[TEXT]],
        )
        row = cursor.fetchone()
    if row is None:
        return False
    session_data, password, balance_version, price = row
    if version != f"{user_id}.{balance_version}.{price}":
        return False
    user = User(pk=int(user_id), password=password)
    return _is_session_of(request.session.decode(session_data), user)


def _is_session_of(session: dict[str, Any], user: User) -> bool:
    return (
        session.get(SESSION_KEY) == str(user.pk)
        and session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    )
