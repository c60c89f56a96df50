"""From an entry of DATABASES to the server behind it, and `manage.py dbshell` with its psql."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import client

from .layout import wheel_binaries
from .server import ensure_running


def server_parameters(entry: dict[str, Any]) -> dict[str, Any]:
    """Host, port and user for libpq, with the server up and the database NAME in it.

    Raises ImproperlyConfigured or OperationalError.
    """
    if not entry["HOST"]:
        raise ImproperlyConfigured("HOST must be the directory of the embedded PostgreSQL.")
    address = ensure_running(Path(entry["HOST"]), database=entry["NAME"])
    return {"host": address.host, "port": address.port, "user": address.user}


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Starts the server if need be; psql runs as long as this process, which keeps it up."""
        address = {name.upper(): value for name, value in server_parameters(settings_dict).items()}
        arguments, environment = super().settings_to_cmd_args_env(
            {**settings_dict, **address}, parameters
        )
        return [str(wheel_binaries() / "psql"), *arguments[1:]], environment
