/** The server-sent events of a response as `{ name, data }`; events without a name are left out. */
export async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split("\n\n");
    buffer = events.pop();
    for (const event of events.map(parse)) if (event.name) yield event;
  }
}

function parse(event) {
  const values = (field) =>
    event
      .split("\n")
      .filter((line) => line.startsWith(`${field}: `))
      .map((line) => line.slice(field.length + 2));
  return { name: values("event")[0], data: values("data").join("\n") };
}
