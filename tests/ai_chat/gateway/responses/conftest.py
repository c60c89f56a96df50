"""Alice's program at /v1, where the provider says what a test tells it."""

from collections.abc import Callable

import pytest

from credits.models import TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram
from tests.fakes.scripted import ScriptedProvider
from tests.live import Site


@pytest.fixture
def scripted(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> ApiProgram:
    """Alice's program; she has 100 credits."""
    return ApiProgram(keep_site(OPENAI_BASE_URL=wire.base_url), alice)
