"""A provider, and a site that talks to it."""

from collections.abc import Callable, Iterator

import pytest

from credits.models import User
from tests.ai_chat.chat import Chat
from tests.fakes.provider import FakeProvider
from tests.live import Site


@pytest.fixture(scope="session")
def kept_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def provider(kept_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose figures begin at nought."""
    kept_provider.reset()
    return kept_provider


@pytest.fixture
def chat_site(keep_site: Callable[..., Site], provider: FakeProvider) -> Site:
    """Two worker processes that answer through the fake provider; shared."""
    return keep_site(OPENAI_BASE_URL=provider.base_url, TURNS_IN_FLIGHT="1000")


@pytest.fixture
def chat(chat_site: Site, alice: User) -> Chat:
    """Alice, who has 100 credits, at the chat."""
    return Chat(chat_site, alice)
