from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from credits.models import User
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter, fake_painter
from tests.fakes.provider import FakeProvider
from tests.live import Site


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """Where the site under test keeps its files."""
    return tmp_path / "var"


@pytest.fixture
def painter() -> Iterator[FakePainter]:
    with fake_painter() as painter:
        yield painter


@pytest.fixture
def studio(
    start_site: Callable[..., Site], provider: FakeProvider, var: Path, alice: User
) -> Program:
    """Alice's program at a site that keeps its files in `var`; she has 100 credits."""
    site = start_site(OPENAI_BASE_URL=provider.base_url, VAR_DIR=str(var), IMAGE_SECONDS="5")
    return Program(site, alice)


@pytest.fixture
def odd_studio(
    start_site: Callable[..., Site], painter: FakePainter, var: Path, alice: User
) -> Program:
    """The same, where the provider sends what `painter` is told."""
    site = start_site(OPENAI_BASE_URL=painter.base_url, VAR_DIR=str(var))
    return Program(site, alice)
