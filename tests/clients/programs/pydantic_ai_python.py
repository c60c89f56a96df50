"""Pydantic AI: tools, a typed answer, a stream."""

import json
import sys

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

task = json.loads(sys.argv[1])
provider = OpenAIProvider(base_url=task["url"], api_key=task["key"])


class Weather(BaseModel):
    city: str
    degrees: int


def agent(name="obedient", **options):
    return Agent(OpenAIChatModel(name, provider=provider), **options)


def add(a: int, b: int) -> str:
    return str(a + b)


seen = {"whole": agent().run_sync(task["hello"]).output}
seen["tools"] = agent(tools=[add]).run_sync(task["tools"]).output
seen["parsed"] = agent(output_type=Weather).run_sync(task["fields"]).output.model_dump()
try:
    agent("dear").run_sync(task["hello"])
except ModelHTTPError as error:
    seen["refused"] = error.status_code
print(json.dumps(seen))
