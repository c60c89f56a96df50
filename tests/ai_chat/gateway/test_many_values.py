"""Bodies that take far more memory than they have bytes."""

import json

import pytest
from django.test import RequestFactory

from ai_chat.gateway import bodies
from ai_chat.gateway.bodies import read_body
from ai_chat.gateway.errors import ApiError

MOST = 1000
FLOODS = {
    "objects": b'{"a":[' + b"{}," * MOST + b"{}]}",
    "lists": b'{"a":[' + b"[]," * MOST + b"[]]}",
    "numbers": b'{"a":[' + b"1," * MOST + b"1]}",
    "texts": b'{"a":[' + b'"",' * MOST + b'""]}',
    "texts that end with a backslash": b'{"a":[' + rb'"\\",' * MOST * 2 + b'""]}',
    "members": b"{" + b",".join(b'"%d":0' % n for n in range(MOST + 1)) + b"}",
    "behind a text": b'{"t":"\\"[,{","a":[' + b"{}," * MOST + b"{}]}",
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_VALUES", MOST)


def read(content: bytes) -> dict[str, object]:
    return read_body(RequestFactory().post("/v1/x", content, content_type="application/json"))


@pytest.mark.parametrize("name", FLOODS)
def test_a_body_of_too_many_values_is_refused_unread(name: str) -> None:
    assert json.loads(FLOODS[name])
    with pytest.raises(ApiError) as refused:
        read(FLOODS[name])
    assert (refused.value.status, refused.value.code) == (413, "request_too_large")


def test_what_stands_within_texts_counts_for_nothing() -> None:
    body = {"t": '[{,"\\' * MOST, "u": ["\\", '"', "]"]}
    assert read(json.dumps(body).encode()) == body


def test_a_text_without_an_end_is_looked_at_once() -> None:
    with pytest.raises(ApiError) as refused:
        read(b"[" * 2 * MOST + b'"' + b'\\"' * 2_000_000)
    assert refused.value.status == 413
