from collections.abc import Callable
from pathlib import Path

import pytest

from credits.models import User
from tests.ai_chat.api.client import Program
from tests.fakes.provider import FakeProvider
from tests.live import Site


@pytest.fixture
def studio(
    keep_site: Callable[..., Site], provider: FakeProvider, var: Path, alice: User
) -> Program:
    """Alice's program at a site that keeps its files in `var`; she has 100 credits."""
    site = keep_site(OPENAI_BASE_URL=provider.base_url, VAR_DIR=str(var), IMAGE_SECONDS="5")
    return Program(site, alice)
