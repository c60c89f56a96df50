import pytest

from ai_chat.conversations import turns
from tests.ai_chat.jobs.scripted import ScriptedStream


@pytest.fixture
def scripted(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> type[ScriptedStream]:
    """Turns are answered as `ScriptedStream.scripts` says."""
    monkeypatch.setattr(turns, "AnswerStream", ScriptedStream)
    monkeypatch.setattr(ScriptedStream, "scripts", {})
    monkeypatch.setattr(ScriptedStream, "calls", [])
    monkeypatch.setattr(ScriptedStream, "limits", [])
    return ScriptedStream
