"""Reading bodies of /v1 without a site."""

from typing import Any

import pytest

from ai_chat.gateway.bodies import is_among, refuse
from ai_chat.gateway.errors import ApiError, Unsupported
from ai_chat.gateway.responses.incoming import read_request
from ai_chat.gateway.sizes import sizes_of
from config.errors import InvalidInput
from credits.models import AIModel


@pytest.mark.parametrize(
    ("value", "values", "answer"),
    [
        (False, (False,), True), (0, (False,), False), (0.0, (False,), False), (0, (0,), True),
        (False, (0,), False), (True, (1, True), True), (100.0, (100,), True), ([], ([],), True),
        ([False], ([0],), True), (None, (False,), False), ("auto", ("auto", "default"), True),
    ],
)  # fmt: skip
def test_a_number_is_no_truth_value(value: Any, values: tuple[Any, ...], answer: bool) -> None:
    assert is_among(value, values) is answer


def test_what_is_refused_is_refused_as_a_number_too() -> None:
    refuse({"store": False}, {"store": (False,)}, "")
    with pytest.raises(Unsupported):
        refuse({"store": 0}, {"store": (False,)}, "")
    with pytest.raises(ApiError):
        read_request({"model": "m", "input": "Hi", "background": 0}, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text"}, {"type": "text", "text": 1}, {"type": "text", "text": None},
        {"type": "refusal"}, {"type": "text", "text": "a", "refusal": 1},
    ],
)  # fmt: skip
def test_a_part_of_text_has_its_text(part: dict[str, Any]) -> None:
    def sizes(part: dict[str, Any]) -> int:
        messages = [{"role": "user", "content": [part]}]
        return sizes_of({"messages": messages}, AIModel(), remote_images=False).text_bytes

    assert sizes({"type": "text", "text": "Hi"}) == 2
    assert sizes({"type": "refusal", "refusal": "No"}) > 0
    with pytest.raises(InvalidInput):
        sizes(part)
