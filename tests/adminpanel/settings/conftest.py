"""Two admins who work at the desk at once."""

import pytest
from django.test import Client

from credits.models import User
from tests.factories import make_admin


def at_the_desk(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def desk(admin: User) -> Client:
    return at_the_desk(admin)


@pytest.fixture
def dora(db: None) -> User:
    """Another admin."""
    return make_admin("dora@example.com", name="Dora")


@pytest.fixture
def other_desk(dora: User) -> Client:
    return at_the_desk(dora)
