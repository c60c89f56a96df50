"""Django's PostgreSQL backend on a server that starts by itself with the first connection.

    DATABASES = {"default": {"ENGINE": "config.standalone.postgres", "NAME": "tally",
                             "HOST": "/absolute/path/of/var/postgres"}}

HOST is the server's directory; USER, PASSWORD and PORT are not used."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import client

from config.postgresql import base

if sys.platform == "win32":
    raise ImproperlyConfigured(
        "The embedded PostgreSQL does not run on Windows: set DATABASE_URL to any PostgreSQL "
        "15 or newer, or run Tally in WSL."
    )

from .layout import wheel_binaries
from .server import ensure_running


def server_parameters(entry: dict[str, Any]) -> dict[str, Any]:
    """Host, port and user for libpq, with the server up and the database NAME in it. Raises
    ImproperlyConfigured or OperationalError."""
    if not entry["HOST"]:
        raise ImproperlyConfigured("HOST must be the directory of the embedded PostgreSQL.")
    return ensure_running(Path(entry["HOST"]), database=entry["NAME"])._asdict()


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell`, with the wheel's psql."""

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


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | server_parameters(self.settings_dict)
