"""What docs/clients.md says to paste works as it stands there."""

import re
from pathlib import Path

import pytest

from credits.keys.clients import Block, clients_for
from tests.clients.conftest import Tally
from tests.clients.environments import FOLDER, is_installed, node_folder, run

#: The group of each client in requirements/clients.toml; "" needs nothing more.
GROUPS = {
    "curl": "",
    "OpenAI SDK for Python": "openai",
    "OpenAI SDK for JavaScript": "sdks",
    "AI SDK": "sdks",
    "LangChain": "langchain",
    "LiteLLM": "litellm",
    "OpenAI Agents SDK": "agents",
    "Codex": "codex",
    "aider": "aider",
    "Continue": "continue",
    "OpenCode": "opencode",
    "llm": "llm",
    "Claude Code": "claude",
    "Anthropic SDK": "anthropic",
    "A web page": "sdks",
}
#: Two gigabytes of packages.
NOT_RUN = {"Open WebUI"}
#: A client's own wishes: no questions, nothing fetched.
VARIABLES = {
    "AIDER_YES_ALWAYS": "1",
    "AIDER_CHECK_UPDATE": "0",
    "AIDER_ANALYTICS_DISABLE": "1",
    "AIDER_SHOW_MODEL_WARNINGS": "0",
    "AIDER_GITIGNORE": "0",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}


def command_of(block: Block, client: str, place: Path) -> list[str]:
    """What runs a block: itself as a file, beside the packages where it is JavaScript."""
    if block.language == "js":
        module = FOLDER / "sdks" / "block.mjs"
        module.write_text(block.text)
        return [str(node_folder() / "bin" / "node"), str(module)]
    (place / "block").write_text(block.text)
    if block.language == "python":
        return [str(FOLDER / GROUPS[client] / "bin" / "python"), str(place / "block")]
    return ["bash", "-eu", str(place / "block")]


def test_every_client_is_run_or_named() -> None:
    clients = {client.name for client in clients_for(address="https://tally.example")}
    assert clients == {*GROUPS, *NOT_RUN}


@pytest.mark.slow
@pytest.mark.parametrize(
    "client", [name for name, group in GROUPS.items() if not group or is_installed(group)]
)
def test_what_is_to_be_pasted_works(tally: Tally, client: str, tmp_path: Path) -> None:
    run(["git", "init", "--quiet"], tmp_path)
    shown = clients_for(address=tally.site.base_url, secret=tally.key)
    blocks = next(each.blocks for each in shown if each.name == client)
    for block in blocks:
        if block.file:
            place = tmp_path / block.file.removeprefix("~/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.text)
            continue
        before = len(tally.provider.calls)
        done = run(command_of(block, client, tmp_path), tmp_path, **VARIABLES)
        # OpenCode puts the question between quotation marks, Claude Code what it knows before it.
        assert re.search(r'You said: .*"?Say hello\.', done.stdout, re.DOTALL), done.stdout
        assert len(tally.provider.calls) > before
    tally.assert_settled()
