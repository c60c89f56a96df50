// The AI SDK as it is by default: Responses, and items by reference from the second step on.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const task = JSON.parse(process.argv[2]);
const tally = createOpenAI({ baseURL: task.url, apiKey: task.key });
const model = tally("obedient");
const seen = {};
const quiet = { onError: () => {} };
const status = async (promise) =>
  promise.then(() => 200, (error) => (error.lastError ?? error).statusCode);

const answer = await generateText({ model, prompt: task.hello });
seen.whole = answer.text;
seen.usage = [answer.usage.inputTokens, answer.usage.outputTokens];
const stream = streamText({ model, prompt: task.hello, ...quiet });
seen.streamed = await stream.text;

const add = tool({
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => String(a + b),
});
const ask = { model, prompt: task.tools, tools: { add }, stopWhen: stepCountIs(5) };
seen.tools = await streamText({ ...ask, ...quiet }).text;
const all = await generateText({ ...ask, providerOptions: { openai: { store: false } } });
if (all.text !== seen.tools) throw new Error(`Without items that are kept: ${all.text}`);

const schema = z.object({ city: z.string(), degrees: z.number().int() });
seen.parsed = (await generateText({ model, output: Output.object({ schema }), prompt: task.fields })).output;
const image = Buffer.from(task.picture.split(",")[1], "base64");
const content = [{ type: "text", text: task.look }, { type: "file", mediaType: "image/png", data: image }];
seen.pictured = (await generateText({ model, messages: [{ role: "user", content }] })).text;

seen.refused = await status(generateText({ model: tally("dear"), prompt: task.hello }));
seen.failed = await status(generateText({ model, prompt: task.fail }));
seen.recovered = (await generateText({ model, prompt: task.recover })).text;

const controller = new AbortController();
seen.aborted = 0;
const slow = streamText({ model, prompt: task.slow, abortSignal: controller.signal, ...quiet });
for await (const part of slow.fullStream) {
  if (part.type === "text-delta" && ++seen.aborted === 3) controller.abort();
}

process.stdout.write(JSON.stringify(seen));
