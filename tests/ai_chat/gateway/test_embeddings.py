"""POST /v1/embeddings, through OpenAI's SDK at a running site."""

import base64
import struct
from collections.abc import Callable
from typing import Any

import openai
import pytest

from ai_chat.models import ApiCall
from credits.features import EMBEDDING
from credits.models import TokenPrice, UsageHistory, Use, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.turns import MODEL, text_model
from tests.factories import make_key, make_model, make_token_price
from tests.fakes.provider import FakeProvider, vector_of
from tests.fakes.scripted import Act, Pieces
from tests.live import Site

NAME = "vectors"
#: Of the fake: its vectors have 8 numbers.
NUMBERS = 8
ODD = [0.5, -0.25, 1.0]


@pytest.fixture
def price(price: TokenPrice) -> TokenPrice:
    """Beside the text model one for embeddings: 1 credit per 1,000 tokens."""
    model = make_model(NAME, feature=EMBEDDING, provider_model="smollm2-135m-embed")
    return make_token_price(model, input=10**9, cached=10**9, cache_write=10**9, output=0,
                            reasoning=0)  # fmt: skip


@pytest.fixture
def odd(
    keep_site: Callable[..., Site], painter: FakePainter, price: TokenPrice, alice: User
) -> ApiProgram:
    """Alice's program where the provider sends what `painter` is told."""
    return ApiProgram(keep_site(OPENAI_BASE_URL=painter.base_url), alice)


def embed(program: ApiProgram, inputs: Any, **more: Any) -> Any:
    return program.sdk.embeddings.create(model=NAME, input=inputs, **more)


def post(program: ApiProgram, **body: Any) -> Any:
    return program.http.post("/embeddings", json={"model": NAME, "input": "Hi", **body})


def expected(*inputs: str | tuple[int, ...]) -> list[Any]:
    return [pytest.approx(vector_of(each).numbers, rel=1e-6) for each in inputs]


@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
def test_vectors_come_in_the_form_asked_for(program: ApiProgram, form: dict[str, Any]) -> None:
    answer = embed(program, ["one two", "three"], **form)
    assert [each.embedding for each in answer.data] == expected("one two", "three")
    assert [each.index for each in answer.data] == [0, 1]
    assert answer.model == NAME
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (3, 3)
    call = latest_call(program.user)
    assert (call.endpoint, call.state, call.streamed) == ("embeddings", ApiCall.State.DONE, False)
    assert call.use
    assert (call.use.input, call.use.output, call.use.source) == (3, 0, Use.Source.PROVIDER)
    assert answer.usage.model_extra["cost"] == "0.003000000000"
    assert call.charge.operation_type == "AI_EMBEDDING"
    assert_paid_exactly(program.user)


def test_the_bytes_are_those_that_were_asked_for(program: ApiProgram) -> None:
    numbers = post(program).json()["data"][0]["embedding"]
    text = post(program, encoding_format="base64").json()["data"][0]["embedding"]
    assert struct.pack(f"<{NUMBERS}f", *numbers) == base64.b64decode(text)


def test_the_headers_say_what_it_cost(program: ApiProgram) -> None:
    answer = post(program, input="one two three", user="me", input_type="query")
    charge = UsageHistory.objects.get(pk=answer.headers["X-Tally-Charge"])
    assert charge.details["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["X-Tally-Cost"] == answer.json()["usage"]["cost"] == "0.003000000000"
    assert answer.headers["X-Tally-Ignored"] == "input_type"
    assert "X-Tally-Max-Output" not in answer.headers


def test_tokens_are_passed_on(program: ApiProgram, provider: FakeProvider) -> None:
    assert [each.embedding for each in embed(program, [1, 2]).data] == expected((1, 2))
    answer = embed(program, [[1, 2], [3]])
    assert [each.embedding for each in answer.data] == expected((1, 2), (3,))
    assert answer.usage.prompt_tokens == 3


def test_dimensions_are_passed_on(program: ApiProgram) -> None:
    [short] = embed(program, "Hi", dimensions=3).data
    assert len(short.embedding) == 3
    # The fake has no more than 8, whatever it is asked for.
    answer = post(program, dimensions=100)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "provider_not_accepted")
    assert latest_call(program.user).charged == 0
    assert_paid_exactly(program.user)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"input": None}, "input"),
    "an empty text": ({"input": ""}, "input[0]"),
    "an empty list": ({"input": []}, "input"),
    "an empty text in a list": ({"input": ["Hi", ""]}, "input[1]"),
    "empty tokens": ({"input": ["Hi", []]}, "input[1]"),
    "a number": ({"input": 7}, "input"),
    "an object": ({"input": {"text": "Hi"}}, "input"),
    "a number among texts": ({"input": ["Hi", 7]}, "input[1]"),
    "truth among tokens": ({"input": [[1, True]]}, "input[0]"),
    "a negative token": ({"input": [-1]}, "input[0]"),
    "too many": ({"input": ["Hi"] * 2049}, "input"),
    "another form": ({"encoding_format": "hex"}, "encoding_format"),
    "a form that is no text": ({"encoding_format": []}, "encoding_format"),
    "no dimensions": ({"dimensions": 0}, "dimensions"),
    "dimensions in words": ({"dimensions": "three"}, "dimensions"),
}


@pytest.mark.parametrize(("change", "param"), REFUSED.values(), ids=REFUSED)
def test_a_bad_body_is_refused_and_says_where(
    program: ApiProgram, change: dict[str, Any], param: str
) -> None:
    answer = post(program, **change)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not ApiCall.objects.exists()


def test_other_models_make_no_embeddings_and_these_do_not_chat(program: ApiProgram) -> None:
    make_model("unpriced", feature=EMBEDDING)
    for name in (MODEL, "unpriced", "none"):
        answer = post(program, model=name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    with pytest.raises(openai.NotFoundError):
        program.complete(model=NAME)
    assert not ApiCall.objects.exists()
    listed = {model.id: model.model_extra for model in program.sdk.models.list()}
    assert [*listed] == [MODEL, "tally-painter", NAME]
    assert listed[NAME]["pricing"]["input"] == "1000"


def test_a_key_for_other_models_is_refused(program: ApiProgram) -> None:
    key = make_key(program.user, only_models=[MODEL])
    other = ApiProgram(program.site, program.user, key)
    answer = post(other)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")


def test_what_the_account_cannot_pay_is_not_asked(
    program: ApiProgram, provider: FakeProvider
) -> None:
    answer = post(program, input="word " * 21_000)
    assert answer.status_code == 402
    assert answer.json()["error"]["code"] == "insufficient_credits"
    assert provider.vectors_requested == 0


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("[[fail:500]]", 502, "provider_error"),
        ("[[fail:429]]", 503, "overloaded"),
        ("[[fail:401]]", 502, "provider_error"),
        ("[[fail:cut]]", 502, "provider_error"),
        ("[[fail:garbage]]", 502, "provider_error"),
        ("[[fail:short:1]]", 502, "provider_error"),
        ("[[fail:empty]]", 502, "provider_error"),
        ("[[fail:refuse]]", 400, "content_policy_violation"),
    ],
)
def test_a_failure_is_a_status_and_free(
    program: ApiProgram, fault: str, status: int, code: str
) -> None:
    answer = post(program, input=["one", f"two {fault}"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    call = latest_call(program.user)
    assert (call.state, call.charged) == (ApiCall.State.FAILED, 0)
    assert_paid_exactly(program.user)


def test_without_usage_it_is_estimated_in_the_users_favour(program: ApiProgram) -> None:
    answer = post(program, input="twelve bytes [[usage:none]]").json()
    call = latest_call(program.user)
    assert call.use
    # The 27 bytes that were sent, by four.
    assert (call.use.input, call.use.output, call.use.source) == (6, 0, Use.Source.ESTIMATED)
    assert answer["usage"]["prompt_tokens"] == 6
    assert_paid_exactly(program.user)


def test_tokens_need_no_estimate(odd: ApiProgram, painter: FakePainter) -> None:
    painter.answer = odd_answer(ODD)
    assert post(odd, input=[1, 2, 3]).json()["usage"]["prompt_tokens"] == 3
    assert_paid_exactly(odd.user)


def test_no_more_than_the_bound_is_paid(program: ApiProgram) -> None:
    post(program, input="Hi [[usage:huge]]")
    call = latest_call(program.user)
    assert call.use
    assert call.use.input == 5_000_000
    assert call.use.collected <= call.charge.bound
    assert_paid_exactly(program.user)


def odd_answer(embedding: Any, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"index": 0, "embedding": embedding}], **more}


PACKED = base64.b64encode(struct.pack("<3f", *ODD)).decode()


@pytest.mark.parametrize("sent", [ODD, PACKED], ids=["floats", "base64"])
def test_a_provider_may_ignore_the_form(odd: ApiProgram, painter: FakePainter, sent: Any) -> None:
    painter.answer = odd_answer(sent, usage={"total_tokens": 2})
    for form, came in (("float", ODD), ("base64", PACKED)):
        answer = post(odd, encoding_format=form).json()
        assert answer["data"] == [{"object": "embedding", "index": 0, "embedding": came}]
        assert answer["usage"]["prompt_tokens"] == 2
    [asked, _] = painter.calls
    assert asked == {
        "model": "smollm2-135m-embed",
        "input": "Hi",
        "encoding_format": "base64",
    }
    assert_paid_exactly(odd.user)


BROKEN: dict[str, Any] = {
    "another number of vectors": {"data": []},
    "no vector": odd_answer(None),
    "no numbers": odd_answer(["a"]),
    "not finite": odd_answer([float("nan")]),
    "an error with status 200": {"error": {"message": "no", "type": "server_error"}},
    "no JSON": b"<html>",
    "nothing": b"",
    "cut in the middle": Pieces([b'{"data": [{"embedding": [0.5, ', Act.CLOSE]),
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_what_is_no_answer_is_not_paid(odd: ApiProgram, painter: FakePainter, sent: Any) -> None:
    painter.answer = sent
    answer = post(odd)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_error")
    assert latest_call(odd.user).charged == 0
    assert_paid_exactly(odd.user)


def test_the_model_that_takes_over_answers(odd: ApiProgram, painter: FakePainter) -> None:
    same = make_model("elsewhere", feature=EMBEDDING, provider_model="same-elsewhere")
    model = type(same).objects.get(name=NAME)
    model.fallback = same
    model.save()

    def reply(asked: dict[str, Any]) -> tuple[int, Any]:
        return (503, {}) if asked["model"] != "same-elsewhere" else (200, odd_answer(PACKED))

    painter.answer = reply
    answer = post(odd).json()
    assert (answer["model"], answer["data"][0]["embedding"]) == (NAME, ODD)
    assert [asked["model"] for asked in painter.calls] == ["smollm2-135m-embed", "same-elsewhere"]


def test_the_text_model_stays_what_it_is(program: ApiProgram) -> None:
    assert text_model().feature == "ai_text_chat"
    assert program.complete().choices
    assert_paid_exactly(program.user)
