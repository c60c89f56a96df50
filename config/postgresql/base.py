"""A thread that finds the pool empty waits while the others work, and not while nobody can: what
needs the database is then answered with 503 after a second."""

import time
from threading import Lock
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import PoolTimeout

#: Seconds for which a busy pool is waited for, in turns of the pool's own timeout; for which the
#: database is known to answer; and in which it has to.
PATIENCE_SECONDS, KNOWN_SECONDS, CONNECT_SECONDS = 10, 1, 2


class DatabaseWrapper(base.DatabaseWrapper):
    _asking = Lock()
    _asked_at = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As Django's. Raises psycopg's OperationalError when the database is away, and PoolTimeout
        when no connection came free."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return super().get_new_connection(conn_params)
            except PoolTimeout:
                if time.monotonic() > give_up_at:
                    raise
                self._ask(conn_params)

    @classmethod
    def _ask(cls, conn_params: dict[str, Any]) -> None:
        """Connects beside the pool, one thread at a time. Raises OperationalError."""
        with cls._asking:
            if time.monotonic() - cls._asked_at > KNOWN_SECONDS:
                psycopg.connect(**{**conn_params, "connect_timeout": CONNECT_SECONDS}).close()
                cls._asked_at = time.monotonic()
