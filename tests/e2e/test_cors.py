"""/v1 called by pages of another origin, in Chromium: with fetch, without a cookie."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from credits.models import User
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import MODEL
from tests.e2e.browser import windows
from tests.factories import make_key, make_secret
from tests.fakes.serving import serving
from tests.live import Site

FETCH = """async ([url, options]) => {
    const answer = await fetch(url, options);
    return {
        status: answer.status, text: await answer.text(),
        headers: Object.fromEntries(answer.headers),
    };
}"""
#: What SDKs of other makers send as well.
HEADERS = {
    "Content-Type": "application/json",
    "Idempotency-Key": "k",
    "x-stainless-retry-count": "0",
    "x-stainless-of-the-future": "1",
    "anthropic-version": "2023-06-01",
    "anthropic-of-the-future": "1",
    "OpenAI-Beta": "assistants=v2",
    "HTTP-Referer": "https://app.example",
    "X-Title": "App",
    "X-Max-Credits": "50",
}


class App(BaseHTTPRequestHandler):
    """A page of a site of its own. It is on this machine: a browser lets no page from elsewhere
    call one that is."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>App</title>")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def app() -> Iterator[str]:
    """The address of another origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture
def elsewhere(browser: Browser, chat_site: Site, app: str) -> Iterator[Page]:
    """A page of another origin."""
    with windows(browser, chat_site) as window:
        window.allow("status of 4")
        page = window()
        page.goto(app)
        yield page


def fetch(page: Page, site: Site, path: str, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = page.evaluate(FETCH, [f"{site.base_url}/v1/{path}", options])
    return answer


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_a_page_of_another_origin_calls_and_reads_all_headers(
    elsewhere: Page, chat_site: Site, alice: User, header: str
) -> None:
    price_by_tokens()
    secret = make_secret(make_key(alice))
    key = {header: f"Bearer {secret}" if header == "Authorization" else secret}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    answer = fetch(
        elsewhere, chat_site, "chat/completions",
        method="POST", headers={**HEADERS, **key}, body=json.dumps(body),
    )  # fmt: skip
    assert answer["status"] == 200
    assert json.loads(answer["text"])["usage"]["completion_tokens"] == 8
    headers = answer["headers"]
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-ratelimit-remaining-requests"] == "599"
    assert headers["x-tally-charge"]
    assert headers["x-tally-cost"]
    assert headers["x-tally-price-version"]


def test_a_refusal_can_be_read_too(elsewhere: Page, chat_site: Site, alice: User) -> None:
    headers = {"Authorization": "Bearer nothing"}
    answer = fetch(elsewhere, chat_site, "models", headers=headers)
    assert answer["status"] == 401
    assert json.loads(answer["text"])["error"]["code"] == "invalid_api_key"
    assert answer["headers"]["x-request-id"]
    secret = make_secret(make_key(alice))
    answer = fetch(elsewhere, chat_site, "nothing", headers={"Authorization": f"Bearer {secret}"})
    assert answer["status"] == 404


def test_a_session_is_no_key_and_cookies_do_not_come_along(
    browser: Browser, chat_site: Site, alice: User, app: str
) -> None:
    with windows(browser, chat_site) as window:
        window.allow("status of 401|blocked by CORS|ERR_FAILED")
        page = window(alice)
        page.goto("/usage")
        assert page.evaluate("fetch('/v1/models').then(answer => answer.status)") == 401
        page.goto(app)
        # With cookies a browser gives nothing of the answer away.
        refused = page.evaluate(
            "url => fetch(url, { credentials: 'include' }).catch(error => error.name)",
            f"{chat_site.base_url}/v1/models",
        )
        assert refused == "TypeError"
