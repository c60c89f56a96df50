"""The official SDK's Responses: its stream helper raises at every sequence that is not allowed."""

import json
import sys

from openai import OpenAI
from pydantic import BaseModel

task = json.loads(sys.argv[1])
client = OpenAI(base_url=task["url"], api_key=task["key"])
seen = {}


class Weather(BaseModel):
    city: str
    degrees: int


def ask(content, **options):
    return client.responses.create(model="obedient", input=content, **options)


def run(content, **options):
    """The events of a stream one after the other, and the response they amount to."""
    with client.responses.stream(model="obedient", input=content, **options) as stream:
        numbers = [event.sequence_number for event in stream]
        assert numbers == list(range(len(numbers))), numbers
        return stream.get_final_response()


answer = ask(task["hello"])
seen["whole"] = answer.output_text
seen["usage"] = [answer.usage.input_tokens, answer.usage.output_tokens]
streamed = run(task["hello"])
seen["streamed"] = streamed.output_text
seen["streamed_usage"] = [streamed.usage.input_tokens, streamed.usage.output_tokens]

INTEGER = {"type": "integer"}
ADD = {
    "type": "function",
    "name": "add",
    "strict": False,
    "parameters": {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}},
}


def outputs(response):
    calls = [item for item in response.output if item.type == "function_call"]
    numbers = [json.loads(call.arguments) for call in calls]
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": str(n["a"] + n["b"])}
        for call, n in zip(calls, numbers, strict=True)
    ]


# With everything sent each time, and with what the site keeps.
items = [{"role": "user", "content": task["tools"]}]
for _ in range(4):
    response = run(items, tools=[ADD], store=False)
    items += [item.to_dict() for item in response.output] + outputs(response)
response = ask(task["tools"], tools=[ADD])
while results := outputs(response):
    response = ask(results, tools=[ADD], previous_response_id=response.id)
assert response.output_text == items[-1]["content"][0]["text"], items[-1]
seen["tools"] = response.output_text

parsed = client.responses.parse(model="obedient", input=task["fields"], text_format=Weather)
seen["parsed"] = parsed.output_parsed.model_dump()
parts = [
    {"type": "input_text", "text": task["look"]},
    {"type": "input_image", "image_url": task["picture"], "detail": "auto"},
]
seen["pictured"] = ask([{"role": "user", "content": parts}]).output_text

thought = client.responses.create(model="deepseek/reasoning", input="Hm.")
seen["reasoning"] = "".join(
    part.text
    for item in thought.output
    if item.type == "reasoning"
    for part in item.content or item.summary
)
seen["recovered"] = ask(task["recover"]).output_text
words = 0
with ask(task["slow"], stream=True) as stream:
    for event in stream:
        words += event.type == "response.output_text.delta"
        if words == 3:
            break
seen["aborted"] = words
print(json.dumps(seen))
