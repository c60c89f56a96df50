// The chat page. A message is POSTed with fetch, because an EventSource can only GET: the request that
// charges is the one that streams, in the process that runs the turn. Without this script the form posts
// as usual and comes back with the finished answer.

const composer = document.getElementById("composer");
const message = document.getElementById("message");
const turns = document.getElementById("turns");

const fragment = (html) => document.createRange().createContextualFragment(html);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const announce = (name) => document.body.dispatchEvent(new CustomEvent(name));

// --- Server-sent events ---------------------------------------------------------------------------

async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split("\n\n");
    buffer = events.pop();
    for (const text of events) {
      const lines = text.split("\n");
      const field = (name) => lines.filter((l) => l.startsWith(`${name}: `)).map((l) => l.slice(name.length + 2));
      if (field("event").length) yield { name: field("event")[0], data: field("data").join("\n") };
    }
  }
}

// Code is copied whole with one press; without this script it can still be marked.
function addCopyButtons(root) {
  for (const code of root.querySelectorAll(".code:not(:has([data-copy]))")) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn slim", textContent: "Copy" });
    button.dataset.copy = "";
    code.prepend(button);
  }
}

function placeTurn(html) {
  const section = fragment(html).querySelector(".turn");
  addCopyButtons(section);
  const known = document.getElementById(section.id);
  if (known) known.replaceWith(section);
  else turns.append(section);
  htmx.process(section);
  return section;
}

const atBottom = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 160;
const toBottom = () => window.scrollTo({ top: document.documentElement.scrollHeight });

// Shows a turn as it comes. Returns whether it came to its end, and the section.
async function show(response) {
  let section = null;
  for await (const { name, data } of readEvents(response)) {
    const follow = atBottom();
    if (name === "turn") {
      section = placeTurn(data);
      toBottom();
    } else if (name === "block") {
      section.querySelector(".blocks").append(fragment(data));
      addCopyButtons(section);
    } else if (name === "tail") {
      section.querySelector(".tail").replaceChildren(fragment(data));
    } else if (name === "end") {
      section = placeTurn(data);
    }
    if (follow) toBottom();
    if (name === "end") return { ended: true, section };
  }
  return { ended: false, section };
}

// Follows a turn from its beginning until it has ended, through broken connections.
async function follow(url) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const response = await fetch(url, { headers: { Accept: "text/event-stream" } });
      if (response.status === 404) return location.reload();
      if (response.ok && (await show(response)).ended) break;
    } catch { /* The connection broke: the answer goes on at the server. */ }
    await pause(wait);
  }
  announce("credits:changed");
}

// --- Sending --------------------------------------------------------------------------------------

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// The key makes a repeated POST the same message: it is charged once, however often it arrives.
async function post(body) {
  for (let tries = 1; ; tries++) {
    try {
      return await fetch(composer.action, { method: "POST", body, headers: { Accept: "text/event-stream" } });
    } catch (error) {
      if (tries === 4) throw error;
      await pause(500 * tries);
    }
  }
}

function say(text) {
  const problem = document.getElementById("problem");
  problem.textContent = text;
  problem.hidden = !text;
}

async function refuse(response) {
  const html = await response.text();
  const foot = response.status === 403 ? null : fragment(html).querySelector("#composer-foot");
  if (!foot) return say("That did not work, and nothing was charged. Reload the page and try again.");
  document.getElementById("composer-foot").replaceWith(foot);
  htmx.process(foot);
  announce("credits:changed");
}

// A conversation gets its address and its title with its first message.
function begin(url) {
  history.pushState({}, "", url);
  composer.action = url;
  const title = message.value.trim().replace(/\s+/g, " ").slice(0, 60);
  document.getElementById("conversation-title").textContent = title;
  document.title = `${title} · Tally`;
}

function accepted(response) {
  const url = response.headers.get("HX-Push-Url");
  if (url !== location.pathname) begin(url);
  document.getElementById("welcome")?.remove();
  message.value = "";
  resize();
  composer.elements.key.value = newKey();
  announce("credits:changed");
  announce("conversations:changed");
}

async function send() {
  composer.classList.add("sending");
  composer.setAttribute("aria-busy", "true");
  say("");
  try {
    const response = await post(new URLSearchParams(new FormData(composer)));
    if (response.redirected) return location.assign(response.url);
    if (!response.ok) return await refuse(response);
    accepted(response);
    const { ended, section } = await show(response).catch(() => ({ ended: false, section: null }));
    if (ended) announce("credits:changed");
    else if (section) await follow(section.querySelector("[data-follow]").dataset.follow);
    else location.reload();
  } catch {
    say("There is no connection. Your message is still here; if it was charged, sending it again is free.");
  } finally {
    composer.classList.remove("sending");
    composer.removeAttribute("aria-busy");
  }
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = composer.querySelector("#offer button");
  if (!composer.classList.contains("sending") && !button.disabled) send();
});

// --- Writing --------------------------------------------------------------------------------------

function resize() {
  message.rows = Math.min(10, Math.max(2, message.value.split("\n").length));
  const left = message.maxLength - message.value.length;
  const count = document.getElementById("count");
  count.hidden = left > 500;
  count.textContent = `${left.toLocaleString()} characters left`;
}

message.addEventListener("input", resize);
message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && matchMedia("(hover: hover)").matches) {
    event.preventDefault();
    composer.requestSubmit();
  }
});

document.addEventListener("click", async (event) => {
  const example = event.target.closest("[data-try]");
  if (example) {
    message.value = example.dataset.try;
    resize();
    message.focus();
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.closest(".code").querySelector("code").textContent);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  }
});

// --- On arrival -----------------------------------------------------------------------------------

window.addEventListener("popstate", () => location.reload());
// A page from the back/forward cache shows what was true then: its key and its price are renewed.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

addCopyButtons(turns);
if (turns.childElementCount) toBottom();
for (const article of document.querySelectorAll("[data-follow]")) follow(article.dataset.follow);
