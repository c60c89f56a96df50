"""POST /v1/chat/completions, through OpenAI's SDK at a running site."""

import json

import openai
import pytest

from ai_chat.models import ApiCall
from credits.models import TokenPrice, UsageHistory
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.tokens import MAX_TOKENS
from tests.ai_chat.turns import MODEL
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for


def test_a_whole_answer_costs_what_it_used(program: ApiProgram, price: TokenPrice) -> None:
    answer = program.sdk.chat.completions.with_raw_response.create(**program.body())
    completion = answer.parse()
    assert completion.model == MODEL
    assert completion.id == f"chatcmpl-{latest_call(program.user).pk.hex}"
    (choice,) = completion.choices
    assert choice.message.content == "word1 word2 word3 word4 word5 word6 word7 word8 "
    assert choice.finish_reason == "stop"
    use = latest_call(program.user).use
    assert use
    assert completion.usage
    assert completion.usage.prompt_tokens == use.input
    assert completion.usage.completion_tokens == use.output == 8
    headers = answer.headers
    assert headers["X-Tally-Price-Version"] == str(price.pk)
    assert headers["X-Tally-Max-Output"] == str(MAX_TOKENS)
    assert headers["X-Tally-Cost"] == completion.usage.model_extra["cost"]
    charge = UsageHistory.objects.get(pk=headers["X-Tally-Charge"])
    assert charge.details["requestId"] == headers["x-request-id"]
    assert latest_call(program.user).request_id == headers["x-request-id"]
    assert_paid_exactly(program.user)


def test_a_stream_ends_with_its_usage(program: ApiProgram) -> None:
    options = {"include_usage": True}
    chunks = [*program.complete(stream=True, stream_options=options)]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "word1 word2 word3 word4 word5 word6 word7 word8 "
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    *others, last = chunks
    assert all(chunk.usage is None and chunk.choices for chunk in others)
    assert last.choices == []
    use = latest_call(program.user).use
    assert use
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (use.input, use.output)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert_paid_exactly(program.user)


def test_without_being_asked_a_stream_says_nothing_of_usage(program: ApiProgram) -> None:
    with program.http.stream("POST", "/chat/completions", json=program.body(stream=True)) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)
    assert_paid_exactly(program.user)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("[[fail:500]]", 502, "provider_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_answer_is_a_status_and_free(
    program: ApiProgram, message: str, status: int, code: str, stream: bool
) -> None:
    with pytest.raises(openai.APIStatusError) as failed:
        program.complete(message, stream=stream)
    assert failed.value.status_code == status
    assert failed.value.code == code
    assert latest_call(program.user).state == ApiCall.State.FAILED
    assert_paid_exactly(program.user)
    assert latest_call(program.user).charged == 0


def test_a_failure_within_the_answer_ends_the_stream_with_an_error(program: ApiProgram) -> None:
    stream = program.complete("[[fail:cut:3]]", stream=True)
    with pytest.raises(openai.APIError) as failed:
        for _ in stream:
            pass
    assert failed.value.code == "provider_error"
    assert latest_call(program.user).charged == 0
    assert_paid_exactly(program.user)


def test_a_client_that_leaves_pays_for_what_it_got(
    program: ApiProgram, provider: FakeProvider
) -> None:
    with program.complete("[[tokens:200]][[delay:0.05]]", stream=True) as stream:
        for _, _ in zip(range(5), stream, strict=False):
            pass
    program.wait_until_ended()
    call = latest_call(program.user)
    assert call.state == ApiCall.State.STOPPED
    assert call.use
    assert 0 < call.use.output < 100
    assert_paid_exactly(program.user)


def test_a_client_that_leaves_a_silent_provider_ends_its_call(
    program: ApiProgram, provider: FakeProvider
) -> None:
    with program.complete("[[tokens:3]][[gate]]", stream=True) as stream:
        next(iter(stream))
    program.wait_until_ended()
    assert latest_call(program.user).state == ApiCall.State.STOPPED
    wait_for(lambda: provider.open_completions == 0, "the provider to be left")


def test_keys_open_nothing_but_this_api(program: ApiProgram) -> None:
    site = program.site.client()
    site.headers["Authorization"] = f"Bearer {program.secret}"
    assert site.get("/api/credits/me").status_code == 401
    assert site.get("/usage").status_code == 302


def test_an_unknown_key_is_refused_before_the_body_is_read(program: ApiProgram) -> None:
    headers = {"Authorization": "Bearer sk-tally_nothing"}
    answer = program.http.post("/chat/completions", content=b"{", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_models_are_listed_with_their_prices(program: ApiProgram) -> None:
    models = program.sdk.models.list().data
    small = next(model for model in models if model.id == MODEL)
    assert small.model_extra["pricing"]["input"] == "1000"
    assert program.sdk.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        program.sdk.models.retrieve("other")


@pytest.mark.parametrize("options", [1, {"include_usage": 1}, {"include_usage": {}}])
@pytest.mark.parametrize("path", ["/chat/completions", "/quote"])
def test_options_of_a_stream_are_judged_before_anything_is_charged(
    program: ApiProgram, options: object, path: str
) -> None:
    body = program.body(stream=True, stream_options=options)
    assert program.http.post(path, json=body).status_code == 400
    assert not ApiCall.objects.exists()
    assert_paid_exactly(program.user)
