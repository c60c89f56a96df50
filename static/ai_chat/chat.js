// The chat page. A message is POSTed with fetch, because an EventSource can only GET: the request that
// charges is the one that streams, in the process that runs the turn. Without this script the form posts
// as usual and comes back with the finished answer.

const composer = document.getElementById("composer");
const message = document.getElementById("message");
const turns = document.getElementById("turns");

const fragment = (html) => document.createRange().createContextualFragment(html);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const announce = (name) => document.body.dispatchEvent(new CustomEvent(name));
// Where there is no hover there is a touch keyboard, which would jump up.
const hasKeyboard = matchMedia("(hover: hover)").matches;

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
      const field = (name) =>
        lines.filter((l) => l.startsWith(`${name}: `)).map((l) => l.slice(name.length + 2));
      if (field("event").length) yield { name: field("event")[0], data: field("data").join("\n") };
    }
  }
}

// Code and answers are copied whole with one press; without this script they can still be marked.
const copier = document.getElementById("copier").content.firstElementChild;

function addCopyButtons(root) {
  for (const code of root.querySelectorAll(".code:not(:has([data-copy]))")) {
    code.prepend(copyButton("Copy the code"));
  }
  for (const receipt of root.querySelectorAll(".md:not(.live) + .receipt:not(:has([data-copy]))")) {
    receipt.append(copyButton("Copy the answer"));
  }
}

function copyButton(label) {
  const button = copier.cloneNode(true);
  button.title = label;
  button.setAttribute("aria-label", label);
  return button;
}

/** The button has no text of its own, so what is read off the page is the answer alone. */
async function copy(button) {
  const source =
    button.closest(".code")?.querySelector("code") ?? button.closest(".it").querySelector(".md");
  await navigator.clipboard.writeText(source.innerText.trim());
  button.classList.add("done");
  tell("Copied.");
  setTimeout(() => button.classList.remove("done"), 1500);
}

function placeTurn(html) {
  const section = fragment(html).querySelector(".turn");
  addCopyButtons(section);
  const known = document.getElementById(section.id);
  const hadFocus = known?.contains(document.activeElement);
  if (known) known.replaceWith(section);
  else turns.append(section);
  if (hadFocus && hasKeyboard) message.focus({ preventScroll: true });
  htmx.process(section);
  return section;
}

/** Says to those who do not look what has become of an answer. */
function tell(text) {
  document.getElementById("progress").textContent = text;
}

function tellEnd(section) {
  const words = [...section.querySelectorAll(".receipt > :is(b, span)")].map((part) =>
    part.textContent.replace("↩", "").trim(),
  );
  tell(`The answer has ended: ${words.join(", ")}.`);
}

// --- Following ------------------------------------------------------------------------------------
// The page follows an answer until the reader scrolls up, and again once they are at its end.

const room = () => document.documentElement.scrollHeight - window.innerHeight - window.scrollY;
let following = !location.hash;
let height = window.scrollY;

window.addEventListener(
  "scroll",
  () => {
    if (room() < 32) following = true;
    else if (window.scrollY < height) following = false;
    height = window.scrollY;
  },
  { passive: true },
);

function toBottom() {
  following = true;
  window.scrollTo({ top: document.documentElement.scrollHeight });
}

const latest = document.getElementById("latest");
// The composer covers the last part of the window.
new IntersectionObserver(
  ([end]) => (latest.hidden = end.isIntersecting || !turns.childElementCount),
  {
    rootMargin: "0px 0px -96px",
  },
).observe(document.getElementById("end"));
latest.addEventListener("click", () => {
  toBottom();
  if (hasKeyboard) message.focus({ preventScroll: true });
});

// Shows a turn as it comes. Returns whether it came to its end, and the section.
async function show(response) {
  let section = null;
  for await (const { name, data } of readEvents(response)) {
    if (name === "turn") {
      section = placeTurn(data);
      tell("The answer is being written.");
      toBottom();
    } else if (name === "block") {
      section.querySelector(".blocks").append(fragment(data));
      addCopyButtons(section);
    } else if (name === "tail") {
      section.querySelector(".tail").replaceChildren(fragment(data));
    } else if (name === "end") {
      section = placeTurn(data);
      tellEnd(section);
    }
    if (following) toBottom();
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
    } catch {
      /* The connection broke: the answer goes on at the server. */
    }
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
      return await fetch(composer.action, {
        method: "POST",
        body,
        headers: { Accept: "text/event-stream" },
      });
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
  // What failed at the site may have been charged before it failed; the key makes a second try free.
  if (response.status >= 500)
    return say("The site could not answer just now. Send it again: a message is charged once.");
  if (!foot)
    return say("That did not work, and nothing was charged. Reload the page and try again.");
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
  const menu = document.getElementById("conversation-menu");
  menu.querySelector("form").action = `${url}/rename`;
  menu.querySelector("a").href = `${url}/delete`;
  menu.querySelector("#title").value = title;
  menu.hidden = false;
}

function accepted(response) {
  const url = response.headers.get("HX-Push-Url");
  if (url !== location.pathname) begin(url);
  document.getElementById("welcome")?.remove();
  write("");
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
    say(
      "There is no connection. Your message is still here; if it was charged, sending it again is free.",
    );
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

function write(text) {
  message.value = text;
  resize();
  if (text || hasKeyboard) message.focus({ preventScroll: true });
}

message.addEventListener("input", resize);
message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && hasKeyboard) {
    event.preventDefault();
    composer.requestSubmit();
  }
});

// Escape stops an answer, unless it has something to close or a search to empty.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
  if (document.querySelector(":popover-open") || event.target.matches("[type=search]")) return;
  document.querySelector(".stop")?.click();
});

document.addEventListener("click", (event) => {
  const example = event.target.closest("[data-try]");
  if (example) write(example.dataset.try);
  const again = event.target.closest("[data-again]");
  if (again) write(again.closest(".turn").querySelector(".me").lastChild.textContent);
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

// --- On arrival -----------------------------------------------------------------------------------

window.addEventListener("popstate", () => location.reload());
// A page from the back/forward cache shows what was true then: its key and its price are renewed.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

addCopyButtons(turns);
if (turns.childElementCount && !location.hash) toBottom();
for (const article of document.querySelectorAll("[data-follow]")) follow(article.dataset.follow);
