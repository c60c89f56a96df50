"""A fake Clerk over real HTTP: JWKS, the Backend API with its pages and rate limits, session
tokens, and svix-signed webhooks. Shapes are those of Clerk's public specifications."""

import base64
import hashlib
import hmac
import json
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.serving import serving

type Json = dict[str, Any]

HOST = "clerk.tally.example"
INSTANCE = "ins_2g7np7Hrk0SN6kj5EDMLDaKNL0S"
PUBLISHABLE_KEY = "pk_test_" + base64.b64encode(f"{HOST}$".encode()).decode().rstrip("=")
SECRET_KEY = "sk_test_fake"
SIGNING_SECRET = "whsec_" + base64.b64encode(b"a webhook secret of the tests").decode()
ORIGIN = "https://tally.example"
SESSION_CATEGORY = "cl_B7d4PD111AAA"
TEMPLATE_CATEGORY = "cl_B7d4PD222AAA"
PAGE_LIMIT = 500


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


#: Making a key takes a while; one will do for all tests.
KEY = new_key()


def pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk(key: rsa.RSAPrivateKey, kid: str) -> Json:
    numbers = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"kid": kid, "alg": "RS256", "use": "sig", **numbers}


def sign(
    body: bytes, *, svix_id: str, secret: str = SIGNING_SECRET, timestamp: float | None = None
) -> dict[str, str]:
    """The headers of a delivery, as Svix makes them."""
    stamp = str(int(time.time() if timestamp is None else timestamp))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{svix_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"svix-id": svix_id, "svix-timestamp": stamp, "svix-signature": signature}


def session_token(
    user_id: str,
    *,
    key: rsa.RSAPrivateKey = KEY,
    header: Json | None = None,
    algorithm: str = "RS256",
    without: tuple[str, ...] = (),
    **claims: Any,
) -> str:
    """A session token of version 2; `claims` and `header` replace, `without` leaves out."""
    now = int(time.time())
    payload = {
        "azp": ORIGIN,
        "exp": now + 60,
        "fva": [0, -1],
        "iat": now,
        "iss": f"https://{HOST}",
        "jti": "0123456789abcdef",
        "nbf": now - 10,
        "sid": "sess_1",
        "sts": "active",
        "sub": user_id,
        "v": 2,
        **claims,
    }
    payload = {name: value for name, value in payload.items() if name not in without}
    headers = {"cat": SESSION_CATEGORY, "kid": INSTANCE, **(header or {})}
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers)


def user_json(user_id: str, *, email: str = "", at: int = 1, **fields: Any) -> Json:
    """A user as webhooks and the Backend API have it; without `email` no address at all."""
    address = {
        "id": f"idn_{user_id}",
        "object": "email_address",
        "email_address": email,
        "reserved": False,
        "verification": {"object": "verification_otp", "status": "verified", "attempts": 1},
        "linked_to": [],
    }
    return {
        "object": "user",
        "id": user_id,
        "external_id": None,
        "primary_email_address_id": address["id"] if email else None,
        "username": None,
        "first_name": "John",
        "last_name": "Doe",
        "image_url": "https://img.clerk.com/xxxxxx",
        "private_metadata": None,
        "email_addresses": [address] if email else [],
        "banned": False,
        "locked": False,
        "created_at": at,
        "updated_at": at,
        **fields,
    }


class FakeClerk:
    """Clerk's state, and a server that answers from it. Lists may be changed at any time."""

    def __init__(self) -> None:
        self.users: list[Json] = []
        self.items: list[Json] = []
        self.plans: list[Json] = []
        self.keys: dict[str, rsa.RSAPrivateKey] = {INSTANCE: KEY}
        self.calls: Counter[str] = Counter()
        #: Answers to give instead of the next ones: (status, headers).
        self.failures: deque[tuple[int, dict[str, str]]] = deque()
        #: Users whose reads fail with this status.
        self.broken: dict[str, int] = {}
        self.rate_limit: int | None = None
        #: Seconds that each answer takes.
        self.pause = 0.0
        self.limited = 0
        self.lock = threading.Lock()
        self._window: deque[float] = deque()
        self.url = ""

    def may_answer(self) -> bool:
        """Clerk's limit: so many requests in any 10 seconds."""
        if self.rate_limit is None:
            return True
        with self.lock:
            now = time.monotonic()
            while self._window and self._window[0] < now - 10:
                self._window.popleft()
            if len(self._window) >= self.rate_limit:
                self.limited += 1
                return False
            self._window.append(now)
            return True

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:  # noqa: PLR0911
        """Status and JSON of a GET below /v1."""
        with self.lock:
            match path.strip("/").split("/"):
                case ["jwks"]:
                    return 200, {"keys": [jwk(key, kid) for kid, key in self.keys.items()]}
                case ["users"]:
                    return 200, self._page_of_users(query)
                case ["users", "count"]:
                    return 200, {"object": "total_count", "total_count": len(self.users)}
                case ["users", user_id, "billing", "subscription"]:
                    return self._subscription(user_id)
                case ["users", user_id]:
                    return self._user(user_id)
                case ["billing", "subscription_items"]:
                    return 200, self._page(self._matching_items(query), query)
                case ["billing", "plans"]:
                    return 200, self._page(self.plans, query)
        return 404, {"errors": [{"code": "resource_not_found", "message": "not found"}]}

    def _page_of_users(self, query: dict[str, list[str]]) -> list[Json]:
        rows = sorted(self.users, key=lambda user: (user["created_at"], user["id"]))
        if query.get("order_by") == ["-updated_at"]:
            rows = sorted(self.users, key=lambda user: -user["updated_at"])
            rows = rows[int(query.get("offset", ["0"])[0]) :]
        after = query.get("starting_after", [""])[0]
        if after:
            at = next(i for i, user in enumerate(rows) if user["id"] == after)
            rows = rows[at + 1 :]
        return rows[: min(int(query.get("limit", ["10"])[0]), PAGE_LIMIT)]

    def _user(self, user_id: str) -> tuple[int, Any]:
        if user_id in self.broken:
            return self.broken[user_id], {"errors": []}
        known = next((user for user in self.users if user["id"] == user_id), None)
        return (200, known) if known else (404, {"errors": [{"code": "resource_not_found"}]})

    def _subscription(self, user_id: str) -> tuple[int, Any]:
        if user_id in self.broken:
            return self.broken[user_id], {"errors": []}
        items = [
            item
            for item in self.items
            if (item.get("payer") or {}).get("user_id") == user_id
            and item["status"] in {"active", "canceled", "past_due", "upcoming"}
        ]
        if not items:
            return 404, {"errors": [{"code": "resource_not_found"}]}
        bare = [{k: v for k, v in item.items() if k != "payer"} for item in items]
        return 200, {
            "object": "commerce_subscription",
            "id": f"csub_{user_id}",
            "instance_id": INSTANCE,
            "status": "active",
            "payer_id": items[0]["payer_id"],
            "subscription_items": bare,
        }

    def _matching_items(self, query: dict[str, list[str]]) -> list[Json]:
        wanted = query.get("status", [""])[0]
        # A canceled item is active until its period ends.
        statuses = {"active", "canceled"} if wanted == "active" else {wanted}
        free = query.get("include_free", ["false"])[0] == "true"
        return sorted(
            (
                item
                for item in self.items
                if (not wanted or item["status"] in statuses)
                and (free or not item["plan"]["is_default"])
            ),
            key=lambda item: -item["created_at"],
        )

    def _page(self, rows: list[Json], query: dict[str, list[str]]) -> Json:
        offset = int(query.get("offset", ["0"])[0])
        limit = min(int(query.get("limit", ["10"])[0]), PAGE_LIMIT)
        return {"data": rows[offset : offset + limit], "total_count": len(rows)}


class Handler(BaseHTTPRequestHandler):
    """One request to the fake."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        fake = self.server.fake
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v1")
        fake.calls[path.split("/")[1]] += 1
        time.sleep(fake.pause)
        if self.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            self._send(401, {"errors": [{"code": "authentication_invalid"}]})
        elif path != "/jwks" and not fake.may_answer():
            self._send(429, {"errors": []}, {"Retry-After": "1"})
        elif fake.failures:
            status, headers = fake.failures.popleft()
            self._send(status, {"errors": []}, headers)
        else:
            self._send(*fake.answer(path, parse_qs(parts.query)))

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fake: FakeClerk) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fake = fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet when whoever asked was killed before the answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running_clerk() -> Iterator[FakeClerk]:
    """A fake that answers at `fake.url`."""
    fake = FakeClerk()
    server = Server(fake)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    with serving(server):
        yield fake
