"""The official SDK: whole, streamed, with its accumulators, its parser and its retries."""

import base64
import json
import sys

import openai
from openai import NOT_GIVEN, OpenAI
from pydantic import BaseModel

task = json.loads(sys.argv[1])
client = OpenAI(base_url=task["url"], api_key=task["key"])
chat = client.chat.completions
seen = {}


def said(text, picture=None):
    parts = [{"type": "text", "text": text}]
    if picture:
        parts.append({"type": "image_url", "image_url": {"url": picture}})
    return [{"role": "user", "content": parts if picture else text}]


def ask(text, model="obedient", **options):
    return chat.create(model=model, messages=said(text), **options)


class Weather(BaseModel):
    city: str
    degrees: int


seen["models"] = [model.id for model in client.models.list()]
seen["model"] = client.models.retrieve("deepseek/reasoning").id

answer = ask(task["hello"])
seen["whole"] = answer.choices[0].message.content
seen["usage"] = [answer.usage.prompt_tokens, answer.usage.completion_tokens]

with chat.stream(
    model="obedient", messages=said(task["hello"]), stream_options={"include_usage": True}
) as stream:
    events = [event.type for event in stream]
    final = stream.get_final_completion()
seen["streamed"] = final.choices[0].message.content
seen["streamed_usage"] = [final.usage.prompt_tokens, final.usage.completion_tokens]

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        },
    },
}
messages = said(task["tools"])
for streamed in (False, True, False, True):
    if streamed:
        with chat.stream(model="obedient", messages=messages, tools=[ADD]) as stream:
            message = stream.until_done().get_final_completion().choices[0].message
    else:
        message = chat.create(model="obedient", messages=messages, tools=[ADD]).choices[0].message
    messages.append(message.to_dict())
    for call in message.tool_calls or []:
        numbers = json.loads(call.function.arguments)
        result = str(numbers["a"] + numbers["b"])
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
seen["tools"] = message.content

parsed = chat.parse(model="obedient", messages=said(task["fields"]), response_format=Weather)
seen["parsed"] = parsed.choices[0].message.parsed.model_dump()
seen["pictured"] = (
    chat.create(model="obedient", messages=said(task["look"], task["picture"]))
    .choices[0]
    .message.content
)
thought = [
    getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
    for chunk in ask("Hm.", model="deepseek/reasoning", stream=True)
    if chunk.choices
]
seen["reasoning"] = "".join(thought)

for name, model, text in (
    ("refused", "dear", task["hello"]),
    ("failed", "obedient", task["fail"]),
    ("unknown", "nobody", task["hello"]),
):
    try:
        ask(text, model=model)
    except openai.APIStatusError as error:
        seen[name] = error.status_code
try:
    OpenAI(base_url=task["url"], api_key="sk-tally_wrong").models.list()
except openai.AuthenticationError as error:
    seen["stranger"] = error.status_code
seen["recovered"] = ask(task["recover"]).choices[0].message.content

with ask(task["slow"], stream=True) as stream:
    words = 0
    for chunk in stream:
        words += bool(chunk.choices and chunk.choices[0].delta.content)
        if words == 3:
            break
seen["aborted"] = words

for encoding in (NOT_GIVEN, "float"):
    made = client.embeddings.create(model="embedder", input=["a b", "c"], encoding_format=encoding)
    seen[f"embedded_{encoding or 'base64'}"] = made.data[1].embedding
drawn = client.images.generate(model="painter", prompt="A boat", n=2)
seen["painted"] = [base64.b64decode(each.b64_json)[1:4].decode() for each in drawn.data]

print(json.dumps(seen))
