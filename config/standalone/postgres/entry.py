"""From an entry of DATABASES to the server behind it."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .server import ensure_running


def server_parameters(entry: dict[str, Any]) -> dict[str, Any]:
    """Host, port and user for libpq, with the server up and the database NAME in it.

    Raises ImproperlyConfigured or OperationalError.
    """
    if not entry["HOST"]:
        raise ImproperlyConfigured("HOST must be the directory of the embedded PostgreSQL.")
    address = ensure_running(Path(entry["HOST"]), database=entry["NAME"])
    return {"host": address.host, "port": address.port, "user": address.user}
