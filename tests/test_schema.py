"""The description at /api/schema is complete and true."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_chat.gateway import urls
from ai_chat.gateway.openapi import DOCUMENT
from credits.api.docs import openapi
from tests.ai_chat.tokens import assert_paid_exactly, price_by_tokens
from tests.api import Api
from tests.factories import make_admin, make_key, make_secret, make_user
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.schema_run import run_schemathesis, run_schemathesis_by_key
from tests.test_who_may import ROWS, things_of

#: Examples per call; `make schemathesis` asks for more.
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))
#: The description itself.
NOT_DESCRIBED = {"/api/schema", "/api/docs", "/api/docs/v1"}


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


@pytest.mark.parametrize(
    ("address", "description"), [("/api/docs", openapi()), ("/api/docs/v1", DOCUMENT)]
)
def test_the_page_shows_every_call_without_inline_code(
    db: None, address: str, description: dict[str, Any]
) -> None:
    page = Api().get(address).content.decode()
    for path in description["paths"]:
        assert f"<code>{path}</code>" in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", page)


def test_every_call_of_v1_is_described() -> None:
    served = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{each.pattern}") for each in urls.urlpatterns}
    assert set(DOCUMENT["paths"]) == served - {"/v1/openapi.json"}


def test_schemathesis_finds_nothing_in_v1(
    keep_site: Callable[..., Site], provider: FakeProvider, tmp_path: Path
) -> None:
    site = keep_site(
        OPENAI_BASE_URL=provider.base_url, API_CALLS_PER_MINUTE="100000", API_CALLS_IN_FLIGHT="1000"
    )
    user, price = make_user(credits=10**9), price_by_tokens()
    report = tmp_path / "schemathesis.txt"
    models = dict.fromkeys(["ChatRequest", "ResponseRequest"], price.model.name)
    secret = make_secret(make_key(user, scopes=["inference", "usage:read"]))
    done = run_schemathesis_by_key(site, secret, models, examples=EXAMPLES, report=report)
    assert done.returncode == 0, report.read_text()[-20000:]
    assert_paid_exactly(user, had=10**9)


def test_schemathesis_finds_nothing(
    keep_site: Callable[..., Site], provider: FakeProvider, tmp_path: Path
) -> None:
    # A call that is refused for its rate is not judged: a slower machine would find more.
    site = keep_site(OPENAI_BASE_URL=provider.base_url, REQUESTS_PER_MINUTE="10000")
    admin = make_admin(credits=1000)
    things = {**things_of(admin), "user_id": str(make_user(credits=1000).pk)}
    ids = {name: int(value) if value.isdecimal() else value for name, value in things.items()}
    report = tmp_path / "schemathesis.txt"
    done = run_schemathesis(site, site.client(admin), ids, examples=EXAMPLES, report=report)
    assert done.returncode == 0, report.read_text()[-20000:]
