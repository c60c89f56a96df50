"""Clerk, configured as a customer would, with the fake in its place."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from credits.models import Plan
from tests.factories import make_plan
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import FakeClerk, Json, running_clerk, user_json
from tests.fakes.clerk_events import DAY, as_api, body_of, event, item_json

NOW = int(time.time() * 1000)


@pytest.fixture(autouse=True)
def clerk_configured(settings: Any) -> None:
    settings.CLERK_PUBLISHABLE_KEY = fake_clerk.PUBLISHABLE_KEY
    settings.CLERK_JWT_KEY = fake_clerk.pem(fake_clerk.KEY)
    settings.CLERK_WEBHOOK_SIGNING_SECRET = [fake_clerk.SIGNING_SECRET]
    settings.CLERK_AUTHORIZED_PARTIES = [fake_clerk.ORIGIN]
    settings.CLERK_INSTANCE_ID = fake_clerk.INSTANCE
    settings.SIGNUP_CREDITS = 0


@pytest.fixture
def fake(settings: Any) -> Iterator[FakeClerk]:
    """The Backend API, running, and configured with its secret key."""
    with running_clerk() as fake:
        settings.CLERK_SECRET_KEY = fake_clerk.SECRET_KEY
        settings.CLERK_API_URL = fake.url
        yield fake


@pytest.fixture
def base(fake: FakeClerk, db: None) -> FakeClerk:
    """Five users, three of them subscribed to Pro."""
    make_plan("cplan_pro", credits=100)
    fake.users = [user_json(f"user_{n}", email=f"u{n}@example.com", at=n) for n in range(1, 6)]
    fake.items = [as_api(item_json(f"user_{n}", period_start=NOW - DAY)) for n in (1, 2, 3)]
    return fake


type Deliver = Callable[..., Any]
type Send = Callable[[str, Json], str | None]


@pytest.fixture
def deliver(db: None) -> Deliver:
    """Sends a signed event through the site's own URL: `deliver(payload, svix_id)`."""

    def send(payload: Json | bytes, svix_id: str = "msg_1", **headers: str) -> Any:
        body = payload if isinstance(payload, bytes) else body_of(payload)
        signed = {**fake_clerk.sign(body, svix_id=svix_id), **headers}
        return Client(raise_request_exception=False).post(
            "/api/webhooks/clerk", body, content_type="application/json", headers=signed
        )

    return send


@pytest.fixture
def pro(db: None) -> Plan:
    return make_plan("cplan_pro", credits=100)


@pytest.fixture
def send(deliver: Deliver) -> Send:
    """Delivers one event about an item; a new svix-id each time."""
    numbers = iter(range(10_000))

    def send_event(kind: str, data: Json) -> str | None:
        payload = event(kind, data, at=data.get("updated_at", NOW))
        answer = deliver(payload, f"msg_{next(numbers)}")
        assert answer.status_code == 200, answer.content
        note: str | None = answer.json()["note"]
        return note

    return send_event
