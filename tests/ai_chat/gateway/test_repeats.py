"""Calls that are sent again: whatever a client does, each answer that it got is paid once."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import openai
import pytest
from django.utils import timezone

from ai_chat.data.kept_responses import forget_answers, set_keeping
from ai_chat.models import ApiCall, KeptAnswer
from credits.models import Hold, TokenPrice, UsageHistory, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

State = ApiCall.State
#: Seconds that a client waits, and an answer that takes longer.
SHORT, SLOW = 2.0, "[[tokens:8]][[delay:0.6]]"


def charges(user: User) -> int:
    return UsageHistory.objects.filter(account=user.pk, unit_cost__isnull=False).count()


def send(
    program: ApiProgram, text: str = "Hi", *, key: str = "", retry: int = 0, **more: Any
) -> httpx.Response:
    """A chat completion under an Idempotency-Key, or as a further try of an SDK's."""
    headers = {"x-stainless-retry-count": str(retry)} | ({"Idempotency-Key": key} if key else {})
    timeout = more.pop("timeout", 120)
    body = program.body(text, **more)
    return program.http.post("/chat/completions", json=body, headers=headers, timeout=timeout)


def sending(program: ApiProgram, *args: Any, **more: Any) -> threading.Thread:
    """The same in a thread, by a client that stays; begun when the call runs."""
    before = charges(program.user)
    thread = threading.Thread(target=send, args=[program, *args], kwargs=more)
    thread.start()
    wait_for(lambda: charges(program.user) > before, "the call to be charged")
    return thread


def leave(program: ApiProgram, text: str, **more: Any) -> None:
    """Sends a call and leaves before its answer is there."""
    with pytest.raises(httpx.ReadTimeout):
        send(program, text, timeout=SHORT, **more)


# --- Idempotency-Key ----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_key_is_answered_once_and_then_with_the_same(program: ApiProgram, stream: bool) -> None:
    first = send(program, key="a", stream=stream)
    assert "X-Tally-Replayed" not in first.headers
    program.wait_until_ended()
    again = send(program, key="a", stream=stream)
    assert again.headers["X-Tally-Replayed"] == "true"
    assert again.content == first.content
    for name in ("Content-Type", "X-Tally-Charge", "X-Tally-Max-Output"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert charges(program.user) == 1
    assert_paid_exactly(program.user)


def test_a_key_whose_call_is_running_is_refused_for_a_moment(
    program: ApiProgram, provider: FakeProvider
) -> None:
    thread = sending(program, "Hi [[gate]]", key="a")
    answer = send(program, "Hi [[gate]]", key="a")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_in_progress"
    assert answer.headers["Retry-After"] == "2"
    assert "x-should-retry" not in answer.headers
    provider.open_gate()
    thread.join()
    assert send(program, "Hi [[gate]]", key="a").headers["X-Tally-Replayed"] == "true"
    assert charges(program.user) == provider.completions_started == 1


def test_a_key_whose_answer_is_not_kept_any_more_says_so(program: ApiProgram) -> None:
    charge = send(program, key="a").headers["X-Tally-Charge"]
    KeptAnswer.objects.update(created_at=timezone.now() - KeptAnswer.KEPT)
    answer = send(program, key="a")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "idempotency_answer_gone")
    assert str(error["metadata"]["charge"]) == charge
    assert answer.headers["x-should-retry"] == "false"
    assert charges(program.user) == 1


def test_a_key_with_another_body_is_refused(program: ApiProgram) -> None:
    send(program, "One", key="a")
    answer = send(program, "Another", key="a")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert answer.headers["x-should-retry"] == "false"
    assert charges(program.user) == 1


def test_a_key_whose_calls_failed_stands_for_the_next_try(
    program: ApiProgram, provider: FakeProvider
) -> None:
    """Nothing was paid or delivered: SDKs try again under the same key."""
    for tries in (1, 2):
        assert send(program, "[[fail:500]]", key="a").status_code == 502
        assert provider.completions_started == tries
    assert_paid_exactly(program.user)


def test_the_same_key_of_two_api_keys_is_two_calls(program: ApiProgram) -> None:
    other = ApiProgram(program.site, program.user)
    assert (
        send(program, key="a").headers["X-Tally-Charge"]
        != (send(other, key="a").headers["X-Tally-Charge"])
    )


def test_many_at_once_under_one_key_are_one_call(
    program: ApiProgram, provider: FakeProvider
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda _: send(program, SLOW, key="a"), range(8))]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 409}
    assert charges(program.user) == provider.completions_started == statuses.count(200) == 1
    assert_paid_exactly(program.user)


@pytest.mark.parametrize("value", ["", "x" * 256])
def test_a_key_that_is_none_is_refused(program: ApiProgram, value: str) -> None:
    headers = {"Idempotency-Key": value}
    answer = program.http.post("/chat/completions", json=program.body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")
    assert charges(program.user) == 0


def test_what_an_account_does_not_want_kept_is_not(program: ApiProgram) -> None:
    send(program, key="a")
    assert KeptAnswer.objects.count() == 1
    set_keeping(account_id=program.user.pk, keeps=False)
    assert not KeptAnswer.objects.exists()
    answer = send(program, key="a")
    assert answer.json()["error"]["code"] == "idempotency_answer_gone"
    send(program, key="b")
    assert not KeptAnswer.objects.exists()


def test_a_site_can_keep_nothing(
    keep_site: Callable[..., Site], provider: FakeProvider, alice: User, price: TokenPrice
) -> None:
    site = keep_site(OPENAI_BASE_URL=provider.base_url, API_KEEP_ANSWERS="off")
    program = ApiProgram(site, alice)
    send(program, key="a")
    assert not KeptAnswer.objects.exists()
    assert send(program, key="a").status_code == 409


def test_answers_are_deleted_after_their_time(program: ApiProgram) -> None:
    send(program, key="old")
    KeptAnswer.objects.update(created_at=timezone.now() - KeptAnswer.KEPT)
    send(program, key="new")
    forget_answers()
    assert KeptAnswer.objects.get().call == latest_call(program.user)


def test_without_a_key_a_client_that_stays_leaves_nothing(program: ApiProgram) -> None:
    send(program)
    send(program, stream=True)
    assert not KeptAnswer.objects.exists()


def test_a_stream_that_was_left_is_not_told_again(program: ApiProgram) -> None:
    headers = {"Idempotency-Key": "a"}
    body = program.body("[[tokens:100]][[delay:0.05]]", stream=True)
    with program.http.stream("POST", "/chat/completions", json=body, headers=headers) as response:
        next(response.iter_bytes())
    program.wait_until_ended()
    answer = program.http.post("/chat/completions", json=body, headers=headers)
    assert answer.json()["error"]["code"] == "idempotency_answer_gone"
    assert charges(program.user) == 1


# --- Further tries ------------------------------------------------------------------------------


def test_an_sdk_that_times_out_and_tries_again_pays_once(
    program: ApiProgram, provider: FakeProvider
) -> None:
    sdk = program.sdk.with_options(timeout=SHORT, max_retries=2)
    try:
        completion = sdk.chat.completions.create(**program.body(SLOW))
    except openai.APITimeoutError:
        # The machine is slow: a further try of the same call.
        program.wait_until_ended()
        completion = openai.types.chat.ChatCompletion(**send(program, SLOW, retry=3).json())
    assert completion.choices[0].message.content.startswith("word1")
    assert charges(program.user) == provider.completions_started == 1
    assert_paid_exactly(program.user)


def test_an_answer_that_nobody_read_is_given_to_the_further_try(program: ApiProgram) -> None:
    leave(program, SLOW)
    answer = send(program, SLOW, retry=1)
    assert answer.status_code == 200
    assert answer.headers["X-Tally-Replayed"] == "true"
    call = latest_call(program.user)
    assert answer.json()["id"] == f"chatcmpl-{call.pk.hex}"
    assert answer.headers["X-Tally-Charge"] == str(call.charge_id)
    assert send(program, SLOW, retry=2).json() == answer.json()
    assert charges(program.user) == 1
    assert_paid_exactly(program.user)


def test_an_answer_that_was_read_is_not_given_again(program: ApiProgram) -> None:
    """Whoever samples the same prompt twice, and tries the second again, gets a second."""
    first = send(program)
    second = send(program, retry=1)
    assert second.json()["id"] != first.json()["id"]
    assert charges(program.user) == 2
    assert_paid_exactly(program.user)


def test_an_answer_that_was_kept_for_its_key_is_not_given_to_others(program: ApiProgram) -> None:
    send(program, key="a")
    assert "X-Tally-Replayed" not in send(program, retry=1).headers
    assert charges(program.user) == 2


def test_images_that_nobody_waited_for_are_given_to_the_further_try(
    program: ApiProgram, provider: FakeProvider
) -> None:
    body = {"model": "tally-painter", "prompt": "A sky [[delay:6]]"}

    def ask(retry: int, timeout: float) -> httpx.Response:
        headers = {"x-stainless-retry-count": str(retry)}
        return program.http.post("/images/generations", json=body, headers=headers, timeout=timeout)

    with pytest.raises(httpx.ReadTimeout):
        ask(0, SHORT)
    answer = ask(1, 120)
    assert answer.headers["X-Tally-Replayed"] == "true"
    assert answer.json()["data"][0]["b64_json"]
    assert charges(program.user) == provider.images_requested == 1


def test_a_call_that_is_no_further_try_is_a_new_one(program: ApiProgram) -> None:
    leave(program, SLOW)
    send(program, SLOW)
    assert charges(program.user) == 2
    assert_paid_exactly(program.user)


def test_a_further_try_after_more_than_ten_minutes_is_a_new_call(program: ApiProgram) -> None:
    leave(program, SLOW)
    wait_for(KeptAnswer.objects.exists, "the answer to be kept")
    ApiCall.objects.update(created_at=timezone.now() - KeptAnswer.KEPT - timedelta(seconds=1))
    send(program, SLOW, retry=1)
    assert charges(program.user) == 2


def test_a_further_try_of_another_key_or_body_is_a_new_call(program: ApiProgram) -> None:
    leave(program, SLOW)
    assert "X-Tally-Replayed" not in send(program, f"{SLOW} ", retry=1).headers
    other = ApiProgram(program.site, program.user)
    assert "X-Tally-Replayed" not in send(other, SLOW, retry=1).headers
    assert charges(program.user) == 3


def test_the_further_try_of_a_stream_stops_the_first_and_begins_anew(
    program: ApiProgram, provider: FakeProvider
) -> None:
    thread = sending(program, "[[gate]][[tokens:0]]", stream=True)
    wait_for(lambda: provider.open_completions == 1, "the provider to be asked")
    begun = time.monotonic()
    answering = sending(program, "[[gate]][[tokens:0]]", stream=True, retry=1)
    thread.join()
    assert time.monotonic() - begun < 60
    provider.open_gate()
    answering.join()
    stopped, answered = ApiCall.objects.order_by("created_at")
    assert (stopped.state, stopped.failure) == (State.STOPPED, "stopped_before_first_token")
    assert answered.pk != stopped.pk
    program.wait_until_ended()
    assert_paid_exactly(program.user)


def test_a_stream_whose_client_leaves_before_anything_came_is_free(
    program: ApiProgram, provider: FakeProvider
) -> None:
    leave(program, "[[tokens:3]][[delay:3]]", stream=True)
    program.wait_until_ended()
    call = latest_call(program.user)
    assert (call.state, call.failure) == (State.STOPPED, "stopped_before_first_token")
    assert call.charged == 0
    wait_for(lambda: provider.open_completions == 0, "the provider to be left")
    answer = send(program, "[[tokens:3]][[delay:3]]", stream=True, retry=1)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert_paid_exactly(program.user)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_sdk_that_tries_again_after_failures_pays_for_none(
    program: ApiProgram, provider: FakeProvider, stream: bool
) -> None:
    sdk = program.sdk.with_options(max_retries=2)
    with pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(**program.body("[[fail:500]]", stream=stream))
    assert provider.completions_started == charges(program.user) == 3
    assert not Hold.objects.exists()
    assert_paid_exactly(program.user)


def test_two_identical_bodies_at_once_are_two_calls(program: ApiProgram) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(lambda _: send(program), range(2))]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert charges(program.user) == 2
    assert_paid_exactly(program.user)
