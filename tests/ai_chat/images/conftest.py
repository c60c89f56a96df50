import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from credits.models import User
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter, fake_painter
from tests.fakes.provider import FakeProvider
from tests.live import Site


@pytest.fixture(scope="session")
def kept_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


@pytest.fixture
def var(kept_var: Path) -> Iterator[Path]:
    """Where the sites under test keep their files: empty."""
    yield kept_var
    media = kept_var / "media"
    media.unlink() if media.is_file() else shutil.rmtree(media, ignore_errors=True)


@pytest.fixture(scope="session")
def kept_painter() -> Iterator[FakePainter]:
    with fake_painter() as painter:
        yield painter


@pytest.fixture
def painter(kept_painter: FakePainter) -> FakePainter:
    """A painter that was never called."""
    kept_painter.reset()
    return kept_painter


@pytest.fixture
def studio(
    keep_site: Callable[..., Site], provider: FakeProvider, var: Path, alice: User
) -> Program:
    """Alice's program at a site that keeps its files in `var`; she has 100 credits."""
    site = keep_site(OPENAI_BASE_URL=provider.base_url, VAR_DIR=str(var), IMAGE_SECONDS="5")
    return Program(site, alice)


@pytest.fixture
def odd_studio(
    keep_site: Callable[..., Site], painter: FakePainter, var: Path, alice: User
) -> Program:
    """The same, where the provider sends what `painter` is told."""
    site = keep_site(OPENAI_BASE_URL=painter.base_url, VAR_DIR=str(var))
    return Program(site, alice)
