// The official SDK for JavaScript: whole, streamed through its accumulator, with its tool runner.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const task = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: task.url, apiKey: task.key });
const seen = {};
const said = (content) => [{ role: "user", content }];
const ask = (content, options = {}) =>
  client.chat.completions.create({ model: "obedient", messages: said(content), ...options });
const status = async (promise) => promise.then(() => 200, (error) => error.status);

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);

const answer = await ask(task.hello);
seen.whole = answer.choices[0].message.content;
seen.usage = [answer.usage.prompt_tokens, answer.usage.completion_tokens];

const stream = client.chat.completions.stream({
  model: "obedient", messages: said(task.hello), stream_options: { include_usage: true },
});
const final = await stream.finalChatCompletion();
seen.streamed = final.choices[0].message.content;
seen.streamed_usage = [final.usage.prompt_tokens, final.usage.completion_tokens];

const add = {
  type: "function",
  function: {
    name: "add",
    parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } },
    parse: JSON.parse,
    function: ({ a, b }) => String(a + b),
  },
};
seen.tools = await client.chat.completions
  .runTools({ model: "obedient", messages: said(task.tools), tools: [add], stream: true })
  .finalContent();

const weather = z.object({ city: z.string(), degrees: z.number().int() });
const parsed = await client.chat.completions.parse({
  model: "obedient", messages: said(task.fields), response_format: zodResponseFormat(weather, "weather"),
});
seen.parsed = parsed.choices[0].message.parsed;
const look = [{ type: "text", text: task.look }, { type: "image_url", image_url: { url: task.picture } }];
seen.pictured = (await ask(look)).choices[0].message.content;

seen.reasoning = "";
for await (const chunk of await ask("Hm.", { model: "deepseek/reasoning", stream: true })) {
  seen.reasoning += chunk.choices[0]?.delta.reasoning_content ?? "";
}

seen.refused = await status(ask(task.hello, { model: "dear" }));
seen.failed = await status(ask(task.fail));
seen.unknown = await status(ask(task.hello, { model: "nobody" }));
seen.stranger = await status(new OpenAI({ baseURL: task.url, apiKey: "sk-tally_wrong" }).models.list());
seen.recovered = (await ask(task.recover)).choices[0].message.content;

seen.aborted = 0;
const slow = await ask(task.slow, { stream: true });
for await (const chunk of slow) {
  if (chunk.choices[0]?.delta.content && ++seen.aborted === 3) slow.controller.abort();
}

const input = ["a b", "c"];
seen.embedded_base64 = (await client.embeddings.create({ model: "embedder", input })).data[1].embedding;
const floats = await client.embeddings.create({ model: "embedder", input, encoding_format: "float" });
seen.embedded_float = floats.data[1].embedding;
const drawn = await client.images.generate({ model: "painter", prompt: "A boat", n: 2 });
seen.painted = drawn.data.map((each) => Buffer.from(each.b64_json, "base64").toString("latin1", 1, 4));

process.stdout.write(JSON.stringify(seen));
