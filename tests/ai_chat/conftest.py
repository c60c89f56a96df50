"""Somebody at the chat, and a provider that sends whatever a test says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from credits.models import User
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.strict import answer
from tests.fakes.scripted import ScriptedProvider, serve
from tests.live import Site


@pytest.fixture
def chat(chat_site: Site, alice: User) -> Chat:
    """Alice, who has 100 credits, at the chat."""
    return Chat(chat_site, alice)


@pytest.fixture(scope="session")
def kept_wire() -> Iterator[ScriptedProvider]:
    with serve(ScriptedProvider()) as provider:
        yield provider


@pytest.fixture
def wire(kept_wire: ScriptedProvider) -> ScriptedProvider:
    """A provider that sends what it is told."""
    kept_wire.reset()
    return kept_wire


@pytest.fixture
def odd_studio(
    keep_site: Callable[..., Site], painter: FakePainter, var: Path, alice: User
) -> Program:
    """Alice's program where the provider sends what `painter` is told; she has 100 credits."""
    site = keep_site(OPENAI_BASE_URL=painter.base_url, VAR_DIR=str(var))
    return Program(site, alice)


@pytest.fixture
def strict_painter(painter: FakePainter) -> FakePainter:
    """One that answers "Yes." to strict turns, and 400 to anything else."""
    painter.strict = True
    painter.answer = answer("Yes.")
    return painter
