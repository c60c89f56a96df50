// Messages that are written while an answer comes: shown above the composer, kept with the drafts of
// this browser, and sent in their order when the answer has ended well. Until then they cost nothing.
// They belong to the window that they were written in.

import { keepDraft, readDraft } from "../js/drafts.js";
import { announce, fragment, newKey, notify } from "../js/page.js";
import { message, setMessage } from "./message.js";

const list = document.getElementById("queue");
const template = document.getElementById("queued").innerHTML;
const composer = message.form;
// What the composer's form says now, and what belonged to the message when it was queued.
const PRESENT = new Set(["csrfmiddlewaretoken", "as", "model", "price", "price_version"]);
const OTHERS = new Set(["message", "key", "mode", "shown", "image_price", "image_model", "size"]);
OTHERS.add("count");

const RELOADING = 2000; // milliseconds
const WHY = {
  waiting: "sends when this answer ends",
  stopped: "not sent: you stopped the answer",
  failed: "not sent: the answer failed",
  reloaded: "not sent: the answer ended while this page was closed",
  refused: "not sent: see below",
};

let items = []; // { text, key, extras }
let why = "waiting";
let place = ""; // The path that they are kept under.
let release = null; // Lets other windows have messages of their own in this chat.

/** Whether an answer is being written here, or images are being made that this page asked for. */
export const isAnswering = () => composer.classList.contains("sending") || isBeingWritten();

const isBeingWritten = () => document.querySelector("#turns [data-source][data-follow]") !== null;

/** Takes the composer's message; false where another window has some waiting in this chat. */
export async function queueMessage() {
  const text = message.value.trim();
  if (!text) return true;
  if (!(await own())) return false;
  const extras = [...new FormData(composer)].filter(
    ([name, value]) => typeof value === "string" && !PRESENT.has(name) && !OTHERS.has(name),
  );
  items.push({ text, key: newKey(), extras });
  setMessage("");
  notify("message:sent");
  keep();
  announce("Queued. It is sent when this answer ends.", "progress");
  sendNext();
  return true;
}

// --- Keeping ----------------------------------------------------------------------------------

const draftPlace = () => `${location.pathname}#queue`;

function keep() {
  const now = draftPlace();
  // A chat gets its address with its first message.
  if (place && place !== now) {
    keepDraft(place, { text: "" });
    letGo();
    own();
  }
  place = now;
  keepDraft(place, { text: items.length ? "queued" : "", items });
  if (!items.length) {
    why = "waiting";
    letGo();
  }
  show();
}

/** Whether this window has the queue of this chat; asks for it, for so many milliseconds. */
function own(patience = 0) {
  if (release || !navigator.locks) return Promise.resolve(true);
  const name = `queue:${document.body.dataset.user}:${location.pathname}`;
  const how = patience ? { signal: AbortSignal.timeout(patience) } : { ifAvailable: true };
  return new Promise((resolve) => {
    const asked = navigator.locks.request(name, how, (lock) => {
      resolve(lock !== null);
      return lock && new Promise((done) => (release = done));
    });
    asked.catch(() => resolve(false));
  });
}

function letGo() {
  release?.();
  release = null;
}

async function restore() {
  const kept = readDraft(draftPlace());
  // The page that was here before a reload may still have it.
  if (!kept?.items?.length || !(await own(RELOADING))) return;
  place = draftPlace();
  // What was read before the window had it may have been sent by the one that had it.
  items = readDraft(place)?.items ?? [];
  if (!isAnswering()) why = "reloaded";
  keep();
}

// --- Showing ----------------------------------------------------------------------------------

function show() {
  list.hidden = !items.length;
  list.replaceChildren(...items.map(row));
  showCost();
}

function row(item, number) {
  const form = fragment(template).firstElementChild;
  form.querySelector(".queued-text").textContent = item.text;
  form.querySelector(".why").textContent = number && why === "waiting" ? "sends in turn" : WHY[why];
  form.classList.toggle("held", why !== "waiting");
  form.querySelector("[data-now]").hidden = why === "waiting" || number > 0;
  form.elements.message.value = item.text;
  form.elements.key.value = item.key;
  for (const [name, value] of item.extras) form.append(hidden(name, value));
  return form;
}

function hidden(name, value) {
  return Object.assign(document.createElement("input"), { type: "hidden", name, value });
}

/** What each costs by today's button. */
function showCost() {
  const words = composer.querySelector("#offer .for-text .price")?.textContent ?? "";
  for (const cost of list.querySelectorAll(".cost")) cost.textContent = words && `· about ${words}`;
}

document.body.addEventListener(
  "htmx:afterSwap",
  ({ target }) => target.id === "offer" && showCost(),
);

// --- Sending ----------------------------------------------------------------------------------

document.body.addEventListener("answer:ended", ({ detail }) => {
  if (!items.length) return;
  if (detail === "stopped") why = "stopped";
  else if (detail === "failed") why = "failed";
  show();
  sendNext();
});
document.body.addEventListener("composer:free", () => sendNext());

function sendNext() {
  if (!items.length || why !== "waiting" || isAnswering()) return;
  const form = list.querySelector(".queued");
  const button = composer.querySelector("#offer .for-text button");
  if (!button || button.disabled) hold("refused");
  else form.requestSubmit();
}

function hold(reason) {
  why = reason;
  announce(`A queued message was ${WHY[reason]}.`, "progress");
  show();
}

// Before it is sent: to where the composer sends, at the price that its button says.
list.addEventListener(
  "submit",
  ({ target }) => {
    target.action = composer.action;
    for (const old of target.querySelectorAll(".present")) old.remove();
    for (const [name, value] of new FormData(composer)) {
      if (!PRESENT.has(name)) continue;
      const input = hidden(name, value);
      input.className = "present";
      target.append(input);
    }
  },
  true,
);

list.addEventListener("message:taken", ({ target }) => {
  items = items.filter((each) => each.key !== target.elements.key.value);
  why = "waiting";
  keep();
});
list.addEventListener("message:refused", () => hold("refused"));

list.addEventListener("click", ({ target }) => {
  const form = target.closest(".queued");
  const item = items.find((each) => each.key === form?.elements.key.value);
  if (!item || !target.closest("[data-edit], [data-cancel]")) return;
  items = items.filter((each) => each !== item);
  if (target.closest("[data-edit]")) {
    setMessage([item.text, message.value].filter(Boolean).join("\n\n"));
    const files = item.extras.filter(([name]) => name === "attachment").map(([, id]) => id);
    notify("files:back", files, composer);
  }
  message.focus({ preventScroll: true });
  keep();
});

restore();
