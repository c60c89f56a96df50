"""`manage.py dbshell` with the psql that came with the server."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql import client

from .entry import server_parameters
from .places import wheel_binaries


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Starts the server if need be; psql runs as long as this process, which keeps it up."""
        address = server_parameters(settings_dict)
        entry = {
            **settings_dict,
            "HOST": address["host"],
            "PORT": address["port"],
            "USER": address["user"],
        }
        arguments, environment = super().settings_to_cmd_args_env(entry, parameters)
        return [str(wheel_binaries() / "psql"), *arguments[1:]], environment
