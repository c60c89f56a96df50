"""What each client sees of a site, run by a program of `programs/` in the client's environment."""

from pathlib import Path

import pytest

from tests.clients.conftest import TASK, Tally
from tests.clients.environments import is_installed
from tests.waiting import wait_for

#: Programs by the group of their client.
PROGRAMS = [
    ("openai", "openai_python.py"),
    ("openai", "responses_python.py"),
    ("litellm", "litellm_python.py"),
    ("agents", "agents_python.py"),
    ("pydantic_ai", "pydantic_ai_python.py"),
    ("instructor", "instructor_python.py"),
    ("smolagents", "smolagents_python.py"),
    ("strands", "strands_python.py"),
    ("dspy", "dspy_python.py"),
    ("crewai", "crewai_python.py"),
    ("sdks", "openai_node.mjs"),
    ("sdks", "ai_sdk.mjs"),
    ("sdks", "ai_sdk_responses.mjs"),
    ("sdks", "langchain_node.mjs"),
]
HELLO = f"You said: {TASK['hello']}"
VECTOR = [0.25, -0.5, 1.0]
#: What there is to see; each client sees a part of it.
SEEN = {
    "model": "deepseek/reasoning",
    "whole": HELLO,
    "usage": [2, 4],
    "streamed": HELLO,
    "streamed_usage": [2, 4],
    "tools": "The tools said: 3, 7, 11.",
    "ended": "It is over.",
    "parsed": {"city": "Oslo", "degrees": 21},
    "pictured": f"You said: {TASK['look']} With 1 image.",
    "reasoning": "Compare the decimals",
    "refused": 402,
    "failed": 502,
    "unknown": 404,
    "stranger": 401,
    "recovered": f"You said: {TASK['recover']}",
    "aborted": 3,
    "embedded_base64": VECTOR,
    "embedded_float": VECTOR,
    "painted": ["PNG", "PNG"],
}
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("group", "program"), [each for each in PROGRAMS if is_installed(each[0])])
def test_a_client_sees_what_there_is(
    tally: Tally, group: str, program: str, tmp_path: Path
) -> None:
    seen = tally.run(group, program, tmp_path)
    models = seen.pop("models", None)
    assert models is None or {"obedient", "deepseek/reasoning", "painter"} <= set(models)
    assert seen == {name: SEEN[name] for name in seen}
    assert seen, "The program did nothing."
    # Each of these SDKs tries three times, and each time is a call of its own.
    assert tally.times_asked(TASK["fail"]) == (3 if "failed" in seen else 0)
    left = int("aborted" in seen)
    wait_for(lambda: tally.provider.left == left, "the provider to be left")
    tally.assert_settled()
