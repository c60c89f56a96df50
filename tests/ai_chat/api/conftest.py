import pytest

from credits.models import User
from tests.ai_chat.api.client import Program
from tests.live import Site


@pytest.fixture
def program(chat_site: Site, alice: User) -> Program:
    """Alice's program; she has 100 credits."""
    return Program(chat_site, alice)
