"""Bodies that are wrong in as many places as fit in: a refusal is small, and counted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework import serializers

from ai_chat.api.messages import NotReadable, _content_of
from ai_chat.api.serializers import MAX_ALL_PARTS, MessageIn
from config.errors import MAX_ISSUES
from credits.api import base
from credits.api.docs import openapi
from credits.models import AIModel, User
from tests.api import Api, assert_problem

SIZE = 900_000


def many(member: str, value: str) -> str:
    return f'{{"{member}":[{",".join([value] * (SIZE // (len(value) + 1)))}]}}'


def message(**members: Any) -> dict[str, Any]:
    part = {"type": "text", "text": "Hi"}
    return {"messages": [{"role": "user", "parts": [part], **members}]}


BODIES = {
    "objects without members": many("messages", "{}"),
    "nulls": many("messages", "null"),
    "numbers that are none": many("messages", "NaN"),
    "long numbers": many("messages", "9" * 399),
    "wrong messages": json.dumps({"messages": [{"role": "x", "parts": [1]}] * 1_000}),
    "wrong parts": json.dumps(message(parts=[{}] * 200)),
    "too many parts": json.dumps(message(parts=[{}] * 200_000)),
    "attachments": json.dumps({**message(), "attachments": [{}] * 200_000}),
    "models": many("models", "{}"),
    "wrong models": json.dumps({"models": [{"id": "x" * 1_500}] * 500}),
    "members that nobody knows": json.dumps({f"k{n}": 1 for n in range(60_000)}),
    "prices of nothing": json.dumps({"featureCosts": {f"k{n}": 1 for n in range(60_000)}}),
    "a long member": json.dumps({"k" * SIZE: 1}),
    "a long choice": json.dumps(message(role="x" * SIZE)),
    "a long fraction": '{"messages":1.' + "1" * SIZE + "}",
    "lists in lists": "[" * 30 + ",".join(["[]"] * 200_000) + "]" * 30,
    "lists without end": "[" * SIZE,
}
CALLS = [
    ("post", "/api/ai/chat"),
    ("post", "/api/ai/image"),
    ("put", "/api/admin/settings"),
    ("put", "/api/admin/models"),
    ("post", "/api/admin/plans"),
    ("put", "/api/admin/plans/cplan_x"),
    ("put", "/api/admin/users/1/credits"),
]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_refusal_is_small_whatever_was_sent(body: str, admin: User) -> None:
    api = Api(admin)
    for method, path in CALLS:
        answer = api.send(method, path, body.encode())
        assert answer.status_code in {400, 404}, (path, answer.content[:300])
        assert len(answer.content) < 12_000, path
        assert len(answer.json().get("issues", [])) <= MAX_ISSUES, path


def test_a_list_that_is_too_long_is_refused_before_what_it_holds(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Any] = []
    monkeypatch.setattr(MessageIn, "run_validation", lambda _, data: judged.append(data))
    api = Api(alice)
    bodies = [{"messages": [{}] * 1_001}, message(parts=[{}] * (MAX_ALL_PARTS + 1))]
    for body in bodies:
        assert_problem(api.send("post", "/api/ai/chat", body), 400, "invalid")
    assert judged == []


def test_what_a_list_holds_is_judged_until_enough_is_wrong(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Any] = []

    def refuse(_: MessageIn, data: Any) -> None:
        judged.append(data)
        raise serializers.ValidationError("Wrong.")

    monkeypatch.setattr(MessageIn, "run_validation", refuse)
    answer = Api(alice).send("post", "/api/ai/chat", {"messages": [{}] * 1_000})
    assert len(judged) == len(answer.json()["issues"]) == MAX_ISSUES


def test_every_list_that_a_call_takes_has_a_length() -> None:
    schemas = openapi()["components"]["schemas"]
    bodies = [
        call["requestBody"]["content"]
        for methods in openapi()["paths"].values()
        for call in methods.values()
        if "requestBody" in call
    ]
    lists = [each for body in bodies for each in _lists_in(body, schemas)]
    assert len(lists) >= 5
    assert [each for each in lists if "maxItems" not in each] == []


def _lists_in(schema: Any, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "array":
            yield schema
        if reference := schema.get("$ref"):
            yield from _lists_in(schemas[reference.rsplit("/", 1)[-1]], schemas)
    children = schema.values() if isinstance(schema, dict) else schema
    if isinstance(schema, dict | list):
        for child in children:
            yield from _lists_in(child, schemas)


def test_refused_bodies_are_counted_and_then_not_read(
    alice: User, bob: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REQUESTS_PER_MINUTE = 3
    now = [600.0]
    monkeypatch.setattr(base, "_refused", base._Refusals(lambda: now[0]))
    api = Api(alice)
    for _ in range(3):
        assert_problem(api.send("post", "/api/ai/chat", {}), 400, "invalid")
    answer = api.send("post", "/api/ai/image", b"no JSON at all")
    assert_problem(answer, 429, "too_many_requests")
    assert int(answer["Retry-After"]) == 60
    assert_problem(Api(bob).send("post", "/api/ai/image", {}), 400, "invalid")
    now[0] = 660.0
    assert_problem(api.send("post", "/api/ai/chat", {}), 400, "invalid")


def test_a_body_that_was_taken_is_not_counted_as_refused(alice: User, settings: Any) -> None:
    settings.REQUESTS_PER_MINUTE = 2
    refused = base._Refusals()
    for _ in range(5):
        with refused.counting(alice.pk):
            pass


@pytest.mark.parametrize(
    "url", ["data:a/" + "a" * 400_000, "data:a/b;" + "c" * 400_000, "data:" + "a" * 400_000]
)
def test_the_head_of_a_data_url_is_short(url: str) -> None:
    """Judged with a pattern that went over it again and again, these took minutes."""
    model = AIModel(label="Large", reads_images=True, reads_files=True)
    with pytest.raises(NotReadable, match="Send its content as a data: URL"):
        _content_of({"url": url, "mediaType": "image/png"}, model)
