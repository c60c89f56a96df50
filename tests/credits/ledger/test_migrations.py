"""Migrations reverse without a trace and apply again to the same schema."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import sql as query

from tests.live import database_url
from tests.processes import ROOT

pytestmark = pytest.mark.django_db

#: Everything that a migration of the ledger makes, as PostgreSQL would write it down.
SCHEMA = """
SELECT 'column', table_name || '.' || column_name, data_type || coalesce(column_default, '')
    || is_nullable || coalesce(character_maximum_length::text, '')
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
UNION ALL SELECT 'table', relname, relkind::text || coalesce(reloptions::text, '')
FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The address of a new database, dropped after the test."""
    name = f"{connection.settings_dict['NAME']}_migrations"
    address = database_url()
    drop = query.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(query.Identifier(name))
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(drop)
        server.execute(query.SQL("CREATE DATABASE {}").format(query.Identifier(name)))
        yield address.replace(f"/{connection.settings_dict['NAME']}?", f"/{name}?")
        server.execute(drop)


def migrate(address: str, *arguments: str) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": address}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--skip-checks", *arguments], cwd=ROOT,
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def schema(address: str) -> set[tuple[str, str, str]]:
    with psycopg.connect(address) as database:
        return set(database.execute(SCHEMA).fetchall())


def test_the_ledgers_migrations_reverse_and_apply_again(empty_database: str) -> None:
    migrate(empty_database)
    before = schema(empty_database)
    assert any(name == "credits_usagehistory.i2_post_row" for _, name, _ in before)
    migrate(empty_database, "credits", "zero")
    assert [name for _, name, _ in schema(empty_database) if "credits_" in name] == []
    migrate(empty_database)
    assert schema(empty_database) ^ before == set()


def test_the_models_have_all_their_migrations() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
