"""Django's PostgreSQL backend on a server that starts by itself with the first connection.

    DATABASES = {"default": {"ENGINE": "config.standalone.postgres", "NAME": "tally",
                             "HOST": "/absolute/path/of/var/postgres"}}

HOST is the server's directory; USER, PASSWORD and PORT are not used.
"""

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

if sys.platform == "win32":
    raise ImproperlyConfigured(
        "The embedded PostgreSQL does not run on Windows: set DATABASE_URL to any PostgreSQL "
        "15 or newer, or run Tally in WSL."
    )

from .client import DatabaseClient, server_parameters


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Raises ImproperlyConfigured or OperationalError when the server cannot be had."""
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | server_parameters(self.settings_dict)
