"""Addresses of the installed app, and the headers that allow it."""

import pytest
from django.test import Client

from config import installing
from credits.models import User


def test_the_offline_page_is_the_same_for_everybody(client: Client, alice: User) -> None:
    anonymous = client.get("/offline")
    client.force_login(alice)
    own = client.get("/offline")
    assert own.content == anonymous.content
    assert b"You are offline" in own.content
    assert not own.cookies and "Cookie" not in own.headers.get("Vary", "")
    assert b"/static/css/tally.css?offline" in own.content


def test_the_worker_is_another_one_when_the_offline_page_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.get("/service-worker.js")
    assert before.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert before.headers["Cache-Control"] == "no-cache"
    assert client.get("/service-worker.js").content == before.content
    monkeypatch.setattr(installing, "_offline_page", lambda: "Another page.")
    assert client.get("/service-worker.js").content != before.content


def test_the_manifest_has_its_type(client: Client) -> None:
    answer = client.get("/manifest.webmanifest")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    content = answer.json()
    assert (content["name"], content["start_url"], content["scope"]) == ("Tally", "/ai-chat", "/")
    assert content["display"] == "standalone"


def test_workers_and_manifests_come_from_this_site_alone(client: Client) -> None:
    policy = client.get("/offline").headers["Content-Security-Policy"]
    assert "worker-src 'self';" in f"{policy};"
    assert "manifest-src 'self';" in f"{policy};"


@pytest.mark.parametrize(
    ("path", "microphone"),
    [("/ai-chat", "(self)"), ("/usage", "()"), ("/images", "()"), ("/offline", "()")],
)
def test_only_the_chat_may_ask_for_the_microphone(
    client: Client, alice: User, path: str, microphone: str
) -> None:
    client.force_login(alice)
    policy = client.get(path).headers["Permissions-Policy"]
    assert policy == f"camera=(), geolocation=(), microphone={microphone}"
