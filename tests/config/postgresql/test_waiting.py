"""What happens to a request that finds the pool of connections empty."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import psycopg
import pytest
from django.db import connection, connections
from psycopg_pool import PoolTimeout

from config.postgresql.base import DatabaseWrapper
from tests.waiting import wait_for

#: The embedded database's backend, or the one for DATABASE_URL.
KIND: type[DatabaseWrapper] = cast(Any, type(connections["default"]))
POOL = {"min_size": 1, "max_size": 1, "timeout": 1}


@pytest.fixture
def make(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], DatabaseWrapper]]:
    """Makes connections of one pool, which has room for one."""
    monkeypatch.setattr(KIND, "_probed_at", 0.0, raising=False)
    monkeypatch.setattr(KIND, "_connection_pools", {})
    settings = connection.settings_dict
    entry = {**settings, "OPTIONS": {**settings["OPTIONS"], "pool": POOL}}
    yield lambda: KIND(entry, "default")
    KIND(entry, "default").close_pool()


@pytest.fixture
def busy(make: Callable[[], DatabaseWrapper]) -> Iterator[DatabaseWrapper]:
    """Has that one."""
    busy = make()
    taken = busy.get_new_connection(busy.get_connection_params())
    yield busy
    busy.pool.putconn(taken)


def test_a_busy_pool_is_waited_for(make: Callable[[], DatabaseWrapper]) -> None:
    first, second = make(), make()
    parameters = first.get_connection_params()
    taken = first.get_new_connection(parameters)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(second.get_new_connection, parameters)
        wait_for(lambda: KIND._probed_at > 0, "the database to be asked beside the pool")
        assert not waiting.done()
        first.pool.putconn(taken)
        second.pool.putconn(waiting.result())


def test_a_database_that_is_away_is_not_waited_for(
    make: Callable[[], DatabaseWrapper], busy: DatabaseWrapper
) -> None:
    away = {**busy.get_connection_params(), "host": "/nowhere"}
    with pytest.raises(psycopg.OperationalError) as error:
        make().get_new_connection(away)
    assert not isinstance(error.value, PoolTimeout)


def test_a_pool_that_stays_busy_is_given_up(
    make: Callable[[], DatabaseWrapper], busy: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.postgresql.base.PATIENCE_SECONDS", 0)
    with pytest.raises(PoolTimeout):
        make().get_new_connection(busy.get_connection_params())
