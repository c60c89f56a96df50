"""The description at /api/schema is complete and true."""

import os
import re
from pathlib import Path

import pytest

from credits.api.docs import openapi
from credits.models import User
from tests.api import Api
from tests.live import Site
from tests.schema_run import run_schemathesis
from tests.test_who_may import ROWS

#: Examples per call; `make schemathesis` asks for more.
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))
#: The description itself.
NOT_DESCRIBED = {"/api/schema", "/api/docs"}


def test_every_call_is_described() -> None:
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, calls in openapi()["paths"].items()
        for method in calls
    }
    served = {
        (method, re.sub(r"<[^>]+>", "{}", f"/{route}"))
        for method, route, *_ in ROWS
        if route.startswith("api/")
    }
    missing = {call for call in served - described if call[1] not in NOT_DESCRIBED}
    assert not missing, f"Give these views an extend_schema: {sorted(missing)}"


def test_nothing_in_it_is_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    openapi.cache_clear()
    schemes = openapi()["components"]["securitySchemes"]
    assert schemes.keys() == {"clerk", "session"}
    assert not capsys.readouterr().err, "drf-spectacular warns: say in the views what it guesses."


def test_anyone_reads_it(db: None) -> None:
    response = Api().get("/api/schema")
    assert response.json()["openapi"].startswith("3.")
    unchanged = Api().get("/api/schema", headers={"If-None-Match": response["ETag"]})
    assert unchanged.status_code == 304


def test_the_page_shows_every_call_without_inline_code(db: None) -> None:
    page = Api().get("/api/docs").content.decode()
    for path in openapi()["paths"]:
        assert f"<code>{path}</code>" in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", page)


def test_schemathesis_finds_nothing(chat_site: Site, admin: User, tmp_path: Path) -> None:
    report = tmp_path / "schemathesis.txt"
    client = chat_site.client(admin)
    done = run_schemathesis(chat_site, client, examples=EXAMPLES, report=report)
    assert done.returncode == 0, report.read_text()[-20000:]
