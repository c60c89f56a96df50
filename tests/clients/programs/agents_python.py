"""OpenAI's Agents SDK, which speaks Responses unless told otherwise; both."""

import asyncio
import json
import sys

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

task = json.loads(sys.argv[1])
set_tracing_disabled(True)
client = AsyncOpenAI(base_url=task["url"], api_key=task["key"])


class Weather(BaseModel):
    city: str
    degrees: int


@function_tool
def add(a: int, b: int) -> str:
    return str(a + b)


async def run(kind):
    def agent(**options):
        return Agent(name="Worker", model=kind("obedient", client), **options)

    whole = await Runner.run(agent(tools=[add]), task["tools"])
    streamed = Runner.run_streamed(agent(tools=[add]), task["tools"])
    async for _ in streamed.stream_events():
        pass
    parsed = await Runner.run(agent(output_type=Weather), task["fields"])
    assert streamed.final_output == whole.final_output
    return {"tools": whole.final_output, "parsed": parsed.final_output.model_dump()}


async def main():
    seen = await run(OpenAIChatCompletionsModel)
    assert await run(OpenAIResponsesModel) == seen
    print(json.dumps(seen))


asyncio.run(main())  # noqa: TID251 - a process of its own
