"""Every check of a session token, one by one."""

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from typing import Any

import jwt
import pytest
from django.test import Client
from pytest_django import Settings

from credits.clerk.auth import keys
from credits.clerk.auth.keys import TokenRefused
from credits.clerk.auth.tokens import verify_session_token
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import (
    INSTANCE,
    KEY,
    TEMPLATE_CATEGORY,
    FakeClerk,
    jwk,
    new_key,
    pem,
    session_token,
)

OTHER_KEY = new_key()
NOW = int(time.time())


def lasting(user_id: str, **more: Any) -> str:
    """A token that is still good when a slow machine comes to its test."""
    return session_token(user_id, **{"exp": NOW + 3600, **more})


def b64(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**more: Any) -> dict[str, Any]:
    return jwt.decode(lasting("user_1", **more), options={"verify_signature": False})


def unsigned(alg: str = "none") -> str:
    return f"{b64({'alg': alg, 'typ': 'JWT'})}.{b64(claims())}."


def hmac_with_public_key() -> str:
    """The classic: HS256 with the public key, which everybody knows, as the secret."""
    text = f"{b64({'alg': 'HS256', 'typ': 'JWT'})}.{b64(claims())}"
    digest = hmac.new(pem(KEY).encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{b64(digest)}"


def tampered() -> str:
    header, _, signature = lasting("user_1").split(".")
    return f"{header}.{b64({**claims(), 'sub': 'user_2'})}.{signature}"


REFUSED = {
    "empty": ("", "token-invalid"),
    "no token": ("hello", "token-invalid"),
    "three dots": ("...", "token-invalid"),
    "header is a list": (f"{b64([])}.{b64({})}.x", "token-invalid"),
    "not ascii": ("é.é.é", "token-invalid"),
    "too large": ("x" * 10_000, "token-too-large"),
    "no algorithm": (unsigned(), "token-invalid-algorithm"),
    "None": (unsigned("None"), "token-invalid-algorithm"),
    "public key as secret": (hmac_with_public_key(), "token-invalid-algorithm"),
    "RS512": (lasting("user_1", algorithm="RS512"), "token-invalid-algorithm"),
    "PS256": (lasting("user_1", algorithm="PS256"), "token-invalid-algorithm"),
    "another key": (lasting("user_1", key=OTHER_KEY), "token-invalid-signature"),
    "changed claims": (tampered(), "token-invalid-signature"),
    "template token": (
        lasting("user_1", header={"cat": TEMPLATE_CATEGORY}),
        "token-type-mismatch",
    ),
    "template token in disguise": (
        lasting("user_1", header={"cat": None}),
        "token-type-mismatch",
    ),
    "another instance": (
        lasting("user_1", iss="https://clerk.other.example"),
        "token-invalid-issuer",
    ),
    "no issuer": (lasting("user_1", without=("iss",)), "token-claim-missing"),
    "expired": (lasting("user_1", exp=NOW - 10), "token-expired"),
    "no exp": (lasting("user_1", without=("exp",)), "token-claim-missing"),
    "no iat": (lasting("user_1", without=("iat",)), "token-claim-missing"),
    "no nbf": (lasting("user_1", without=("nbf",)), "token-claim-missing"),
    "no sub": (lasting("user_1", without=("sub",)), "token-claim-missing"),
    "no sid": (lasting("user_1", without=("sid",)), "token-claim-missing"),
    "not yet": (lasting("user_1", nbf=NOW + 3600), "token-not-active-yet"),
    "from the future": (lasting("user_1", iat=NOW + 3600), "token-not-active-yet"),
    "exp is text": (lasting("user_1", exp="soon"), "token-invalid"),
    "exp is endless": (lasting("user_1", exp=float("inf")), "token-invalid"),
    "sub is a number": (lasting("user_1", sub=7), "token-invalid"),
    "sub is empty": (lasting(""), "token-invalid"),
    "sub is long": (lasting("u" * 65), "token-invalid"),
    "sub has a NUL": (lasting("user\0"), "token-invalid"),
    "sid is a list": (lasting("user_1", sid=["sess_1"]), "token-invalid"),
    "another party": (
        lasting("user_1", azp="https://evil.example"),
        "token-invalid-authorized-parties",
    ),
    "no party": (lasting("user_1", without=("azp",)), "token-invalid-authorized-parties"),
    "sign-in unfinished": (lasting("user_1", sts="pending"), "session-pending"),
}


@pytest.mark.parametrize(("token", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(token: str, reason: str) -> None:
    with pytest.raises(TokenRefused) as refusal:
        verify_session_token(token)
    assert refusal.value.reason == reason


def test_a_good_token_names_its_user_and_session() -> None:
    found = verify_session_token(lasting("user_1"))
    assert (found.user_id, found.session_id, found.impersonated) == ("user_1", "sess_1", False)


def test_a_token_without_a_category_is_a_session_s() -> None:
    token = jwt.encode(claims(), KEY, algorithm="RS256")
    assert verify_session_token(token).user_id == "user_1"


def test_five_seconds_of_difference_are_forgiven() -> None:
    assert verify_session_token(
        lasting("user_1", exp=int(time.time()) - 2, nbf=int(time.time()) + 3)
    )


def test_an_impersonated_session_is_marked() -> None:
    token = lasting("user_1", act={"iss": "x", "sid": "sess_0", "sub": "user_0"})
    assert verify_session_token(token).impersonated


def test_without_parties_our_own_hosts_are_accepted(settings: Settings) -> None:
    settings.CLERK_AUTHORIZED_PARTIES = []
    settings.ALLOWED_HOSTS = ["tally.example"]
    assert verify_session_token(lasting("user_1", azp="https://tally.example"))
    assert verify_session_token(lasting("user_1", without=("azp",)))
    for foreign in ("https://evil.example", "https://tally.example.evil.example", "https://["):
        with pytest.raises(TokenRefused):
            verify_session_token(lasting("user_1", azp=foreign))


# --- Keys from Clerk ----------------------------------------------------------------------------


@pytest.fixture
def jwks(fake: FakeClerk, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FakeClerk:
    settings.CLERK_JWT_KEY = ""
    monkeypatch.setattr(keys, "_sets", {})
    return fake


def test_keys_are_fetched_once(jwks: FakeClerk) -> None:
    for _ in range(5):
        assert verify_session_token(lasting("user_1"))
    assert jwks.calls["jwks"] == 1


def test_unknown_key_ids_do_not_become_requests(jwks: FakeClerk) -> None:
    for number in range(50):
        with pytest.raises(TokenRefused) as refusal:
            verify_session_token(lasting("user_1", header={"kid": f"ins_{number}"}))
        assert refusal.value.reason == "jwk-kid-mismatch"
    assert jwks.calls["jwks"] == 1


def test_a_new_key_is_found_after_the_pause(
    jwks: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verify_session_token(lasting("user_1"))
    jwks.keys["ins_new"] = OTHER_KEY
    monkeypatch.setattr(keys, "PAUSE", 0)
    token = lasting("user_1", key=OTHER_KEY, header={"kid": "ins_new"})
    assert verify_session_token(token).user_id == "user_1"


def test_known_keys_hold_while_clerk_does_not_answer(
    jwks: FakeClerk, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    assert verify_session_token(lasting("user_1"))
    monkeypatch.setattr(keys, "FRESH", 0)
    monkeypatch.setattr(keys, "PAUSE", 0)
    jwks.failures.extend([(500, {})] * 3)
    assert verify_session_token(lasting("user_1"))
    assert jwks.calls["jwks"] == 2


def test_who_comes_while_the_keys_are_on_their_way_waits_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, found, key_set = jwt.PyJWK(jwk(KEY, INSTANCE)), [], keys.KeySet()
    second = threading.Thread(target=lambda: found.append(key_set.find(INSTANCE)))

    def fetch() -> dict[str, Any]:
        second.start()
        second.join(0.2)  # Time enough to give up, which it must not.
        return {INSTANCE: key}

    monkeypatch.setattr(keys, "_fetch_keys", fetch)
    monkeypatch.setattr(keys, "PATIENCE", 60)
    assert key_set.find(INSTANCE) is key
    second.join()
    assert found == [key]


@pytest.mark.parametrize("body", [[], None, "keys", {"keys": 3}, {"keys": [1, {"kid": []}]}])
def test_what_is_no_set_of_keys_refuses_and_loses_none(
    jwks: FakeClerk, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    assert verify_session_token(lasting("user_1"))
    monkeypatch.setattr(keys, "FRESH", 0)
    monkeypatch.setattr(keys, "PAUSE", 0)
    monkeypatch.setattr(jwks, "answer", lambda _path, _query: (200, body))
    assert verify_session_token(lasting("user_1"))
    with pytest.raises(TokenRefused):
        verify_session_token(lasting("user_1", header={"kid": "ins_new"}))


def test_another_instance_s_secret_does_not_share_the_keys(
    jwks: FakeClerk, settings: Settings
) -> None:
    assert verify_session_token(lasting("user_1"))
    settings.CLERK_SECRET_KEY = "sk_test_other"
    with pytest.raises(TokenRefused):
        verify_session_token(lasting("user_1"))


# --- In front of the API ------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_api_takes_the_token_and_creates_the_user(client: Client) -> None:
    token = lasting("user_1")
    answer = client.get("/api/credits/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.json()["creditsRemaining"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", lasting("user_1", exp=NOW - 60)])
def test_a_refusal_is_a_401_whose_reason_is_only_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = client.get("/api/credits/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.json() == {"error": "unauthenticated", "message": "This token is not accepted."}
    assert "token-" in caplog.text
    assert token not in caplog.text or len(token) < 2


@pytest.mark.django_db
def test_without_clerk_a_token_is_nobody_s(client: Client, settings: Settings) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    token = lasting("user_1")
    answer = client.get("/api/credits/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_the_cookie_suffix_is_the_documented_one(settings: Settings) -> None:
    from credits.clerk.conf import cookie_suffix, frontend_api

    settings.CLERK_PUBLISHABLE_KEY = "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"
    assert (cookie_suffix(), frontend_api()) == ("QvfNY2dr", "clerk.clerk.dev")
    settings.CLERK_PUBLISHABLE_KEY = fake_clerk.PUBLISHABLE_KEY
    assert frontend_api() == fake_clerk.HOST
