"""A job whose pieces are taken where the work is done."""

import time
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from ai_chat.jobs import running
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.models import FAILED
from ai_chat.jobs.running import Run
from ai_chat.jobs.work import Bounds, Work
from ai_chat.providers.pieces import Piece, Text
from credits.models import AIModel


class Timed(Work[Any]):
    """Two pieces; notes how long the provider may take for each."""

    bounds = Bounds(first=50, silence=40, total=1000)
    run: Run[Any]

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(pk=uuid4(), kind="call"), AIModel())
        self.patience: list[float] = []

    def pieces(self) -> Generator[Piece]:
        for word in ("one", "two"):
            self.patience.append(self.run.overdue_at - time.monotonic())
            yield Text(word)

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        return Outcome(FAILED)

    def cancel(self) -> None:
        pass


def test_a_viewer_that_does_not_read_is_no_silence_of_the_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What has come would be free."""
    monkeypatch.setattr(running, "_runs", {})
    monkeypatch.setattr(Run, "_finish", lambda run, *_: run.ended.set())
    work = Timed()
    work.run = run = Run(work)
    run.register()
    for _ in run.drive():
        assert run.overdue_at - time.monotonic() > 900
    first, second = work.patience
    assert 40 < first <= 50
    assert 0 < second <= 40
