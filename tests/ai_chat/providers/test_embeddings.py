"""Vectors as providers send them: either form, in any order, and what is no answer."""

import base64
import struct
from typing import Any

import pytest

from ai_chat.providers.embeddings import counts_in, read_vectors
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.received import Received
from credits.reasons import Reason

#: Exact as 32-bit numbers.
ONE, TWO = [0.5, -0.25, 1.0], [0.0, 3.0, -2.0]


def packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(*embeddings: Any, **more: Any) -> dict[str, Any]:
    data = [{"index": index, "embedding": each} for index, each in enumerate(embeddings)]
    return {"object": "list", "data": data, **more}


@pytest.mark.parametrize("sent", [(ONE, TWO), (packed(ONE), packed(TWO)), (ONE, packed(TWO))])
def test_each_form_is_made_of_the_other(sent: tuple[Any, ...]) -> None:
    vectors = read_vectors(answer(*sent), count=2, dimensions=3)
    assert [vector.as_floats() for vector in vectors] == [ONE, TWO]
    assert [vector.as_base64() for vector in vectors] == [packed(ONE), packed(TWO)]


def test_what_was_sent_is_passed_on_as_it_came() -> None:
    [vector] = read_vectors(answer([0.1, 1e-9]), count=1, dimensions=None)
    assert vector.as_floats() == [0.1, 1e-9]
    assert struct.unpack("<2f", base64.b64decode(vector.as_base64())) == pytest.approx([0.1, 1e-9])


def test_the_index_says_which_input_a_vector_is_of() -> None:
    data = [{"index": 1, "embedding": TWO}, {"index": 0, "embedding": ONE}]
    vectors = read_vectors({"data": data}, count=2, dimensions=None)
    assert [vector.as_floats() for vector in vectors] == [ONE, TWO]
    unnumbered = {"data": [{"embedding": ONE}, {"embedding": TWO}]}
    vectors = read_vectors(unnumbered, count=2, dimensions=None)
    assert [vector.as_floats() for vector in vectors] == [ONE, TWO]


UNREADABLE: dict[str, Any] = {
    "nothing": {},
    "null": None,
    "a text": "hello",
    "an empty list": [],
    "no data": {"data": None},
    "no vectors": {"data": []},
    "one too few": answer(ONE),
    "one too many": answer(ONE, TWO, ONE),
    "an index twice": {"data": [{"index": 0, "embedding": ONE}] * 2},
    "an index beyond": {"data": [{"index": 1, "embedding": ONE}, {"index": 2, "embedding": TWO}]},
    "entries that are none": {"data": [ONE, TWO]},
    "no embedding": {"data": [{"index": 0}, {"index": 1}]},
    "null embeddings": answer(None, None),
    "other lengths": answer(ONE, TWO[:2]),
    "empty vectors": answer([], []),
    "texts in a vector": answer(ONE, ["1", "2", "3"]),
    "no number": answer(ONE, [float("nan"), 1.0, 1.0]),
    "infinite": answer(ONE, [float("inf"), 1.0, 1.0]),
    "too large for 32 bits": answer(ONE, [1e39, 1.0, 1.0]),
    "no base64": answer(ONE, "?" * 16),
    "half a number": answer(packed(ONE), base64.b64encode(b"12345").decode()),
    "no number in base64": answer(packed(ONE), packed([float("nan"), 1.0, 1.0])),
    "lists in a vector": answer(ONE, [[1.0], [2.0], [3.0]]),
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_answer_is_the_providers_failure(sent: Any) -> None:
    with pytest.raises(ProviderError) as failed:
        read_vectors(sent, count=2, dimensions=None)
    assert failed.value.reason == Reason.UNREADABLE


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_in_the_body_is_what_it_says(wrapped: bool) -> None:
    error = {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}
    with pytest.raises(ProviderError) as failed:
        read_vectors([error] if wrapped else error, count=1, dimensions=None)
    assert failed.value.reason == Reason.BUSY


def test_a_provider_that_does_not_shorten_has_not_accepted_it() -> None:
    with pytest.raises(ProviderError) as failed:
        read_vectors(answer(ONE), count=1, dimensions=2)
    assert failed.value.reason == Reason.NOT_ACCEPTED


COUNTS = [
    ({"prompt_tokens": 7, "total_tokens": 7}, 7),
    ({"prompt_tokens": 7}, 7),
    ({"total_tokens": 7}, 7),
    ({"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": None}, 7),
    ({"prompt_tokens": 0, "total_tokens": 0}, 0),
    ({"prompt_tokens": -1, "total_tokens": -1}, None),
    ({"prompt_tokens": "7"}, None),
    ({}, None),
    (None, None),
    ([], None),
]


@pytest.mark.parametrize(("usage", "read"), COUNTS)
def test_only_what_was_read_is_counted(usage: Any, read: int | None) -> None:
    received = Received()
    received.note(counts_in({"usage": usage}))
    assert (received.usage and received.usage.input) == read
    assert not received.usage or received.usage.output == 0
