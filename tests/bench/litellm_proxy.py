"""LiteLLM's proxy, to measure the site beside: in an environment of its own, without a database."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.clients import MODEL
from tests.bench.measure import row
from tests.processes import ROOT, children_of, free_port, stop
from tests.waiting import PATIENCE, wait_for

VERSION = "1.108.1"
FOLDER = ROOT / "var" / "bench-litellm"
#: Written when the installation is complete.
STAMP = FOLDER / "version.txt"
INSTALLING = 900  # seconds at most


@dataclass(frozen=True)
class LiteLLM:
    """A running proxy with one worker; `key` is what its callers send."""

    base_url: str
    key: str
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        return [self.process.pid, *children_of(self.process.pid)]


@contextmanager
def running_litellm(provider: str, folder: Path) -> Iterator[LiteLLM | None]:
    """Starts the proxy in front of the `provider`'s address. None, and a line that says why, when
    it cannot be installed or does not start."""
    if problem := _install():
        row("LiteLLM", None, "", f"measured without it: {problem}")
        yield None
        return
    log = folder / "litellm.log"
    with log.open("wb") as output:
        proxy = _start(provider, folder, output.fileno())
    try:
        if _is_ready(proxy):
            yield proxy
        else:
            print(log.read_text()[-2000:], file=sys.stderr)
            row("LiteLLM", None, "", "measured without it: it did not start")
            yield None
    finally:
        stop(proxy.process)


def _install() -> str:
    """Installs it unless it is installed; says in a few words why it cannot be."""
    if STAMP.exists() and STAMP.read_text() == VERSION:
        return ""
    print(f"Installing LiteLLM {VERSION} into {FOLDER.relative_to(ROOT)} (once)…", file=sys.stderr)
    pip = [str(FOLDER / "bin/python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
        _run([*pip, "--disable-pip-version-check", f"litellm[proxy]=={VERSION}"])
    except (OSError, subprocess.SubprocessError) as error:
        print(getattr(error, "stderr", None) or error, file=sys.stderr)
        return "it could not be installed"
    STAMP.write_text(VERSION)
    return ""


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALLING)


def _start(provider: str, folder: Path, output: int) -> LiteLLM:
    port, key = free_port(), f"sk-{secrets.token_hex(32)}"
    of_model = {"model": f"openai/{MODEL}", "api_base": provider, "api_key": "none"}
    models = [{"model_name": MODEL, "litellm_params": of_model}]
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": models}))  # JSON is YAML.
    environment = {
        **os.environ,
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # Nothing is fetched.
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
    }
    environment.pop("DATABASE_URL", None)
    command = [
        str(FOLDER / "bin/litellm"), "--config", str(config), "--host", "127.0.0.1",
        "--port", str(port), "--num_workers", "1", "--keepalive_timeout", str(round(PATIENCE)),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
    )
    return LiteLLM(f"http://127.0.0.1:{port}", key, process)


def _is_ready(proxy: LiteLLM) -> bool:
    """Waits until it answers, or has ended, or PATIENCE is over."""

    def answers() -> bool:
        try:
            answer = httpx.get(f"{proxy.base_url}/health/liveliness", trust_env=False, timeout=10)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    try:
        wait_for(lambda: answers() or proxy.process.poll() is not None, "LiteLLM", pause=0.2)
    except AssertionError:
        return False
    return proxy.process.poll() is None
