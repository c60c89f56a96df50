"""A provider by script, for calls that are made without a site."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.scripted import ScriptedProvider, serve


@pytest.fixture
def patient(settings: Any) -> None:
    """Nothing ends because a provider took too long."""
    settings.FIRST_TOKEN_SECONDS = settings.SILENCE_SECONDS = 3600


@pytest.fixture
def scripted() -> Iterator[ScriptedProvider]:
    with serve(ScriptedProvider()) as provider:
        yield provider
