"""Whom and what the tests of limits charge."""

import pytest

from credits.models import AIModel, User
from tests.credits.ledger.counting import make_dear_model
from tests.factories import make_user


@pytest.fixture
def model(db: None) -> AIModel:
    return make_dear_model()


@pytest.fixture
def rich(db: None) -> User:
    return make_user(credits=100_000)
