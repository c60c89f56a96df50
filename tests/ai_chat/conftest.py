"""Somebody at the chat."""

import pytest

from credits.models import User
from tests.ai_chat.chat import Chat
from tests.live import Site


@pytest.fixture
def chat(chat_site: Site, alice: User) -> Chat:
    """Alice, who has 100 credits, at the chat."""
    return Chat(chat_site, alice)
