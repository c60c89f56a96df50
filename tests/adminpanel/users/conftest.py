"""Another admin, for what needs two."""

import pytest
from django.test import Client

from tests.factories import make_admin


@pytest.fixture
def second(db):
    """Another admin."""
    return make_admin("second@example.com", name="Second")


@pytest.fixture
def other_desk(second):
    """The other admin's browser."""
    browser = Client()
    browser.force_login(second)
    return browser
