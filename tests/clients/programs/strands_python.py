"""Strands Agents: streamed, with tools."""

import json
import sys

from strands import Agent, tool
from strands.models.openai import OpenAIModel

task = json.loads(sys.argv[1])


@tool
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


model = OpenAIModel(
    client_args={"base_url": task["url"], "api_key": task["key"]}, model_id="obedient"
)
answer = Agent(model=model, tools=[add], callback_handler=None)(task["tools"])
print(json.dumps({"tools": str(answer).strip()}))
