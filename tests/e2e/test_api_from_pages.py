"""/v1 called by a page of another origin, as browsers allow it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser

from credits.models import User
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import MODEL
from tests.e2e.browser import windows
from tests.factories import make_key, make_secret
from tests.fakes.serving import serving
from tests.live import Site

CALL = """async ([url, key, body]) => {
  const headers = {"Content-Type": "application/json", "X-Stainless-Lang": "js"};
  if (key) headers.Authorization = `Bearer ${key}`;
  const answer = await fetch(url, {method: "POST", headers, body: JSON.stringify(body)});
  const text = await answer.text();
  return {status: answer.status, text, request: answer.headers.get("x-request-id")};
}"""


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title><link rel=icon href=data:,>")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """An address with an empty page, of another host than the site's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    with serving(server):
        yield f"http://localhost:{server.server_port}/"


def test_a_page_of_another_origin_calls_with_a_key_and_without_the_session(
    browser: Browser, chat_site: Site, alice: User, elsewhere: str
) -> None:
    price_by_tokens()
    url = f"{chat_site.base_url}/v1/chat/completions"
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    with windows(browser, chat_site) as window:
        window.allow("status of 401")
        page = window(alice)
        page.goto(elsewhere)
        answer: dict[str, Any] = page.evaluate(CALL, [url, make_secret(make_key(alice)), body])
        assert (answer["status"], "word1 word2" in answer["text"]) == (200, True), answer
        assert answer["request"].startswith("req_")
        streamed = page.evaluate(
            CALL, [url, make_secret(make_key(alice)), {**body, "stream": True}]
        )
        assert streamed["text"].endswith("data: [DONE]\n\n")
        refused = page.evaluate(CALL, [url, "", body])
        assert (refused["status"], "invalid_api_key" in refused["text"]) == (401, True), refused
