"""`make run`: everything a site needs, started and stopped together. What the environment does not
say is chosen for one machine: an embedded database with demo accounts, a local provider, a secret
kept in `var/`. Only loopback is served unless HOST says so."""

import errno
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import django
import httpx
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection

from config import env
from config.standalone.command_runner import run_commands, say
from config.standalone.postgres.server import leave
from config.standalone.postgres.server_files import FileLock

MANAGE = [sys.executable, "manage.py"]
REMINDER_SECONDS = 60
# The key of an advisory lock: any number that nothing else locks in this database.
MIGRATION_LOCK = 8_255_901
#: How granian serves wherever it is started: no HTTP/2 without TLS; many connections, as they are
#: cheap; idle ones, and headers that drip, end soon.
GRANIAN = [
    *("--interface", "asginl", "--http", "1", "--no-ws", "--backlog", "4096"),
    *("--backpressure", "4096", "--http1-header-read-timeout", "10000"),
    *("--http1-buffer-size", "65536"),
]


def main() -> None:
    """Runs the site until a signal stops it. Exits with 1 and a sentence when it cannot start."""
    try:
        with start_lock():
            configure()
            prepare()
    except ImproperlyConfigured as error:
        sys.exit(f"Tally cannot start: {error}")
    except OperationalError as error:
        sys.exit(f"Tally cannot start: the database does not answer: {error}")
    except PermissionError as error:
        sys.exit(f"Tally cannot start: this user may not use {error.filename}.")
    except KeyboardInterrupt:
        sys.exit(130)
    ready = threading.Event()
    threading.Thread(target=announce, args=(ready,), daemon=True).start()
    code = run_commands(commands(), ready=ready)
    if settings.EMBEDDED_DATABASE:
        leave(Path(str(settings.DATABASES["default"]["HOST"])))
    sys.exit(code)


@contextmanager
def start_lock() -> Iterator[None]:
    """A second start at the same moment waits: both would make the secret, and collect files."""
    var_directory().mkdir(parents=True, exist_ok=True)
    with closing(FileLock(var_directory() / "start.lock")) as lock:
        while not lock.try_exclusive():
            time.sleep(0.1)
        yield


def var_directory() -> Path:
    """Where the site keeps its files; read before the settings can be loaded."""
    return Path(env.text("VAR_DIR", "var"))


def commands() -> dict[str, list[str]]:
    """The commands by name; each line of their output begins with it."""
    parts = {"worker": [*MANAGE, "procrastinate", "worker"], "web": web_command()}
    if settings.LOCAL_PROVIDER:
        port = str(settings.LOCAL_PROVIDER_PORT)
        parts["provider"] = [*MANAGE, "local_provider", "--port", port]
    return parts


def configure() -> None:
    """Fills in what the environment leaves out, and loads the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not env.flag("DEBUG", default=False):
        fill_in("SECRET_KEY", kept_secret)
        fill_in("ALLOWED_HOSTS", lambda: "localhost,127.0.0.1,[::1]")
    if not env.text("OPENAI_BASE_URL") and not env.text("OPENAI_API_KEY"):
        fill_in("LOCAL_PROVIDER_PORT", free_port)
    django.setup()
    if is_taken(listening_host(), settings.PORT):
        raise ImproperlyConfigured(
            f"port {settings.PORT} is in use; set PORT to another, as in `make run PORT=8010`."
        )


def fill_in(name: str, value: Callable[[], str]) -> None:
    """Sets a variable of the environment that is missing or empty."""
    if not env.text(name):
        os.environ[name] = value()


def kept_secret() -> str:
    """A random secret of this checkout, made once and readable by its owner only."""
    path = var_directory() / "secret_key"
    if not path.exists() or not path.read_text().strip():
        # Under another name first: a start that is killed meanwhile leaves no half a secret.
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    return path.read_text()


def prepare() -> None:
    """The newest tables, demo accounts in an empty embedded database, the models of servers on this
    machine, and the static files."""
    if settings.LOCAL_PROVIDER:
        check = subprocess.run([*MANAGE, "local_provider", "--check"], check=False)
        if check.returncode:
            raise ImproperlyConfigured("there is no provider to answer (see above).")
    say("Preparing the database…")
    migrate()
    if settings.EMBEDDED_DATABASE:
        call_command("demo_data")
    if settings.LOCAL_PROVIDER and settings.LOCAL_DISCOVERY:
        call_command("discover_models")
    if not settings.DEBUG:
        call_command("collectstatic", verbosity=0, interactive=False)


def migrate() -> None:
    """Brings the tables up to date; another machine may do so in the same database right now."""
    with connection.cursor() as cursor:
        # Asked for again and again: a statement that waits could itself keep a migration waiting.
        while not cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK]).fetchone()[0]:
            time.sleep(0.1)
        call_command("migrate", verbosity=0)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def listening_host() -> str:
    """The address to listen on; loopback unless HOST names another."""
    return env.text("HOST", "127.0.0.1")


def web_command() -> list[str]:
    """The web server's command line: granian, with DEBUG Django's own, which reloads code."""
    host, port = listening_host(), str(settings.PORT)
    if settings.DEBUG:
        return [*MANAGE, "runserver", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    # A worker process that dies is replaced at once; one that will not stop is killed, and the
    # holds of its turns are refunded when their lease ends.
    return [
        *(str(Path(sys.executable).with_name("granian")), *GRANIAN),
        *("--host", host, "--port", port, "--workers", str(settings.WEB_WORKERS)),
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "3"),
        *("--log-level", "error", "config.asgi:application"),
    ]


def announce(ready: threading.Event) -> None:
    """Prints the address once the site can serve."""
    reminded = time.monotonic()
    while not is_ready():
        time.sleep(0.2)
        if time.monotonic() - reminded > REMINDER_SECONDS:
            reminded = time.monotonic()
            say("The site is not ready yet; see the lines above.")
    ready.set()
    say(f"\nTally is ready at {address()}")
    if settings.EMBEDDED_DATABASE:
        call_command("demo_data", "--show")
    say("Ctrl-C stops it.\n")


def address() -> str:
    """The URL that this machine's browser opens, without a path."""
    host = listening_host()
    if host in {"0.0.0.0", "::", "127.0.0.1"}:  # noqa: S104 -- compared, not bound
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def is_ready() -> bool:
    """Whether /readyz answers 200."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"{address()}/readyz", timeout=2).is_success
    return False


def free_port() -> str:
    """The port 8001 of loopback, or any that is free."""
    if not is_taken("127.0.0.1", 8001):
        return "8001"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there. Raises ImproperlyConfigured where nobody could."""
    try:
        family, kind, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        raise ImproperlyConfigured(
            f"HOST and PORT: nothing can listen at {host}, port {port} ({error.strerror})."
        ) from None
    return False


if __name__ == "__main__":
    main()
