"""The desk beside a site that Clerk delivers to."""

import pytest

from tests.credits.clerk.conftest import clerk_configured, deliver, fake

__all__ = ["clerk_configured", "deliver", "fake"]


@pytest.fixture
def desk(client, admin):
    client.force_login(admin)
    return client
