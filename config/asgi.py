"""The ASGI application that granian serves: Django's WSGI application in threads. The event loop
reads bodies, waits for a free thread and sends answers, so none of these keeps a thread; it answers
the probes itself."""

import asyncio
import resource
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings

from config import wsgi
from config.addresses import address_in
from config.errors import DomainError, response_to
from config.health import not_ready
from config.serving.answers import Answer, Head, Receive, Send, send_whole
from config.serving.bodies import Bodies
from config.serving.threads import Threads

#: Seconds for which /readyz repeats its last answer.
READY_SECONDS = 1
PROBE_HEADERS = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]

bodies = Bodies()
threads = Threads(settings.WEB_THREADS)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serves one request. The connection of a client that does not read the answer is closed."""
    with suppress(TimeoutError):
        await _serve(scope, receive, send)


async def _serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Reads the body, then waits for a thread; either may be refused."""
    if scope["path"] in settings.PROBE_PATHS and scope["method"] in {"GET", "HEAD"}:
        await send_whole(send, await _probe(scope["path"]))
        return
    environ = environ_of(scope)
    body, address = BytesIO(), address_in(environ)
    try:
        if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
            body = await bodies.take(environ, address, receive)
        await threads.acquire(address)
    except DomainError as error:
        bodies.release(body)
        await send_whole(send, _refusal(environ["PATH_INFO"], error))
        return
    environ["wsgi.input"] = body
    answer = environ["tally.answer"] = Answer(receive)
    threads.run(partial(answer.make, wsgi.application, environ))
    try:
        await answer.deliver(send)
    finally:
        bodies.release(body)


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environ of a request. Headers whose names have an underscore are dropped: in WSGI
    `X_Forwarded_For` has the same name as `X-Forwarded-For`."""
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    return environ


def _refusal(path: str, error: DomainError) -> Head:
    """The answer for a refusal, made once for each kind, as floods are answered with it."""
    kind = (path.startswith("/api/"), type(error), error.status)
    if kind not in _refusals:
        response = response_to(path, error)
        response["Cache-Control"] = "no-store"
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in response.items()]
        _refusals[kind] = Head(error.status, headers, response.content)
    return _refusals[kind]


async def _probe(path: str) -> Head:
    """The answer to a probe; /healthz says that the event loop runs."""
    if path == "/healthz":
        return Head(HTTPStatus.OK, PROBE_HEADERS, b"ok\n")
    if problem := await _readiness.problem():
        headers = [*PROBE_HEADERS, (b"retry-after", b"2")]
        return Head(HTTPStatus.SERVICE_UNAVAILABLE, headers, problem.encode())
    return Head(HTTPStatus.OK, PROBE_HEADERS, b"ready\n")


class _Readiness:
    """Asks the database in a thread of its own, at most once in READY_SECONDS."""

    def __init__(self) -> None:
        self._asked_at = -float(READY_SECONDS)
        self._asking: asyncio.Future[str] | None = None

    async def problem(self) -> str:
        is_old = time.monotonic() - self._asked_at > READY_SECONDS
        if self._asking is None or (self._asking.done() and is_old):
            self._asked_at = time.monotonic()
            self._asking = asyncio.ensure_future(asyncio.to_thread(not_ready))
        return await asyncio.shield(self._asking)


def _raise_descriptor_limit() -> None:
    """Raises the soft limit, usually 1,024: each connection is a file descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


_readiness = _Readiness()
_refusals: dict[tuple[bool, type[DomainError], int], Head] = {}
_raise_descriptor_limit()
