"""How often a call asks the database, and what happens when that is away between the reserve of a
call and its end."""

from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from ai_chat.jobs import running
from ai_chat.jobs.ending import end_job
from ai_chat.models import ApiCall
from credits.ledger import get_balance, sweep_holds
from credits.models import Hold, Provider, TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.gateway.test_repeats import send, sending
from tests.ai_chat.turns import MODEL
from tests.clock import Clock
from tests.factories import make_key, make_secret
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for

State = ApiCall.State


@pytest.fixture
def secret(provider: FakeProvider, alice: User, price: TokenPrice) -> str:
    """A key of Alice's, in this process, where the fake provider answers."""
    Provider.objects.update(base_url=provider.base_url)
    return make_secret(make_key(alice))


def ask(secret: str, **headers: str) -> Any:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    return Client().post(
        "/v1/chat/completions",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", **headers},
    )


def fail(monkeypatch: pytest.MonkeyPatch, *, times: int, committed: bool) -> None:
    """The end of a call fails so often: before it is committed, or after, when only its answer is
    lost."""
    left = iter(range(times))

    def failing(*args: Any) -> Any:
        if next(left, None) is None:
            return end_job(*args)
        if committed:
            end_job(*args)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(running, "end_job", failing)


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_an_end_that_fails_is_tried_again_and_paid_once(
    secret: str, alice: User, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    fail(monkeypatch, times=2, committed=committed)
    answer = ask(secret)
    assert answer.status_code == 200
    call = latest_call(alice)
    assert call.use
    assert call.state == State.DONE
    assert answer.json()["usage"]["completion_tokens"] == call.use.output == 8
    assert_paid_exactly(alice)


def test_an_end_that_never_reaches_the_database_is_refused_and_free(
    secret: str, alice: User, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    fail(monkeypatch, times=100, committed=False)
    monkeypatch.setattr(running, "FINISH_TRIES", 2)
    answer = ask(secret)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert Hold.objects.count() == 1
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert sweep_holds() == 1
    assert get_balance(user_id=alice.pk).remaining == 100
    assert_paid_exactly(alice)


def test_connections_that_the_database_ends_in_the_middle_cost_nobody_anything(
    program: ApiProgram, provider: FakeProvider
) -> None:
    threads = [sending(program, "Hi [[gate]]"), sending(program, "Hi [[gate]]", stream=True)]
    wait_for(lambda: provider.open_completions == 2, "the provider to be asked")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    provider.open_gate()
    for thread in threads:
        thread.join()
    program.wait_until_ended()
    states = ApiCall.objects.filter(user=program.user).values_list("state", flat=True)
    assert [*states] == [State.DONE, State.DONE]
    assert send(program).status_code == 200
    assert_paid_exactly(program.user)


@pytest.mark.parametrize(("headers", "statements"), [({}, 3), ({"Idempotency-Key": "a"}, 4)])
def test_a_call_is_three_statements_and_one_more_where_its_answer_is_kept(
    secret: str, django_assert_num_queries: Any, headers: dict[str, str], statements: int
) -> None:
    ask(secret)  # From now on this process knows the models.
    with django_assert_num_queries(statements):
        assert ask(secret, **headers).status_code == 200
