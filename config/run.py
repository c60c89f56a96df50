"""`make run`: everything a site needs, started together and stopped together.

What the environment does not say is chosen for one machine: an embedded database with demo
accounts, a local provider, a secret kept in `var/`. Only loopback is served unless HOST says so.
"""

import errno
import os
import secrets
import shlex
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from honcho.manager import Manager
from honcho.printer import Printer

from config.embedded_postgres.server import leave

MANAGE = f"{shlex.quote(sys.executable)} manage.py"
READY_SECONDS = 60


def main() -> None:
    try:
        configure()
        prepare()
    except ImproperlyConfigured as error:
        sys.exit(f"Tally cannot start: {error}")
    processes = Manager(Printer(sys.stdout))
    if settings.LOCAL_PROVIDER:
        port = settings.LOCAL_PROVIDER_PORT
        processes.add_process("provider", f"exec {MANAGE} local_provider --port {port}")
    # Four jobs at once: holds are swept while a sync or a proof of a large ledger takes its time.
    worker = f"exec {MANAGE} procrastinate worker --concurrency 4"
    processes.add_process("worker", worker, quiet=False)
    processes.add_process("web", f"exec {web_command()}")
    threading.Thread(target=announce, daemon=True).start()
    processes.loop()
    if settings.EMBEDDED_DATABASE:
        leave(Path(str(settings.DATABASES["default"]["HOST"])))
    sys.exit(processes.returncode)


def configure() -> None:
    """Fills in what the environment leaves out, and loads the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not os.environ.get("DEBUG"):
        os.environ.setdefault("SECRET_KEY", kept_secret("secret_key"))
        os.environ.setdefault("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
    if not os.environ.get("OPENAI_BASE_URL") and not os.environ.get("OPENAI_API_KEY"):
        os.environ.setdefault("LOCAL_PROVIDER_PORT", str(free_port(8001)))
    django.setup()
    if is_taken(listening_host(), settings.PORT):
        raise ImproperlyConfigured(
            f"port {settings.PORT} is in use; set PORT to another, as in `make run PORT=8010`."
        )


def kept_secret(name: str) -> str:
    """A random secret of this checkout, made once and readable by its owner only."""
    path = Path(os.environ.get("VAR_DIR") or "var") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text()


def prepare() -> None:
    """The newest tables, demo accounts in an empty embedded database, and the static files."""
    if settings.LOCAL_PROVIDER:
        check = subprocess.run(
            [sys.executable, "manage.py", "local_provider", "--check"], check=False
        )
        if check.returncode:
            raise ImproperlyConfigured("there is no provider to answer (see above).")
    print("Preparing the database…", flush=True)
    call_command("migrate", verbosity=0)
    if settings.EMBEDDED_DATABASE:
        call_command("demo_data")
    if not settings.DEBUG:
        call_command("collectstatic", verbosity=0, interactive=False)


def listening_host() -> str:
    return os.environ.get("HOST") or "127.0.0.1"


def web_command() -> str:
    host = listening_host()
    if settings.DEBUG:
        return f"{MANAGE} runserver {f'[{host}]' if ':' in host else host}:{settings.PORT}"
    # A worker process that dies is replaced at once; one that will not stop is killed: the holds
    # of the turns it ran are refunded when their lease ends.
    return (
        f"{shlex.quote(str(Path(sys.executable).with_name('granian')))} --interface wsgi"
        f" --host {host} --port {settings.PORT}"
        f" --workers {settings.WEB_WORKERS} --blocking-threads {settings.WEB_THREADS}"
        f" --backpressure {settings.WEB_THREADS} --respawn-failed-workers --respawn-interval 0.5"
        f" --workers-kill-timeout 3 --no-ws --log-level error config.wsgi:application"
    )


def announce() -> None:
    """Prints the address once the site can serve."""
    address = f"http://localhost:{settings.PORT}"
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    else:
        print("The site is not ready yet; see the lines above.", flush=True)
        return
    print(f"\nTally is ready at {address}", flush=True)
    if settings.EMBEDDED_DATABASE:
        call_command("demo_data", "--show")
    print("Ctrl-C stops it.\n", flush=True)


def free_port(preferred: int) -> int:
    if not is_taken("127.0.0.1", preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there. Raises ImproperlyConfigured where nobody could."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        raise ImproperlyConfigured(
            f"HOST and PORT: nothing can listen at {host}, port {port} ({error.strerror})."
        ) from None
    return False


if __name__ == "__main__":
    main()
