"""Instructor: a typed answer through a tool, and through a schema."""

import json
import sys

import instructor
from openai import OpenAI
from pydantic import BaseModel

task = json.loads(sys.argv[1])


class Weather(BaseModel):
    city: str
    degrees: int


def ask(mode):
    client = instructor.from_openai(OpenAI(base_url=task["url"], api_key=task["key"]), mode=mode)
    messages = [{"role": "user", "content": task["fields"]}]
    return client.create(model="obedient", messages=messages, response_model=Weather).model_dump()


parsed = ask(instructor.Mode.TOOLS)
assert ask(instructor.Mode.JSON_SCHEMA) == parsed
print(json.dumps({"parsed": parsed}))
