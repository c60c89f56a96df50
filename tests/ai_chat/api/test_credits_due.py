"""A request just after the credits of a new month have come due."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from credits.adjustments import adjust_credits
from credits.clerk.billing.projection import end_of_month
from credits.clerk.billing.subscriptions import apply_item
from credits.clerk.parsing import Payer, parse_item
from credits.models import Identity, RateLimit, User
from tests.ai_chat.api.client import Program
from tests.clock import Clock
from tests.factories import make_plan
from tests.fakes.clerk_events import DAY, item_json

NOW = int(time.time() * 1000)


@pytest.fixture
def spent(program: Program, alice: User) -> Program:
    """Alice has the free plan at Clerk, and nothing left of this month."""
    make_plan("cplan_free", credits=10)
    Identity.objects.create(clerk_id="user_1", user=alice)
    item = item_json("user_1", "cplan_free", period_start=NOW - DAY, period_end=None)
    payer = Payer.of_user("user_1")
    apply_item(parse_item({**item, "updated_at": NOW}, payer=payer, instance_id="i", seen=NOW))
    adjust_credits(user_id=alice.pk, target=0, reason="r", actor="x", idempotency_key="spent")
    return program


def test_it_is_answered_and_counted_once(spent: Program, clock: Clock) -> None:
    assert spent.ask("Hello").status_code == 402
    RateLimit.objects.all().delete()
    first = end_of_month(datetime.now(UTC)) + timedelta(seconds=30)
    clock.move(seconds=(first - clock.now()).total_seconds())
    answer = spent.ask("Hello")
    assert (answer.status_code, answer.json()["creditsRemaining"]) == (200, 9)
    counted = RateLimit.objects.get(key=f"requests:{spent.user.pk}")
    assert len(counted.moments) == 1
