from pathlib import Path

import pytest
from pytest_django import Settings

from tests.ai_chat.attachments.reading import Files


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Settings) -> Path:
    """Where the files of this test are kept."""
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)
