"""Bodies as the web server hands them over: in chunks without a length, or broken off."""

import gc
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400
from config.wsgi import application, take_body
from credits.ledger import get_balance
from credits.models import User
from tests.live import Site

__all__ = ["handler400"]

type Sent = Callable[..., tuple[str, bytes]]


@login_not_required
def reads(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


urlpatterns = [path("api/reads", reads)]


@pytest.fixture
def send(settings: Any) -> Sent:
    """Gives the application a body, and environment about it; returns status and content."""
    settings.ROOT_URLCONF = __name__

    def sent(body: bytes, **about: str) -> tuple[str, bytes]:
        statuses: list[str] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/api/reads",
            "HTTP_HOST": "localhost",
            "wsgi.input": BytesIO(body),
            **about,
        }

        def start(status: str, *_: object) -> Callable[[bytes], object]:
            statuses.append(status)
            return lambda _: None

        answer = application(environ, start)
        return statuses[0], b"".join(answer)

    return sent


@pytest.mark.django_db(transaction=True)
def test_a_body_in_chunks_is_read_to_its_end(send: Sent, settings: Any) -> None:
    assert send(b"all of it", HTTP_TRANSFER_ENCODING="chunked") == ("200 OK", b"all of it")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 8
    status, content = send(b"all of it", HTTP_TRANSFER_ENCODING="chunked")
    assert status.startswith("413")
    assert json.loads(content)["error"] == "too_large"


@pytest.mark.django_db(transaction=True)
def test_a_body_that_was_broken_off_is_no_request(send: Sent) -> None:
    assert send(b"the whole", CONTENT_LENGTH="9") == ("200 OK", b"the whole")
    status, content = send(b"the who", CONTENT_LENGTH="9")
    assert status.startswith("400")
    assert json.loads(content)["error"] == "malformed"


def test_a_program_may_send_its_message_in_chunks(chat_site: Site, alice: User) -> None:
    body = json.dumps({"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]})
    answer = chat_site.client(alice).post(
        "/api/ai/chat",
        content=iter([body[:20].encode(), body[20:].encode()]),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    assert get_balance(user_id=alice.pk).remaining == 99


def large(length: int, **about: str) -> tuple[bytes, dict[str, str]]:
    """A body of a call that takes files, and its environment."""
    environ = {"PATH_INFO": "/api/ai/chat", "CONTENT_LENGTH": str(length), **about}
    return b"x" * length, environ


def test_large_bodies_are_taken_while_there_is_room_for_them_together(settings: Any) -> None:
    """What was taken counts as long as its request keeps it."""
    settings.LARGE_BODIES_TOGETHER = 5_000_000
    kept = []
    for _ in range(2):
        body, about = large(2_000_000)
        kept.append({**about, "wsgi.input": BytesIO(body)})
        assert take_body(kept[-1]) is None
    body, about = large(2_000_000)
    stream = BytesIO(body)
    refused = take_body({**about, "wsgi.input": stream})
    assert refused and refused[0].startswith("503")
    assert stream.tell() == 0, "Nothing of it is read."
    small, about = large(900_000)
    assert take_body({**about, "wsgi.input": BytesIO(small)}) is None
    kept.pop()
    gc.collect()
    body, about = large(2_000_000)
    again = {**about, "wsgi.input": BytesIO(body)}
    assert take_body(again) is None


def test_a_large_body_is_taken_where_files_are_and_nowhere_else(settings: Any) -> None:
    for address, is_read in (("/api/ai/chat", True), ("/api/ai/image", False)):
        body, about = large(2_000_000, PATH_INFO=address)
        stream = BytesIO(body)
        assert take_body({**about, "wsgi.input": stream}) is None
        assert bool(stream.tell()) is is_read
