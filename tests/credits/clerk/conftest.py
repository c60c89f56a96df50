"""Clerk, configured as a customer would, with the fake in its place."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import FakeClerk, Json, running_clerk
from tests.fakes.clerk_story import body_of


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


type Deliver = Callable[..., HttpResponse]


@pytest.fixture
def deliver(db: None) -> Deliver:
    """Sends a signed event through the site's own URL: `deliver(payload, svix_id)`."""

    def send(payload: Json | bytes, svix_id: str = "msg_1", **headers: str) -> HttpResponse:
        body = payload if isinstance(payload, bytes) else body_of(payload)
        signed = {**fake_clerk.sign(body, svix_id=svix_id), **headers}
        return Client(raise_request_exception=False).post(
            "/api/webhooks/clerk", body, content_type="application/json", headers=signed
        )

    return send
