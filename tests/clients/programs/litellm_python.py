"""LiteLLM as a library: `openai/` and an address, and its own classes of errors."""

import json
import sys

import litellm
import openai

litellm.suppress_debug_info = True
litellm.telemetry = False
task = json.loads(sys.argv[1])
seen = {}


def ask(content, model="obedient", **options):
    messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
    return litellm.completion(
        model=f"openai/{model}",
        messages=messages,
        api_base=task["url"],
        api_key=task["key"],
        **options,
    )


answer = ask(task["hello"])
seen["whole"] = answer.choices[0].message.content
seen["usage"] = [answer.usage.prompt_tokens, answer.usage.completion_tokens]

chunks = list(ask(task["hello"], stream=True, stream_options={"include_usage": True}))
built = litellm.stream_chunk_builder(chunks)
seen["streamed"] = built.choices[0].message.content
seen["streamed_usage"] = [built.usage.prompt_tokens, built.usage.completion_tokens]

integer = {"type": "integer"}
parameters = {"type": "object", "properties": {"a": integer, "b": integer}}
tools = [{"type": "function", "function": {"name": "add", "parameters": parameters}}]
messages = [{"role": "user", "content": task["tools"]}]
for _ in range(4):
    message = ask(messages, tools=tools).choices[0].message
    messages.append(message.model_dump())
    for call in message.tool_calls or []:
        numbers = json.loads(call.function.arguments)
        result = str(numbers["a"] + numbers["b"])
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
seen["tools"] = message.content

thought = [chunk.choices[0].delta for chunk in ask("Hm.", "deepseek/reasoning", stream=True)]
seen["reasoning"] = "".join(getattr(delta, "reasoning_content", None) or "" for delta in thought)

for name, model, text in (
    ("refused", "dear", task["hello"]),
    ("failed", "obedient", task["fail"]),
    ("unknown", "nobody", task["hello"]),
):
    try:
        ask(text, model)
    except openai.APIError as error:  # the base of LiteLLM's own
        seen[name] = error.status_code
made = litellm.embedding(
    model="openai/embedder", input=["a b", "c"], api_base=task["url"], api_key=task["key"]
)
seen["embedded_float"] = made.data[1]["embedding"]

print(json.dumps(seen))
