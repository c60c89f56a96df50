"""How long a model thinks: as it is measured and kept, and how long it may do so without a word."""

from types import SimpleNamespace
from typing import Any

import pytest

from ai_chat.conversations import thinking
from ai_chat.conversations.thinking import Thinking, duration
from ai_chat.jobs.running import find_run
from ai_chat.jobs.work import Bounds
from ai_chat.models import Turn
from ai_chat.providers.client import timeout_of
from ai_chat.providers.pieces import Alive, End, Finish, Piece, Reasoning, Text
from credits.models import User
from tests.ai_chat.jobs.scripted import Step, Wait, begin_turn, ended
from tests.ai_chat.turns import text_model
from tests.waiting import wait_for

STOP = End(Finish.STOP)
THOUGHT, BLANK, WORD = Reasoning("Hm"), Text("\n\n"), Text("Yes")


@pytest.mark.parametrize(
    ("pieces", "seconds", "is_over"),
    [
        ([Alive(), Alive()], None, False),
        ([WORD, WORD], None, False),
        ([Alive(), THOUGHT, THOUGHT], 1, False),
        ([THOUGHT, Alive(), THOUGHT, WORD, THOUGHT, WORD], 3, True),
        ([BLANK, THOUGHT, BLANK, WORD, STOP], 2, True),
        ([WORD, THOUGHT, WORD], 1, True),
    ],
)
def test_it_is_measured_from_the_first_thought_to_the_first_word_after_it(
    monkeypatch: pytest.MonkeyPatch, pieces: list[Piece], seconds: float | None, is_over: bool
) -> None:
    now = [0.0]
    monkeypatch.setattr(thinking, "time", SimpleNamespace(monotonic=lambda: now[0]))
    measured = Thinking()
    for moment, piece in enumerate(pieces, 100):
        now[0] = float(moment)
        measured.note(piece)
    assert (measured.seconds, measured.is_over) == (seconds, is_over)
    measured.end()
    now[0] += 50
    assert measured.seconds == seconds, "It does not go on after the end."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (1.4, "1 s"), (12.3, "12 s"), (59.6, "1 min"), (75, "1 min 15 s")],
)
def test_it_is_said_in_whole_seconds(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.usefixtures("scripted")
def test_it_is_kept_with_the_answer(alice: User) -> None:
    steps: list[list[Step]] = [[THOUGHT, WORD, STOP], [THOUGHT, STOP]]
    for each in steps:
        turn = ended(begin_turn(alice, *each))
        stored = Turn.objects.get(pk=turn.pk).reasoning_seconds
        assert stored is not None
        assert 0 <= stored == turn.reasoning_seconds < 60
    assert ended(begin_turn(alice, WORD, STOP)).reasoning_seconds is None


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("ability", ["reasons", "hides_reasoning"])
def test_a_model_that_reasons_may_be_silent_longer(
    alice: User, settings: Any, ability: str
) -> None:
    settings.FIRST_TOKEN_SECONDS = settings.SILENCE_SECONDS = settings.ANSWER_SECONDS = 1
    settings.THINKING_SECONDS = 40
    model = text_model(**{ability: True})
    assert timeout_of(model).read == 40
    turn = begin_turn(alice, THOUGHT, Wait())
    run = find_run(turn.pk)
    assert run
    wait_for(lambda: bool(run.reasoning()), "the first thought")
    assert run.overdue_at - run.leased_at > 39
    assert run.work.bounds == Bounds(first=40, silence=40, total=41)
    run.stop()
    ended(turn)
    assert timeout_of(text_model(**{ability: False})).read == 1
