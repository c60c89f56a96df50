"""POST /api/webhooks/clerk: who may deliver, and what becomes of a delivery."""

import json
import time
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from credits.clerk.webhooks import handlers
from credits.models import CreditGrant, Identity, User, WebhookDelivery
from tests.credits.clerk.conftest import Deliver
from tests.factories import make_plan
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import Json, user_json
from tests.fakes.clerk_events import body_of, event, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)


def user_created(user_id: str = "user_1", **fields: Any) -> Json:
    return event("user.created", user_json(user_id, email="j@example.com", **fields), at=NOW)


def test_a_signed_event_is_stored_and_processed(deliver: Deliver) -> None:
    assert deliver(user_created()).status_code == 200
    delivery = WebhookDelivery.objects.get()
    assert (delivery.svix_id, delivery.type) == ("msg_1", "user.created")
    assert (delivery.payer_kind, delivery.payer_id) == ("user", "user_1")
    assert delivery.processed_at
    assert delivery.attempts == 1
    user = User.objects.get(clerk_id="user_1")
    assert (user.email, user.name) == ("j@example.com", "John Doe")
    assert not user.has_usable_password()


def test_the_same_message_is_processed_once(deliver: Deliver) -> None:
    for _ in range(3):
        assert deliver(user_created()).status_code == 200
    assert WebhookDelivery.objects.get().attempts == 1


def test_a_second_secret_is_accepted_while_rotating(deliver: Deliver, settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SIGNING_SECRET = ["whsec_" + "A" * 32, fake_clerk.SIGNING_SECRET]
    assert deliver(user_created()).status_code == 200


def test_the_header_names_of_the_standard_are_accepted_too(client: Client) -> None:
    body = body_of(user_created())
    signed = fake_clerk.sign(body, svix_id="msg_1")
    headers = {name.replace("svix", "webhook"): value for name, value in signed.items()}
    answer = client.post(
        "/api/webhooks/clerk", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_delivery_older_or_newer_than_five_minutes_is_refused(
    deliver: Deliver, seconds: int
) -> None:
    body = body_of(user_created())
    signed = fake_clerk.sign(body, svix_id="msg_1", timestamp=time.time() + seconds)
    assert deliver(body, **signed).status_code == 400
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"svix-signature": ""},
        {"svix-signature": "v1"},
        {"svix-signature": "v1,"},
        {"svix-signature": "v1,,"},
        {"svix-signature": "v1,not base64!"},
        {"svix-signature": "v1,AAAA v1,é"},
        {"svix-signature": "v2,AAAA"},
        {"svix-signature": "v1," + "A" * 5000},
        {"svix-signature": "v1,AA " * 700},
        {"svix-timestamp": ""},
        {"svix-timestamp": "nan"},
        {"svix-timestamp": "inf"},
        {"svix-timestamp": "1e400"},
        {"svix-timestamp": "-99999999999999"},
        {"svix-timestamp": "9" * 400},
        {"svix-timestamp": "٣"},
        {"svix-id": ""},
        {"svix-id": "x" * 256},
        {"svix-id": "é"},
        {"svix-id": "a\tb"},
    ],
    ids=repr,
)
def test_a_hostile_header_is_a_400(deliver: Deliver, headers: dict[str, str]) -> None:
    answer = deliver(user_created(), **headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_webhook"
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"type": "x"}',
        b'{"type": 1, "data": {}}',
        b'{"type": "", "data": {}}',
        b'{"type": "%s", "data": {}}' % (b"x" * 101),
        b'{"type": "x", "data": []}',
        b'{"type": "x", "data": {"a": NaN}}',
        b'{"type": "x", "data": {"a": 1e999}}',
        b'{"type": "x", "data": {"a": %s}}' % (b"9" * 5000),
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_hostile_body_is_a_400_even_when_signed(deliver: Deliver, body: bytes) -> None:
    assert deliver(body).status_code == 400
    assert not WebhookDelivery.objects.exists()


def test_a_malformed_signature_beside_a_good_one_does_no_harm(deliver: Deliver) -> None:
    body = body_of(user_created())
    good = fake_clerk.sign(body, svix_id="msg_1")["svix-signature"]
    header = f"v1a,x v1 v1,!!! {good}"
    assert deliver(body, **{"svix-signature": header}).status_code == 200


def test_what_the_database_cannot_keep_is_replaced(deliver: Deliver) -> None:
    person = user_json("user_1", email="j@example.com", first_name="A\x00B\ud800C")
    assert deliver(event("user.created", person, at=NOW)).status_code == 200
    assert "A\ufffdB" in User.objects.get().name


def test_a_body_that_is_too_large_is_a_413(deliver: Deliver) -> None:
    answer = deliver({**user_created(), "padding": "x" * 300_000})
    assert answer.status_code == 413


def test_another_instance_is_refused(deliver: Deliver) -> None:
    payload = {**user_created(), "instance_id": "ins_other"}
    assert deliver(payload).status_code == 400
    assert not WebhookDelivery.objects.exists()


def test_without_an_instance_id_the_signature_says_whose_it_is(
    deliver: Deliver, settings: Settings
) -> None:
    settings.CLERK_INSTANCE_ID = ""
    make_plan("cplan_pro", credits=100)
    item = item_json("user_1", period_start=NOW - 60_000)
    assert deliver(event("subscriptionItem.active", item, at=NOW)).status_code == 200
    assert CreditGrant.objects.get().key.startswith(f"clerk:{fake_clerk.INSTANCE}:user_1:")
    for nameless in ({"instance_id": ""}, {"instance_id": None}, {"instance_id": "i" * 65}):
        assert deliver({**user_created(), **nameless}, "msg_2").status_code == 400
    settings.CLERK_INSTANCE_ID = fake_clerk.INSTANCE
    again = event("subscriptionItem.updated", {**item, "updated_at": NOW}, at=NOW)
    assert deliver(again, "msg_3").status_code == 200
    assert CreditGrant.objects.count() == 1


def test_an_unsigned_delivery_leaves_no_row(client: Client) -> None:
    answer = client.post("/api/webhooks/clerk", user_created(), content_type="application/json")
    assert answer.status_code == 400
    assert not WebhookDelivery.objects.exists()


def test_without_a_secret_there_is_no_such_address(deliver: Deliver, settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SIGNING_SECRET = []
    assert deliver(user_created()).status_code == 404


def test_an_unknown_type_is_kept_and_answered_with_200(deliver: Deliver) -> None:
    assert deliver(event("mystery.happened", {"id": 1}, at=NOW)).status_code == 200
    assert WebhookDelivery.objects.get().note == "unknown_type"


def test_a_failing_handler_keeps_its_error_and_answers_500(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(event: object) -> None:
        Identity.objects.create(clerk_id="half done", deleted_at="2026-01-01T00:00Z")
        raise RuntimeError("out of order")

    with monkeypatch.context() as broken:
        broken.setattr(handlers, "handle", fail)
        assert deliver(user_created()).status_code == 500
    delivery = WebhookDelivery.objects.get()
    assert delivery.error == "RuntimeError: out of order"
    assert (delivery.processed_at, delivery.attempts) == (None, 1)
    assert not Identity.objects.exists()
    # Clerk's next try does it.
    assert deliver(user_created()).status_code == 200
    delivery.refresh_from_db()
    assert delivery.processed_at
    assert (delivery.error, delivery.attempts) == ("", 2)


def test_a_database_that_does_not_answer_is_a_503_and_clerk_tries_again(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: object) -> None:
        raise OperationalError("canceling statement due to lock timeout")

    with monkeypatch.context() as broken:
        broken.setattr(handlers, "handle", busy)
        assert deliver(user_created()).status_code == 503
    assert WebhookDelivery.objects.get().processed_at is None
    assert deliver(user_created()).status_code == 200
    assert WebhookDelivery.objects.get().processed_at


def test_the_answer_does_not_depend_on_what_the_sender_accepts(deliver: Deliver) -> None:
    assert deliver(user_created(), Accept="image/png").status_code == 200


def test_only_post_is_taken(client: Client) -> None:
    assert client.get("/api/webhooks/clerk").status_code == 405


def test_the_documented_example_has_its_documented_signature() -> None:
    """The test vector of the Standard Webhooks libraries."""
    headers = fake_clerk.sign(
        b'{"test": 2432232314}',
        svix_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        secret="MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        timestamp=1614265330,
    )
    assert headers["svix-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_secret_works_with_and_without_its_prefix(deliver: Deliver, settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SIGNING_SECRET = [fake_clerk.SIGNING_SECRET.removeprefix("whsec_")]
    assert deliver(user_created()).status_code == 200


def test_a_body_changed_by_one_byte_is_refused(deliver: Deliver) -> None:
    body = body_of(user_created())
    signed = fake_clerk.sign(body, svix_id="msg_1")
    assert deliver(body.replace(b"John", b"Joan"), **signed).status_code == 400
    assert json.loads(body)["type"] == "user.created"
