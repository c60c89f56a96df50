// The AI SDK through its provider for compatible servers: zod checks every chunk.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateImage, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const task = JSON.parse(process.argv[2]);
const tally = createOpenAICompatible({
  name: "tally", baseURL: task.url, apiKey: task.key, includeUsage: true, supportsStructuredOutputs: true,
});
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
const usage = await stream.totalUsage;
seen.streamed_usage = [usage.inputTokens, usage.outputTokens];

const add = tool({
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => String(a + b),
});
const steps = streamText({ model, prompt: task.tools, tools: { add }, stopWhen: stepCountIs(5), ...quiet });
seen.tools = await steps.text;

const weather = z.object({ city: z.string(), degrees: z.number().int() });
seen.parsed = (await generateObject({ model, schema: weather, prompt: task.fields })).object;

const image = Buffer.from(task.picture.split(",")[1], "base64");
const content = [{ type: "text", text: task.look }, { type: "file", mediaType: "image/png", data: image }];
seen.pictured = (await generateText({ model, messages: [{ role: "user", content }] })).text;

seen.reasoning = await streamText({ model: tally("deepseek/reasoning"), prompt: "Hm.", ...quiet }).reasoningText;

seen.refused = await status(generateText({ model: tally("dear"), prompt: task.hello }));
seen.failed = await status(generateText({ model, prompt: task.fail }));
seen.unknown = await status(generateText({ model: tally("nobody"), prompt: task.hello }));
seen.recovered = (await generateText({ model, prompt: task.recover })).text;

const controller = new AbortController();
seen.aborted = 0;
const slow = streamText({ model, prompt: task.slow, abortSignal: controller.signal, ...quiet });
for await (const part of slow.fullStream) {
  if (part.type === "text-delta" && ++seen.aborted === 3) controller.abort();
}

const made = await embedMany({ model: tally.embeddingModel("embedder"), values: ["a b", "c"] });
seen.embedded_float = made.embeddings[1];
const drawn = await generateImage({ model: tally.imageModel("painter"), prompt: "A boat", n: 2 });
seen.painted = drawn.images.map((each) => Buffer.from(each.uint8Array).toString("latin1", 1, 4));

process.stdout.write(JSON.stringify(seen));
