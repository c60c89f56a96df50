// A React client's chat without React: the AI SDK's own Chat class and transport, as `useChat` uses them.
// Started by test_ai_sdk.py with one JSON argument; prints what the client saw as JSON.
import { AbstractChat, DefaultChatTransport, readUIMessageStream } from "ai";

const { url, headers, texts, body, stopAfter, resumed } = JSON.parse(process.argv[2]);

class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => { this.messages = [...this.messages, message]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (index, message) => { this.messages = this.messages.with(index, structuredClone(message)); };
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor(init) {
    super({ ...init, state: new State() });
  }
}

const transport = new DefaultChatTransport({ api: `${url}/api/ai/chat`, headers, body });
const seen = { errors: [], finished: [] };
const chat = new Chat({
  id: "npm-chat",
  transport,
  onError: (error) => seen.errors.push(error.message),
  onFinish: ({ isAbort, isError, isDisconnect, finishReason }) => seen.finished.push({ isAbort, isError, isDisconnect, finishReason }),
});

const textOf = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");

for (const text of texts) {
  const sending = chat.sendMessage({ text });
  if (stopAfter) {
    while (!(chat.lastMessage?.role === "assistant" && textOf(chat.lastMessage).split(" ").length > stopAfter)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await chat.stop();
  }
  await sending;
}

// A page that was loaded anew: it follows the answer that is being written, if there is one, and stops
// it for everybody once it has seen so many words.
if (resumed) {
  let ended = false;
  const following = chat.resumeStream().finally(() => { ended = true; });
  while (!ended && !(chat.lastMessage && textOf(chat.lastMessage).trim().split(" ").length >= resumed)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (!ended) await fetch(`${url}/api/ai/chat/npm-chat/stop`, { method: "POST", headers });
  await following;
}

// The reader for those without a Chat: it yields the message as it grows.
async function read(text) {
  const messages = [{ id: "u", role: "user", parts: [{ type: "text", text }] }];
  const stream = await transport.sendMessages({ chatId: "reader", messages, trigger: "submit-message", messageId: undefined });
  let last = null;
  for await (const message of readUIMessageStream({ stream })) last = message;
  return last;
}
if (!stopAfter && !resumed && !seen.errors.length) seen.read = textOf(await read("Read this"));

process.stdout.write(JSON.stringify({ ...seen, status: chat.status, messages: chat.messages }));
