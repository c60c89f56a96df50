"""Mutated deliveries: whatever is sent, the answer is 2xx, 400, 401 or 413. CLERK_MUTATIONS sets
how many; `make clerk-proof` sends 10,000."""

import os
import random
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from django.test import Client

from credits.models import WebhookDelivery
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk_events import body_of, full_history

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
MUTATIONS = int(os.environ.get("CLERK_MUTATIONS", "300"))
EVENTS = [payload for _, payload in full_history(NOW).events]
ACCEPTED = {400, 401, 413}
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63,
    2**200,
    -(10**18),
    1e300,
    "",
    "\0",
    "\ud800",
    "x" * 70,
    "x" * 5000,
    "é" * 64,
    "null",
    "user_1",
    "user:1:2",
    "org_1",
    "%s",
    "'; --",
    "../..",
    [],
    {},
    [[]],
    [None],
    {"id": {}},
    {"": ""},
    "2026-01-01",
    "active",
    "ended",
]
HEADERS = [
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "Content-Type",
    "Accept",
    "Content-Encoding",
]
HEADER_VALUES = [
    "",
    " ",
    "0",
    "-1",
    "nan",
    "inf",
    "1e309",
    "9" * 5000,
    "é",
    "\u0663",
    "v1,",
    "v1,===",
    "v1,AAAA v1,BBBB",
    "v1," * 500,
    "application/xml; charset=utf-7",
    "text/plain; charset=nope",
    "multipart/form-data; boundary=",
    "gzip",
    ",",
    ";",
    "=",
    "\t",
]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths_of(child, (*path, key))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from paths_of(child, (*path, number))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def mutated_content(chance: Random) -> Any:
    """An event with a few values that nobody expects."""
    payload = chance.choice(EVENTS)
    for _ in range(chance.randint(1, 4)):
        path = chance.choice(list(paths_of(payload)))
        payload = replaced(payload, path, chance.choice(ODD))
    return payload


def mutated_bytes(chance: Random, body: bytes) -> bytes:
    data = bytearray(body)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(1, 40)]
            case 2:
                data[at:at] = bytes(chance.randrange(256) for _ in range(8))
            case _:
                data[at:at] = data[: chance.randrange(200)]
        data = data or bytearray(b"{}")
    return bytes(data)


def delivery(chance: Random, number: int) -> tuple[bytes, dict[str, str]]:
    """A body and headers; half of them signed over whatever the body has become."""
    payload = mutated_content(chance)
    if chance.random() < 0.8:
        payload = (
            {**payload, "instance_id": fake_clerk.INSTANCE}
            if isinstance(payload, dict)
            else payload
        )
    body = body_of(payload)
    if chance.random() < 0.4:
        body = mutated_bytes(chance, body)
    headers = fake_clerk.sign(body, svix_id=f"msg_{number}")
    if chance.random() < 0.4:
        headers[chance.choice(HEADERS)] = chance.choice(HEADER_VALUES)
    if chance.random() < 0.1:
        headers.pop(chance.choice(HEADERS[:3]), None)
    if chance.random() < 0.02:
        body += b" " * 300_000
    return body, headers


def test_mutated_deliveries_are_never_an_error_of_ours() -> None:
    chance = random.Random(20_261_122)
    client = Client(raise_request_exception=False)
    answers: dict[int, int] = {}
    for number in range(MUTATIONS):
        body, headers = delivery(chance, number)
        content_type = headers.pop("Content-Type", "application/json")
        answer = client.generic(
            "POST", "/api/webhooks/clerk", body, content_type=content_type, headers=headers
        )
        assert 200 <= answer.status_code < 300 or answer.status_code in ACCEPTED, (
            answer.status_code,
            body[:2000],
            headers,
            WebhookDelivery.objects.order_by("pk").last().error,
        )
        answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
    # Both worlds were visited: refused at the door, and let in with odd contents.
    assert answers[200] > MUTATIONS / 5
    assert answers[400] > MUTATIONS / 5
