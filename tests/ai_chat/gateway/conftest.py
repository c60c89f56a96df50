"""Programs at /v1, where the first text model is priced by tokens."""

import pytest

from credits.models import TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram
from tests.ai_chat.tokens import price_by_tokens
from tests.live import Site


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 written."""
    return price_by_tokens()


@pytest.fixture
def program(chat_site: Site, alice: User, price: TokenPrice) -> ApiProgram:
    """Alice's program; she has 100 credits."""
    return ApiProgram(chat_site, alice)
