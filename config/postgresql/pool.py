"""The pool's connections."""

import select

from psycopg import Connection
from psycopg_pool import ConnectionPool


def check_open(connection: Connection) -> None:
    """Raises OperationalError for a connection that the server has ended. It costs no round trip:
    on one that nobody uses there is nothing to read unless it has ended, or has something to
    say."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
