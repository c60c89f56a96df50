"""What subscription items brought, in short."""

import time

from credits.ledger import get_balance
from credits.models import CreditGrant, User
from tests.fakes.clerk import INSTANCE
from tests.fakes.clerk_events import DAY

NOW = int(time.time() * 1000)
START = NOW - DAY


def grants() -> list[tuple[str, int]]:
    return list(CreditGrant.objects.order_by("pk").values_list("key", "amount"))


def key(
    plan: str = "cplan_pro", start: int = START, kind: str = "paid", user: str = "user_1"
) -> str:
    return f"clerk:{INSTANCE}:{user}:{plan}:{start}:{kind}"


def balance(user: str = "user_1") -> int:
    return get_balance(user_id=User.objects.get(clerk_id=user).pk).remaining
