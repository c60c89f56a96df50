"""A model that reasons may be silent longer than others, wherever it is asked: on the page, through
the API and through /v1."""

from collections.abc import Callable

import pytest

from ai_chat.models import Turn
from credits.models import User
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.ai_chat.gateway.client import ApiProgram
from tests.ai_chat.providers.test_used import delta, usage
from tests.ai_chat.turns import text_model
from tests.fakes.scripted import Pieces, ScriptedProvider
from tests.live import Site

ANSWER = [delta(content="Forty-two, of course"), delta("stop"), usage(10, 5), b"data: [DONE]\n\n"]
#: Seconds: more than others may be silent for.
LONG = 2.5


@pytest.fixture
def impatient(keep_site: Callable[..., Site], wire: ScriptedProvider) -> Site:
    """A site that waits one second for models that do not reason."""
    return keep_site(
        OPENAI_BASE_URL=wire.base_url,
        FIRST_TOKEN_SECONDS="1",
        SILENCE_SECONDS="1",
        THINKING_SECONDS="60",
    )


@pytest.mark.parametrize(
    "body",
    [[LONG, *ANSWER], [delta(role="assistant"), LONG, *ANSWER]],
    ids=["before the first sign of life", "after it"],
)
def test_a_model_that_reasons_is_waited_for(
    impatient: Site, wire: ScriptedProvider, alice: User, body: list[bytes | float]
) -> None:
    text_model(reasons=True)
    wire.answer = Pieces(body)
    assert Chat(impatient, alice).send("Think").receipt == "1 credit"
    assert Program(impatient, alice).ask("Think").json()["text"] == "Forty-two, of course"
    answer = ApiProgram(impatient, alice).post("Think").json()
    assert answer["choices"][0]["message"]["content"] == "Forty-two, of course"
    text_model(reasons=False)
    assert Chat(impatient, alice).send("Think").receipt == "↩ Refunded 1 credit"
    assert ApiProgram(impatient, alice).post("Think").status_code == 504


def test_the_seconds_of_its_thoughts_are_told(
    impatient: Site, wire: ScriptedProvider, alice: User
) -> None:
    text_model(reasons=True)
    thought = delta(reasoning_content="Six times seven.")
    wire.answer = Pieces([thought, LONG, *ANSWER])
    answer = Chat(impatient, alice).send("Think")
    turn = Turn.objects.get()
    assert turn.reasoning_seconds is not None
    assert LONG - 0.5 < turn.reasoning_seconds < 60
    words = f"{round(turn.reasoning_seconds)} s"
    events = dict(answer.events)
    assert float(events["clock"]) < turn.reasoning_seconds
    assert events["thought"] == words
    assert f"<summary>Thought for {words}</summary>" in events["end"]
    program = Program(impatient, alice)
    seconds = program.ask("Think").json()["reasoningSeconds"]
    assert LONG - 0.5 < seconds < 60
    wire.answer = Pieces(ANSWER)
    assert program.ask("Do not think").json()["reasoningSeconds"] is None
