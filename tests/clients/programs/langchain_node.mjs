// LangChain for JavaScript, whose streams ask for usage.
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";

const task = JSON.parse(process.argv[2]);
const configuration = { baseURL: task.url };
const chat = (model = "obedient") => new ChatOpenAI({ model, apiKey: task.key, configuration });
const seen = {};
const status = async (promise) => promise.then(() => 200, (error) => error.status);

const answer = await chat().invoke(task.hello);
seen.whole = answer.content;
seen.usage = [answer.usage_metadata.input_tokens, answer.usage_metadata.output_tokens];

let gathered;
for await (const chunk of await chat().stream(task.hello)) gathered = gathered ? gathered.concat(chunk) : chunk;
seen.streamed = gathered.content;
seen.streamed_usage = [gathered.usage_metadata.input_tokens, gathered.usage_metadata.output_tokens];

const add = tool(({ a, b }) => String(a + b), { name: "add", schema: z.object({ a: z.number(), b: z.number() }) });
const bound = chat().bindTools([add]);
const messages = [new HumanMessage(task.tools)];
for (let step = 0; step < 4; step++) {
  const message = await bound.invoke(messages);
  messages.push(message);
  for (const call of message.tool_calls) {
    messages.push(new ToolMessage({ content: await add.invoke(call.args), tool_call_id: call.id }));
  }
}
seen.tools = messages.at(-1).content;

const weather = z.object({ city: z.string(), degrees: z.number() });
seen.parsed = await chat().withStructuredOutput(weather).invoke(task.fields);
seen.refused = await status(chat("dear").invoke(task.hello));
seen.recovered = (await chat().invoke(task.recover)).content;
const embeddings = new OpenAIEmbeddings({ model: "embedder", apiKey: task.key, configuration });
seen.embedded_float = (await embeddings.embedDocuments(["a b", "c"]))[1];

process.stdout.write(JSON.stringify(seen));
