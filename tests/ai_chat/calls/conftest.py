import pytest

from credits.models import ApiKey, User
from tests.ai_chat.tokens import price_by_tokens
from tests.factories import make_key


@pytest.fixture
def key(alice: User) -> ApiKey:
    """Alice's, called CI; the first text model is priced by tokens."""
    price_by_tokens()
    return make_key(alice, name="CI")
