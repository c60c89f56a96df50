"""What the tests of the desk share."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from credits.models import User
from tests.clock import Clock


@pytest.fixture
def desk(client: Client, admin: User) -> Client:
    """A browser in which an admin is signed in."""
    client.force_login(admin)
    return client


@pytest.fixture
def noon(clock: Clock) -> Clock:
    """Stopped, so that no test runs over midnight."""
    clock.freeze(datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0))
    return clock
