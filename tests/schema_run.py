"""Throws everything schemathesis can think of at a running site: `make schemathesis`, and a short
run in the tests. No call may answer what its description does not say, and none with a 500."""

import subprocess
import sys
from pathlib import Path

import httpx

from tests.live import Site
from tests.processes import ROOT

CONFIG = ROOT / "tests" / "schemathesis.toml"


def run_schemathesis(
    site: Site, client: httpx.Client, *, examples: int, report: Path, only: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs all checks over the live schema as whoever `client` is signed in as; `only` is a regular
    expression for paths."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG),
        "run", f"{site.base_url}/api/schema", "--max-examples", str(examples), "--seed", "1",
        "--no-color", "--workers", "2", "--include-path-regex", only or ".",
        "-H", f"Cookie: {cookies}", "-H", f"X-CSRFToken: {client.headers['X-CSRFToken']}",
        "-H", f"Origin: {site.base_url}",
    ]  # fmt: skip
    with report.open("w") as output:
        return subprocess.run(
            command, cwd=report.parent, stdout=output, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
