"""Processes die in the middle of calls of /v1: nothing is lost, nothing doubled."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import openai
from django.conf import settings

from ai_chat.models import ApiCall
from credits.ledger import get_balance, sweep_holds
from credits.models import Hold, TokenPrice, Use, User
from credits.reasons import Reason
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.gateway.test_repeats import charges, send
from tests.clock import Clock
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

State = ApiCall.State


def own_program(
    start_site: Callable[..., Site], provider: FakeProvider, user: User, **environment: str
) -> ApiProgram:
    """At a site that is not shared: its workers will be killed."""
    return ApiProgram(start_site(OPENAI_BASE_URL=provider.base_url, **environment), user)


def open_calls(program: ApiProgram, count: int, **more: Any) -> list[threading.Thread]:
    """So many calls that do not end."""

    def call() -> None:
        try:
            send(program, "[[tokens:2]][[gate]]", **more)
        except httpx.HTTPError:
            return  # The worker was killed under it.

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    wait_for(lambda: Hold.objects.count() == count, "the calls to be in flight")
    return threads


def wait_for_new_workers(site: Site, old: list[int]) -> None:
    def are_new() -> bool:
        workers = site.workers()
        return len(workers) == len(old) and not set(workers) & set(old)

    wait_for(are_new, "the killed workers to be replaced")
    client = site.client()

    def answers() -> bool:
        try:
            return client.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    wait_for(answers, "the new workers")


def test_calls_whose_workers_are_killed_are_free_once_their_leases_end(
    start_site: Callable[..., Site],
    provider: FakeProvider,
    alice: User,
    price: TokenPrice,
    clock: Clock,
) -> None:
    program = own_program(start_site, provider, alice)
    threads = [*open_calls(program, 3), *open_calls_more(program)]
    program.site.kill_workers()
    for thread in threads:
        thread.join()
    assert sweep_holds() == 0, "nothing is swept before its lease ends"
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert sweep_holds() == 6
    assert get_balance(user_id=alice.pk).remaining == 100
    assert {use.source for use in Use.objects.all()} == {"none"}
    assert_paid_exactly(alice)


def open_calls_more(program: ApiProgram) -> list[threading.Thread]:
    """Three streams beside three whole answers."""
    threads = []
    for _ in range(3):
        thread = threading.Thread(target=_stream, args=[program])
        thread.start()
        threads.append(thread)
    wait_for(lambda: Hold.objects.count() == 6, "the streams to be in flight")
    return threads


def _stream(program: ApiProgram) -> None:
    try:
        send(program, "[[tokens:2]][[gate]]", stream=True)
    except httpx.HTTPError:
        return


def test_an_sdk_whose_worker_is_killed_gets_its_answer_from_another(
    start_site: Callable[..., Site],
    provider: FakeProvider,
    alice: User,
    price: TokenPrice,
    clock: Clock,
) -> None:
    """The further try does not wait for the whole lease of the first, which nobody lengthens."""
    lease = {"HOLD_LEASE_SECONDS": "10", "ANSWER_SECONDS": "5", "IMAGE_SECONDS": "5"}
    program = own_program(start_site, provider, alice, **lease)
    completions: list[Any] = []

    def ask() -> None:
        sdk = program.sdk.with_options(max_retries=5, timeout=120)
        completions.append(sdk.chat.completions.create(**program.body("[[tokens:2]][[gate]]")))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: provider.open_completions == 1, "the provider to be asked")
    old = program.site.workers()
    program.site.kill_workers()
    wait_for_new_workers(program.site, old)
    provider.open_gate()
    asking.join()
    assert completions[0].choices[0].message.content == "word1 word2 "
    clock.move(seconds=10)
    sweep_holds()
    calls = ApiCall.with_receipt().filter(user=alice)
    assert sum(call.use.output > 0 for call in calls if call.use) == 1
    assert_paid_exactly(alice)


def test_a_call_under_a_key_whose_worker_is_killed_stands_for_the_next_try(
    start_site: Callable[..., Site],
    provider: FakeProvider,
    alice: User,
    price: TokenPrice,
    clock: Clock,
) -> None:
    program = own_program(start_site, provider, alice)
    threads = open_calls(program, 1, key="a")
    old = program.site.workers()
    program.site.kill_workers()
    threads[0].join()
    wait_for_new_workers(program.site, old)
    text = "[[tokens:2]][[gate]]"
    assert send(program, text, key="a").json()["error"]["code"] == "idempotency_in_progress"
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert sweep_holds() == 1
    provider.open_gate()
    assert send(program, text, key="a").status_code == 200
    assert send(program, text, key="a").headers["X-Tally-Replayed"] == "true"
    assert charges(alice) == 2
    assert_paid_exactly(alice)


def test_a_site_that_is_told_to_end_leaves_no_credits_held(
    start_site: Callable[..., Site],
    provider: FakeProvider,
    alice: User,
    price: TokenPrice,
    clock: Clock,
) -> None:
    program = own_program(start_site, provider, alice)
    threads = open_calls(program, 2)
    os.kill(program.site.process.pid, signal.SIGTERM)
    for thread in threads:
        thread.join()
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    sweep_holds()
    assert not Hold.objects.exists()
    assert_paid_exactly(alice)


def test_a_call_that_was_swept_while_it_ran_is_refused_and_free(
    program: ApiProgram, provider: FakeProvider
) -> None:
    """A worker that was away too long must not settle what has come back."""
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(send(program, "Hi [[gate]]")))
    asking.start()
    wait_for(lambda: provider.open_completions == 1, "the provider to be asked")
    Hold.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert sweep_holds() == 1
    provider.open_gate()
    asking.join()
    assert answers[0].status_code == 502
    call = latest_call(program.user)
    assert (call.state, call.failure) == (State.FAILED, Reason.LEASE_EXPIRED)
    assert_paid_exactly(program.user)


def test_the_lease_of_a_long_call_is_lengthened_until_it_ends(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User, price: TokenPrice
) -> None:
    lease = {"HOLD_LEASE_SECONDS": "6", "ANSWER_SECONDS": "5", "IMAGE_SECONDS": "5"}
    program = own_program(start_site, provider, alice, **lease)
    asking = threading.Thread(target=send, args=[program, "Hi [[gate]]"])
    asking.start()
    wait_for(lambda: provider.open_completions == 1, "the provider to be asked")
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert sweep_holds() == 0
        time.sleep(0.2)
    provider.open_gate()
    asking.join()
    assert latest_call(alice).state == State.DONE
    assert_paid_exactly(alice)


def test_an_sdk_that_is_refused_for_a_moment_tries_again(
    program: ApiProgram, provider: FakeProvider
) -> None:
    """409 while the first of a key runs is tried again by SDKs, and then answered."""
    sdk = program.sdk.with_options(max_retries=5)
    headers = {"Idempotency-Key": "a"}
    answers: list[Any] = []

    def ask() -> None:
        body = program.body("Hi [[gate]]")
        try:
            answers.append(sdk.chat.completions.create(**body, extra_headers=headers))
        except openai.ConflictError as error:
            answers.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: provider.open_completions == 1, "the provider to be asked")
    time.sleep(1)
    provider.open_gate()
    for thread in threads:
        thread.join()
    assert answers[0].id == answers[1].id
    assert charges(program.user) == 1
