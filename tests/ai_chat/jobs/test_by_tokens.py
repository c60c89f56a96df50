"""What an answer of a model that is priced by tokens comes to: gateway, C.6 and C.7."""

from typing import Any

import pytest
from django.db import IntegrityError

from ai_chat.jobs.ending import FREE_STOPS
from ai_chat.jobs.running import stop_job
from ai_chat.models import Turn
from ai_chat.providers.bounds import FRAMING_TOKENS, TEMPLATE_TOKENS
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import End, Finish, Reasoning, Text, Usage
from ai_chat.providers.usage import Flag
from credits.amounts import PICO
from credits.exceptions import InsufficientCredits
from credits.ledger import get_balance
from credits.limits import alerts
from credits.models import AIModel, UsageHistory, User
from credits.reasons import Reason
from tests.ai_chat.jobs.scripted import ScriptedStream, Step, Wait, begin_turn, ended
from tests.ai_chat.jobs.test_answering import wait_until_written
from tests.ai_chat.turns import text_model
from tests.factories import make_model, make_token_price

pytestmark = pytest.mark.usefixtures("scripted")
State = Turn.State
STOP, LENGTH = End(Finish.STOP), End(Finish.LENGTH)
#: Of "Hi" and its framing, at 1 credit per 1,000 tokens; 1,000 tokens of output at 2 per 1,000.
INPUT_BOUND = len("Hi") + FRAMING_TOKENS + TEMPLATE_TOKENS


@pytest.fixture(autouse=True)
def by_tokens(transactional_db: None) -> AIModel:
    """1 credit per 1,000 tokens that are read (a tenth from the cache), 2 per 1,000 written."""
    model = text_model(output_tokens=1000, output_least=100)
    make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                     reasoning=2 * 10**9)  # fmt: skip
    return model


#: What comes; the state and failure, the use's tokens in and out and whose count, the flags.
OUTCOMES: list[tuple[list[Step], tuple[str, str], tuple[int, int, str], set[Flag]]] = [
    ([Text("Hello"), STOP, Usage(10, 4, 0, 5, 2)], (State.ANSWERED, ""), (10, 5, "provider"),
     set()),
    ([Text("Hello"), LENGTH, Usage(10, 4, 0, 5, 2)], (State.ANSWERED, ""), (10, 5, "provider"),
     set()),
    ([Text("Hello"), STOP, Usage()], (State.ANSWERED, ""), (0, 0, "provider"), set()),
    ([Text("Hello, you all"), STOP], (State.ANSWERED, ""), (0, 3, "estimated"), {Flag.MISSING}),
    ([*[Text("é")] * 7, STOP], (State.ANSWERED, ""), (0, 7, "estimated"), {Flag.MISSING}),
    ([Text("Hello"), STOP, Usage(99, 0, 0, 5000, 0)], (State.ANSWERED, ""),
     (99, 5000, "provider"), {Flag.ABOVE_BOUND}),
    ([Text("Half"), ProviderError(Reason.CUT_OFF)], (State.FAILED, Reason.CUT_OFF),
     (0, 0, "none"), set()),
    ([Usage(10, 0, 0, 5, 5), Reasoning("Hm"), STOP], (State.FAILED, Reason.EMPTY_ANSWER),
     (0, 0, "none"), set()),
    ([ProviderError(Reason.REFUSED)], (State.FAILED, Reason.REFUSED), (0, 0, "none"), set()),
]  # fmt: skip


def test_an_answer_comes_to_what_the_table_says(alice: User, subtests: pytest.Subtests) -> None:
    for steps, (state, failure), (read, written, source), flags in OUTCOMES:
        with subtests.test(str(steps)):
            before = get_balance(user_id=alice.pk)
            turn = ended(begin_turn(alice, *steps))
            stored = Turn.with_receipt().get(pk=turn.pk)
            for each in (turn, stored):
                assert (each.state, each.failure) == (state, failure)
                use = each.use
                assert use
                assert (use.input, use.output, use.source) == (read, written, source)
                assert each.charged == use.kept
                assert each.came_back == bool(failure)
            assert {*stored.charge.use.flags} == flags
            after = get_balance(user_id=alice.pk)
            paid = (before.remaining - after.remaining) * PICO + before.ahead - after.ahead
            assert (paid, after.held) == (int(stored.charge.use.collected), 0)


def test_what_is_held_is_what_the_call_can_cost_and_the_provider_is_told(alice: User) -> None:
    turn = begin_turn(alice, Text("Hel"), Wait())
    charge = UsageHistory.objects.get(pk=turn.charge.pk)
    assert charge.bound == INPUT_BOUND * 10**9 + 1000 * 2 * 10**9
    assert charge.credits_used == 3
    assert ScriptedStream.limits == [1000]
    stop_job(turn)
    assert ended(turn).charged == 1


def test_a_small_balance_shortens_the_answer_and_none_refuses_it(
    alice: User, by_tokens: AIModel
) -> None:
    AIModel.objects.filter(pk=by_tokens.pk).update(output_tokens=10**6)
    ended(begin_turn(alice, Text("Hi"), STOP))
    # Half of 100 credits: a second call finds credits beside the first.
    assert ScriptedStream.limits == [(50 * 1000 - INPUT_BOUND) // 2]
    AIModel.objects.filter(pk=by_tokens.pk).update(output_least=10**6)
    with pytest.raises(InsufficientCredits):
        begin_turn(alice, Text("Hi"), STOP)


def test_a_stop_before_the_first_token_is_free_ten_times_then_the_input_is_paid(
    alice: User,
) -> None:
    kept: list[Any] = []
    for _ in range(FREE_STOPS + 1):
        turn = begin_turn(alice, Wait())
        stop_job(turn)
        use = ended(turn).use
        assert use
        kept.append((use.input, use.source))
    assert kept == [(0, "none")] * FREE_STOPS + [(0, "estimated")]


def test_a_stop_after_text_is_paid_by_the_latest_count(alice: User) -> None:
    turn = begin_turn(alice, Usage(10, 0, 0, 3, 0), Text("Hello"), Wait())
    wait_until_written(turn, "Hello")
    stop_job(turn)
    end = ended(turn)
    assert end.use
    assert (end.state, end.use.input, end.use.output) == (State.STOPPED, 10, 3)


def test_the_fallback_is_paid_at_the_price_of_the_model_that_was_chosen(
    alice: User, by_tokens: AIModel
) -> None:
    fallback = make_model()
    AIModel.objects.filter(pk=by_tokens.pk).update(fallback=fallback)
    ScriptedStream.scripts[fallback.name] = [Text("Hello"), STOP, Usage(10, 0, 0, 5, 0)]
    turn = ended(begin_turn(alice, ProviderError(Reason.UNREACHABLE)))
    assert turn.use
    assert (turn.answered_by, int(turn.use.cost)) == (fallback.name, 20 * 10**9)
    assert ScriptedStream.limits == [1000, 1000]


def test_an_answer_is_kept_and_shown_whatever_becomes_of_the_alerts(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(alerts, "record_alerts", fail)
    turn = ended(begin_turn(alice, Text("Hello"), STOP, Usage(10, 0, 0, 5, 0)))
    assert (turn.state, turn.answer, turn.charged) == (State.ANSWERED, "Hello", 1)
    assert turn.remaining == 99, "Its end is shown by the job that ended it."
