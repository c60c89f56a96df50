// Every stream through the accumulators of the official SDK and of the AI SDK: what each comes to.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";

const task = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: task.url, apiKey: task.key, maxRetries: 0 });
const chat = createOpenAICompatible({ name: "tally", baseURL: task.url, apiKey: task.key });
const responses = createOpenAI({ baseURL: task.url, apiKey: task.key });
const parameters = { type: "object", properties: {}, additionalProperties: true };

async function official({ model, tools }) {
  const functions = tools.map((name) => ({ type: "function", function: { name, parameters } }));
  const stream = client.chat.completions.stream({
    model, messages: [{ role: "user", content: "Hi" }], ...(functions.length && { tools: functions }),
  });
  const { message } = (await stream.finalChatCompletion()).choices[0];
  const calls = (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  return { text: message.content ?? "", calls };
}

const through = (provider) => async ({ model, tools }) => {
  const offered = tools.map((name) => [name, tool({ inputSchema: jsonSchema(parameters) })]);
  let failure = null;
  const answer = streamText({
    model: provider(model), prompt: "Hi", tools: Object.fromEntries(offered), maxRetries: 0,
    onError: ({ error }) => { failure = error; },
  });
  await answer.consumeStream();
  if (failure) throw failure;
  const calls = (await answer.toolCalls).map((call) => [call.toolName, call.input]);
  return { text: await answer.text, calls };
};

const seen = {};
for (const [name, read] of Object.entries({
  official, chat: through(chat), responses: through(responses),
})) {
  seen[name] = {};
  for (const stream of task.streams) {
    seen[name][stream.model] = await read(stream).catch((error) => ({ error: String(error.message).slice(0, 200) }));
  }
}
process.stdout.write(JSON.stringify(seen));
