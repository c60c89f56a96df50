"""Another admin, for what needs two."""

import pytest
from django.test import Client

from credits.models import User
from tests.factories import make_admin


@pytest.fixture
def second(db: None) -> User:
    """Another admin."""
    return make_admin("second@example.com", name="Second")


@pytest.fixture
def other_desk(second: User) -> Client:
    """The other admin's browser."""
    browser = Client()
    browser.force_login(second)
    return browser
