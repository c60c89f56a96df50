"""A thread that finds the pool empty waits while the database answers; when it does not, requests
that need it are answered with 503 after a second."""

import time
from threading import Lock
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import PoolTimeout

#: Seconds: how long to wait for a busy pool, in turns of its own timeout; how long an answer of the
#: database counts; and the timeout of connecting.
PATIENCE_SECONDS, KNOWN_SECONDS, CONNECT_SECONDS = 10, 1, 2


class DatabaseWrapper(base.DatabaseWrapper):
    _probe_lock = Lock()
    _probed_at = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection from the pool. Raises psycopg's OperationalError when the database does not
        answer, and PoolTimeout when no connection came free."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return super().get_new_connection(conn_params)
            except PoolTimeout:
                if time.monotonic() > give_up_at:
                    raise
                self._probe(conn_params)

    @classmethod
    def _probe(cls, conn_params: dict[str, Any]) -> None:
        """Connects outside the pool, one thread at a time. Raises OperationalError."""
        with cls._probe_lock:
            if time.monotonic() - cls._probed_at > KNOWN_SECONDS:
                psycopg.connect(**{**conn_params, "connect_timeout": CONNECT_SECONDS}).close()
                cls._probed_at = time.monotonic()
