"""A real site for tests: granian with two worker processes on the test's database."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection

from config.standalone.run import GRANIAN
from credits.models import User
from credits.users.permissions import CONFIRMED_AT
from tests.factories import PASSWORD
from tests.forked import Forked
from tests.processes import children_of, free_port, stop
from tests.waiting import PATIENCE, wait_for

CSRF = "c" * 32
#: Seconds. Granian takes a worker that dies within 5.5 s of its start for one that can never start,
#: and stops; in production whoever runs it starts it again then, in tests nobody does.
GRANIANS_PATIENCE = 7.0
#: What each worker would import anew, which is most of a site's start.
SITE = ["config.asgi", "config.urls"]


def http_client(base_url: str) -> httpx.Client:
    """A client of plain HTTP: to read the certificates of this machine would take longer than the
    requests of most tests."""
    return httpx.Client(base_url=base_url, timeout=PATIENCE, trust_env=False, verify=False)


@dataclass
class Site:
    """A running site. `process` is granian's supervisor; the requests are served by `workers()`."""

    base_url: str
    process: Forked
    log: Path
    clients: list[httpx.Client] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)

    def workers(self) -> list[int]:
        """The process ids of the workers, which change when one was killed and is replaced."""
        return children_of(self.process.pid)

    def kill_workers(self) -> None:
        """Kills all workers; the second time once their successors are old enough to be replaced
        as well (GRANIANS_PATIENCE)."""
        if self.killed:
            wait_for(
                lambda: len(set(self.workers()) - self.killed) >= len(self.killed), "new workers"
            )
            time.sleep(GRANIANS_PATIENCE)
        self.killed = set(self.workers())
        for pid in self.killed:
            os.kill(pid, signal.SIGKILL)

    def log_end(self) -> str:
        return self.log.read_text()[-4000:]

    def client(self, user: User | None = None) -> httpx.Client:
        """A browser's cookies without the browser: the session of `user` (nobody's if None), and a
        CSRF token that goes with every request. Redirects are not followed."""
        client = http_client(self.base_url)
        client.headers.update({"X-CSRFToken": CSRF, "Origin": self.base_url})
        client.cookies.set(settings.CSRF_COOKIE_NAME, CSRF)
        if user:
            client.cookies.set(settings.SESSION_COOKIE_NAME, session_of(user))
        self.clients.append(client)
        return client

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Client:
        """Signs in as people do: fetches the form, posts it with its token."""
        client = http_client(self.base_url)
        self.clients.append(client)
        client.get("/sign-in").raise_for_status()
        token = client.cookies[settings.CSRF_COOKIE_NAME]
        form = {"username": email, "password": password, "csrfmiddlewaretoken": token}
        answer = client.post("/sign-in", data=form, headers={"Origin": self.base_url})
        assert answer.status_code == 302, f"Signing in as {email} gave {answer.status_code}."
        client.headers.update(
            {
                "X-CSRFToken": client.cookies[settings.CSRF_COOKIE_NAME],
                "Origin": self.base_url,
            }
        )
        return client


@contextmanager
def running_site(environment: Mapping[str, str], *, log: Path) -> Iterator[Site]:
    """Starts a site, waits until it can serve, and stops it. Raises AssertionError with the end of
    its log when it does not come up."""
    port = free_port()
    defaults = {"WEB_WORKERS": "2", "WEB_THREADS": "64", "DATABASE_POOL_SIZE": "8"}
    variables = {**defaults, **environment, "PORT": str(port)}
    process = Forked(serve(variables), _environment(variables), log, imports=SITE)
    site = Site(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_until_ready(site)
        yield site
    finally:
        for client in site.clients:
            client.close()
        stop(process)


@contextmanager
def running_worker(environment: Mapping[str, str], *, log: Path) -> Iterator[Forked]:
    """A worker as it is run in production, on the test's database. It leads its own group."""
    worker = Forked(["manage.py", "procrastinate", "worker"], _environment(environment), log)
    try:
        yield worker
    finally:
        stop(worker)


def serve(variables: Mapping[str, str]) -> list[str]:
    """The command line of the web server."""
    return [
        "-m", "granian", *GRANIAN,
        "--host", "127.0.0.1", "--port", variables["PORT"], "--no-access-log",
        "--workers", variables["WEB_WORKERS"],
        "--respawn-failed-workers", "--respawn-interval", "0.1", "--workers-kill-timeout", "2",
        "config.asgi:application",
    ]  # fmt: skip


def database_url() -> str:
    """The test's own database, for other processes."""
    connection.ensure_connection()
    info = connection.connection.info
    account = quote(info.user, safe="")
    if info.password:
        account += ":" + quote(info.password, safe="")
    # Not as forms do: libpq takes a plus for a plus.
    where = urlencode({"host": info.host, "port": info.port}, quote_via=quote)
    return f"postgresql://{account}@/{quote(info.dbname, safe='')}?{where}"


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    own = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    if "DATABASE_URL" not in variables:
        own["DATABASE_URL"] = database_url()
    return {**os.environ, **own, **variables}


def _wait_until_ready(site: Site) -> None:
    def is_ready() -> bool:
        assert site.process.poll() is None, f"The site ended:\n{site.log_end()}"
        try:
            answer = client.get("/readyz")
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    with http_client(site.base_url) as client:
        wait_for(is_ready, lambda: f"the site to come up:\n{site.log_end()}", pause=0.05)


def session_of(user: User) -> str:
    """The key of a new session in which `user` is signed in."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "credits.users.sessions.AccountBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store[CONFIRMED_AT] = int(time.time())
    store.save()
    return str(store.session_key)
