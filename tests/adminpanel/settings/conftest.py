"""Two admins who work at the desk at once."""

import pytest
from django.test import Client

from credits.models import User
from tests.factories import make_admin


@pytest.fixture
def dora(db: None) -> User:
    """Another admin."""
    return make_admin("dora@example.com", name="Dora")


@pytest.fixture
def other_desk(dora: User) -> Client:
    browser = Client()
    browser.force_login(dora)
    return browser
