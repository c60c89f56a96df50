"""The desk beside a Clerk with five users, three of them subscribed to Pro."""

import time

import pytest

from tests.credits.clerk.conftest import clerk_configured, deliver, fake
from tests.factories import make_plan
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, item_json

__all__ = ["clerk_configured", "deliver", "fake"]


@pytest.fixture
def base(fake: FakeClerk, db: None) -> FakeClerk:
    start = int(time.time() * 1000) - DAY
    make_plan("cplan_pro", credits=100)
    fake.users = [user_json(f"user_{n}", email=f"u{n}@example.com", at=n) for n in range(1, 6)]
    fake.items = [as_api(item_json(f"user_{n}", period_start=start)) for n in (1, 2, 3)]
    return fake
