"""Throws everything schemathesis can think of at a running site, /api and /v1: `make schemathesis`,
and a short run in the tests. No call may answer what its description does not say, and none with a
500."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.live import Site
from tests.processes import ROOT

CONFIG = ROOT / "tests" / "schemathesis.toml"
#: Another number makes other calls.
SEED = os.environ.get("SCHEMA_SEED", "1")


def run_schemathesis(
    site: Site,
    client: httpx.Client,
    ids: Mapping[str, str | int],
    *,
    examples: int,
    report: Path,
    only: str = "",
) -> subprocess.CompletedProcess[str]:
    """Runs all checks over the live schema as whoever `client` is signed in as; `only` is a regular
    expression for paths. Half of the addresses name what there is, by `ids`: no others get further
    than a 404."""
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
        "X-CSRFToken": client.headers["X-CSRFToken"],
        "Origin": site.base_url,
    }
    schema = f"{site.base_url}/api/schema"
    lines = [CONFIG.read_text(), "[parameters]"]
    lines += [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.5 }}' for name in ids]
    lines += [f"[dictionaries.{name}]\nvalues = {json.dumps([ids[name]])}" for name in ids]
    config = report.with_suffix(".toml")
    config.write_text("\n".join(lines))
    return _run([schema], headers, examples=examples, report=report, only=only, config=config)


def run_schemathesis_by_key(
    site: Site, secret: str, models: dict[str, str], *, examples: int, report: Path, only: str = ""
) -> subprocess.CompletedProcess[str]:
    """The same over /v1 with an API key. `models` are those that bodies name, by the shape of the
    body: no description can know them."""
    document: Any = httpx.get(f"{site.base_url}/v1/openapi.json", trust_env=False).json()
    for shape, model in models.items():
        document["components"]["schemas"][shape]["properties"]["model"] = {"enum": [model]}
    file = report.with_suffix(".json")
    file.write_text(json.dumps(document))
    headers = {"Authorization": f"Bearer {secret}"}
    schema = [str(file), "--url", site.base_url]
    return _run(schema, headers, examples=examples, report=report, only=only)


def _run(
    schema: list[str],
    headers: dict[str, str],
    *,
    examples: int,
    report: Path,
    only: str,
    config: Path = CONFIG,
) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config),
        "run", *schema, "--max-examples", str(examples), "--seed", SEED,
        "--no-color", "--workers", "2", "--include-path-regex", only or ".",
        *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")),
    ]  # fmt: skip
    with report.open("w") as output:
        return subprocess.run(
            command, cwd=report.parent, stdout=output, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
