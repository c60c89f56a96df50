"""/healthz and /readyz: what balancers and operators ask."""

from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client


def test_healthz_answers_without_database_or_session(client: Client) -> None:
    answer = client.get("/healthz")  # no database fixture: a query would fail this test
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert not answer.cookies
    assert "no-store" in answer["Cache-Control"]


def test_readyz_answers_when_every_migration_is_applied(client: Client, db: None) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"ready\n")
    assert not answer.cookies


def test_readyz_says_when_a_migration_is_missing(client: Client, db: None) -> None:
    MigrationRecorder.Migration.objects.filter(app="ai_chat").delete()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "not applied" in answer.text
    assert int(answer["Retry-After"]) > 0


def test_readyz_says_when_the_database_is_away(client: Client, db: None, monkeypatch: Any) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused on some.host")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(BaseDatabaseWrapper, "cursor", away)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "The database does not answer.\n", "and nothing about where it is"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_balancer_asks_by_the_address_of_the_machine(
    client: Client, db: None, settings: Any, path: str
) -> None:
    settings.ALLOWED_HOSTS = ["tally.example"]
    assert client.get(path, headers={"host": "10.0.0.5:8000"}).status_code == 200
    assert client.get("/sign-in", headers={"host": "10.0.0.5:8000"}).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
