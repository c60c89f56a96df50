// The server-sent events of a response, as long as its connection lives.

/** Milliseconds without a byte after which a connection counts as lost. The server says something at
 * least every five seconds (HEARTBEAT_SECONDS in ai_chat/pages/streams.py). */
export const SILENCE = 11_000;

/** The events as `{ name, data }`; events without a name are left out. Ends with the response, or
 * when the connection is lost: one may stay open without ever bringing a byte again. */
export async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const wire = watchSilence(() => reader.cancel().catch(() => {}));
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      wire.heard();
      buffer += value;
      const events = buffer.split("\n\n");
      buffer = events.pop();
      for (const event of events.map(parse)) if (event.name) yield event;
    }
  } finally {
    wire.stop();
  }
}

/** Calls `lost` once it was silent for too long, by the clock: timers stand still while a tab is
 * frozen or the machine sleeps. After a change of network the old connection is dead for sure. */
function watchSilence(lost) {
  let last = Date.now();
  const look = () => Date.now() - last > SILENCE && lost();
  const timer = setInterval(look, 1000);
  const listening = new AbortController();
  document.addEventListener("visibilitychange", look, listening);
  window.addEventListener("pageshow", look, listening);
  window.addEventListener("online", lost, listening);
  return {
    heard: () => (last = Date.now()),
    stop: () => {
      clearInterval(timer);
      listening.abort();
    },
  };
}

function parse(event) {
  const values = (field) =>
    event
      .split("\n")
      .filter((line) => line.startsWith(`${field}: `))
      .map((line) => line.slice(field.length + 2));
  return { name: values("event")[0], data: values("data").join("\n") };
}
