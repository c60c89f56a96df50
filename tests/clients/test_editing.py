"""Agents at the command line edit a file with the tools that they bring."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from credits.keys.clients import clients_for
from tests.clients.conftest import Tally
from tests.clients.environments import is_installed, run
from tests.clients.test_blocks import VARIABLES

TEXT = "Good morning"


class Agent(NamedTuple):
    """How an agent is asked, and with which tools it does what it is told."""

    client: str
    command: str
    question: str


AGENTS = {
    "codex": Agent(
        "Codex",
        "codex exec --dangerously-bypass-approvals-and-sandbox - < question",
        f'Greet. [[call exec_command {{"cmd": "cat greeting.txt"}}]]'
        f'[[call exec_command {{"cmd": "echo {TEXT} > greeting.txt"}}]]'
        f'[[call exec_command {{"cmd": "cat greeting.txt"}}]]',
    ),
    "opencode": Agent(
        "OpenCode",
        "opencode run < question",
        f'Greet. [[call read {{"filePath": "FOLDER/greeting.txt"}}]]'
        f'[[call write {{"filePath": "FOLDER/greeting.txt", "content": "{TEXT}"}}]]'
        f'[[call read {{"filePath": "FOLDER/greeting.txt"}}]]',
    ),
    "continue": Agent(
        "Continue",
        'cn --config ~/.continue/config.yaml --auto -p "$(cat question)"',
        f'Greet. [[call Read {{"filepath": "greeting.txt"}}]]'
        f'[[call Write {{"filepath": "greeting.txt", "content": "{TEXT}"}}]]'
        f'[[call Read {{"filepath": "greeting.txt"}}]]',
    ),
    "claude": Agent(
        "Claude Code",
        'claude --model claude-sonnet-5 --allowedTools Read,Write -p "$(cat question)"',
        f'Greet. [[call Read {{"file_path": "FOLDER/greeting.txt"}}]]'
        f'[[call Write {{"file_path": "FOLDER/greeting.txt", "content": "{TEXT}"}}]]'
        f'[[call Read {{"file_path": "FOLDER/greeting.txt"}}]]',
    ),
    "aider": Agent(
        "aider",
        "aider --model openai/obedient --edit-format whole --message-file question greeting.txt",
        f"[[say greeting.txt\n```\n{TEXT}\n```\n]]",
    ),
}
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("group", [*filter(is_installed, AGENTS)])
def test_an_agent_edits_a_file(tally: Tally, group: str, tmp_path: Path) -> None:
    agent = AGENTS[group]
    run(["git", "init", "--quiet"], tmp_path)
    (tmp_path / "greeting.txt").write_text("Hello\n")
    (tmp_path / "question").write_text(agent.question.replace("FOLDER", str(tmp_path)))
    # Not a name by which OpenCode chooses other tools.
    shown = clients_for(address=tally.site.base_url, secret=tally.key, model="obedient")
    *_, last = blocks = next(each.blocks for each in shown if each.name == agent.client)
    for block in blocks:
        if block.file:
            place = tmp_path / block.file.removeprefix("~/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.text)
    exports = [line for line in last.text.splitlines() if line.startswith("export ")]
    script = "\n".join([*exports, agent.command])
    done = run(["bash", "-eu", "-c", script], tmp_path, **VARIABLES)
    assert (tmp_path / "greeting.txt").read_text().strip() == TEXT, done.stdout
    steps = agent.question.count("[[call")
    results = json.dumps(tally.provider.calls[-1]["messages"])
    assert results.count('"role": "tool"') + results.count('"type": "tool_result"') == steps
    tally.assert_settled()
