"""The accumulators of the official SDK, fed with every stream of `streams/` through a site."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import httpx2
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from ai_chat.providers.pieces import Finish, Usage
from credits.reasons import Reason
from tests.ai_chat.gateway.client import latest_call
from tests.ai_chat.providers.streams import Stream
from tests.clients.conftest import TASK, Tally, caller
from tests.fakes.replaying import STREAMS
from tests.waiting import wait_for

#: What they think stands in the text, between tags: it is passed on as it came.
TAGGED = {"gemini/thoughts", "lmstudio/think_tags"}


REQUEST = httpx2.Request("POST", "https://tally.example/v1/responses")


class Seen(NamedTuple):
    """What the SDK makes of an answer; calls by name and arguments."""

    text: str
    reasoning: str
    calls: list[tuple[str, str]]
    finish: str
    usage: Usage


@pytest.fixture
def sdk(tally: Tally) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=tally.url, api_key=tally.key, max_retries=0) as client:
        yield client


def question(stream: Stream) -> dict[str, Any]:
    """A body that offers the tools which the stream calls."""
    tools = [
        {"type": "function", "function": {"name": call.name, "parameters": {"type": "object"}}}
        for call in stream.expected.tool_calls
    ]
    asked = {"model": stream.name, "messages": [{"role": "user", "content": "Hi"}]}
    return {**asked, "tools": tools} if tools else asked


def whole(sdk: openai.OpenAI, stream: Stream) -> Seen:
    return seen_in(sdk.chat.completions.create(**question(stream)))


def streamed(sdk: openai.OpenAI, stream: Stream) -> Seen:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    options = {**question(stream), "stream_options": {"include_usage": True}}
    for chunk in sdk.chat.completions.create(**options, stream=True):
        state.handle_chunk(chunk)
    # `get_final_completion` raises for what ended at a limit or by a filter.
    return seen_in(state.current_completion_snapshot)


def seen_in(completion: Any) -> Seen:
    (choice,) = completion.choices
    message, usage = choice.message, completion.usage
    more = message.model_extra
    details = [
        each.get(name) or ""
        for each in more.get("reasoning_details", [])
        for name in ("summary", "text")
    ]
    reasoning = more.get("reasoning_content") or more.get("reasoning")
    return Seen(
        text=message.content or "",
        reasoning=reasoning or "".join(details),
        calls=[(call.function.name, call.function.arguments) for call in message.tool_calls or []],
        finish="refusal" if message.refusal else choice.finish_reason,
        usage=Usage(
            input=usage.prompt_tokens,
            cached=usage.prompt_tokens_details.cached_tokens,
            cache_write=usage.prompt_tokens_details.cache_write_tokens,
            output=usage.completion_tokens,
            reasoning=usage.completion_tokens_details.reasoning_tokens,
        ),
    )


def paid_for_latest(tally: Tally) -> int:
    """What the latest call took, once it has ended."""
    tally.assert_settled()
    use = latest_call(tally.user).use
    assert use
    return int(use.collected)


def response(sdk: openai.OpenAI, stream: Stream) -> Seen:
    return seen_in_response(sdk.responses.create(**question_of_responses(stream)))


def streamed_response(sdk: openai.OpenAI, stream: Stream) -> Seen:
    """By the stream helper, which raises at a sequence that it does not expect."""
    with sdk.responses.stream(**question_of_responses(stream)) as events:
        for number, event in enumerate(events):
            assert event.sequence_number == number
            if event.type == "response.failed":
                raise openai.APIError(str(event.response.error), request=REQUEST, body=None)
            if event.type in {"response.completed", "response.incomplete"}:
                return seen_in_response(event.response)
    pytest.fail("There was no end.")


def question_of_responses(stream: Stream) -> dict[str, Any]:
    """The same question, for /v1/responses."""
    tools = [
        {"type": "function", "name": call.name, "parameters": {"type": "object"}, "strict": False}
        for call in stream.expected.tool_calls
    ]
    return {"model": stream.name, "input": "Hi", **({"tools": tools} if tools else {})}


def seen_in_response(answer: Any) -> Seen:
    parts = [part for item in answer.output if item.type == "message" for part in item.content]
    calls = [item for item in answer.output if item.type == "function_call"]
    thoughts = [
        part.text
        for item in answer.output
        if item.type == "reasoning"
        for part in item.content or item.summary
    ]
    finish = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(
        answer.incomplete_details.reason if answer.incomplete_details else "",
        "tool_calls" if calls else "stop",
    )
    usage = answer.usage
    return Seen(
        text=answer.output_text,
        reasoning="".join(thoughts),
        calls=[(call.name, call.arguments) for call in calls],
        finish="refusal" if any(part.type == "refusal" for part in parts) else finish,
        usage=Usage(
            input=usage.input_tokens,
            cached=usage.input_tokens_details.cached_tokens,
            cache_write=usage.input_tokens_details.cache_write_tokens,
            output=usage.output_tokens,
            reasoning=usage.output_tokens_details.reasoning_tokens,
        ),
    )


@pytest.mark.parametrize(
    "read",
    [
        streamed,
        *(pytest.param(by, marks=pytest.mark.slow) for by in (whole, response, streamed_response)),
    ],
)
def test_every_stream_is_read_as_what_it_amounts_to(
    tally: Tally,
    sdk: openai.OpenAI,
    read: Callable[[openai.OpenAI, Stream], Seen],
    subtests: pytest.Subtests,
) -> None:
    for stream in STREAMS.values():
        expected = stream.expected
        with subtests.test(stream.name):
            if isinstance(expected.ending, Reason) and expected.ending is not Reason.REFUSED:
                with pytest.raises(openai.APIError):
                    read(sdk, stream)
                assert paid_for_latest(tally) == 0
                continue
            seen = read(sdk, stream)
            if stream.name in TAGGED:
                assert seen.text.endswith(expected.text) and expected.reasoning in seen.text
            else:
                assert (seen.text, seen.reasoning) == (expected.text, expected.reasoning)
            assert seen.calls == [(call.name, call.arguments) for call in expected.tool_calls]
            refusals = {"content_filter", "refusal"}
            finishes = refusals if isinstance(expected.ending, Reason) else {expected.ending.value}
            assert seen.finish in finishes
            # Neither a refusal nor an answer of nothing costs anything.
            is_due = isinstance(expected.ending, Finish) and bool(
                expected.text or expected.tool_calls
            )
            assert (expected.usage if is_due else Usage()) in {None, seen.usage}
            assert (paid_for_latest(tally) > 0) == is_due


class Statuses(list[int]):
    """The status of each answer that an SDK gets, which tries again as it is set up."""

    def sdk(self, tally: Tally) -> openai.OpenAI:
        hooks = {"response": [lambda response: self.append(response.status_code)]}
        http = httpx2.Client(event_hooks=hooks, trust_env=False, verify=False)
        return openai.OpenAI(base_url=tally.url, api_key=tally.key, http_client=http)


@pytest.mark.parametrize(
    ("model", "text", "statuses"),
    [
        ("dear", TASK["hello"], [402]),
        ("nobody", TASK["hello"], [404]),
        ("obedient", TASK["fail"], [502, 502, 502]),
        ("obedient", TASK["recover"], [502, 200]),
    ],
)
def test_what_may_pass_is_tried_again_and_what_may_not_is_not(
    tally: Tally, model: str, text: str, statuses: list[int]
) -> None:
    seen = Statuses()
    with seen.sdk(tally) as sdk, suppress(openai.APIStatusError):
        sdk.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    assert seen == statuses
    assert tally.times_asked(text) == len(
        [status for status in statuses if status not in {402, 404}]
    )
    tally.assert_settled()


def test_a_call_that_others_hold_up_is_tried_until_they_end(tally: Tally) -> None:
    poor = caller(tally.site, tally.provider, 2)
    seen = Statuses()
    messages: Any = [{"role": "user", "content": TASK["slow"]}]
    with seen.sdk(poor) as sdk:
        held = sdk.chat.completions.create(model="obedient", messages=messages, stream=True)
        next(iter(held))
        messages = [{"role": "user", "content": TASK["hello"]}]
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(sdk.chat.completions.create, model="obedient", messages=messages)
            wait_for(lambda: 429 in seen, "the second call to be told to wait")
            held.close()
            assert waiting.result().choices[0].finish_reason == "stop"
    assert seen[0] == seen[-1] == 200
    poor.assert_settled()
