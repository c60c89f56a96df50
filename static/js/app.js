// Every page works without this script. It adds behaviour to elements with data-* attributes, by
// listeners on the document, so that elements which htmx adds later have it too.

import "./clipboard.js";
import { removeOthersDrafts, removeOwnDrafts } from "./drafts.js";
import "./installing.js";
import "./notifying.js";
import { announce, notify } from "./page.js";
import "./polling.js";
import { isForSession, renewSession, sessionProblem } from "./session.js";
import "./shortcuts.js";

// --- Input methods -----------------------------------------------------------------------------
// Keys that an input method takes, such as the Enter that ends a conversion, reach nothing else: no
// shortcut of ours, and no form. Safari sends that Enter after the conversion has ended, with
// isComposing false and keyCode 229.

document.addEventListener(
  "keydown",
  (event) => {
    if (!event.isComposing && event.keyCode !== 229) return;
    event.stopImmediatePropagation();
    if (event.key === "Enter") event.preventDefault();
  },
  { capture: true },
);

// --- Messages in the corner -------------------------------------------------------------------
// Shown for the event `tally:say` with {text, level}, which may come from a response's HX-Trigger
// header. `level` is success, info, warning or error; `text` may be a list with nodes.

const TOAST_MILLISECONDS = 8000;

function showToast({ text, level = "info" }) {
  const toast = document.createElement("p");
  toast.className = `toast ${level}`;
  const sentence = document.createElement("span");
  sentence.append(...[text].flat());
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "btn icon bare", textContent: "×" });
  button.dataset.dismiss = "";
  button.setAttribute("aria-label", "Dismiss");
  toast.append(sentence, button);
  document.getElementById("toasts")?.append(toast);
  removeLater(toast);
}

/** Warnings and errors stay until dismissed, the rest while the pointer or the focus is there. */
function removeLater(toast) {
  if (toast.matches(".warning, .error")) return;
  setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) removeLater(toast);
    else toast.remove();
  }, TOAST_MILLISECONDS);
}

document.querySelectorAll(".toast").forEach(removeLater);
document.addEventListener("tally:say", (event) => showToast(event.detail));
document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".toast")?.remove();
});

// --- Forms and menus --------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  const input = document.getElementById(button.dataset.reveal);
  const shown = input.type === "password";
  input.type = shown ? "text" : "password";
  button.textContent = shown ? "Hide" : "Show";
  button.setAttribute("aria-pressed", String(shown));
});

// A menu closes by Escape, which gives the focus back, or by a press elsewhere.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("[data-menu][open]");
  if (!menu) return;
  event.preventDefault();
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A form marked data-once is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
});

// --- The session ------------------------------------------------------------------------------
// A form that htmx sent and the server refused for its session is still on the page: it is sent
// again with the token of the present session, or says what to do.

document.addEventListener("htmx:responseError", async ({ detail }) => {
  const { xhr, requestConfig, elt } = detail;
  if (!elt.matches("form") || requestConfig.verb !== "post") return;
  if (isForSession(xhr.status) && !elt.dataset.renewed && (await renewSession()).isSame) {
    elt.dataset.renewed = "yes";
    return elt.requestSubmit();
  }
  delete elt.dataset.renewed;
  const text = await sessionProblem(xhr.status, xhr.getResponseHeader("Tally-Ask"));
  const problem = elt.querySelector("[role=alert]");
  if (text && problem) {
    problem.replaceChildren(...text);
    problem.hidden = false;
  } else if (text) showToast({ text, level: "error" });
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful) delete detail.elt.dataset.renewed;
});

if (document.body.dataset.user) removeOthersDrafts();
document.addEventListener("submit", ({ target }) => {
  if (target.matches("[action$='/sign-out']")) removeOwnDrafts();
});

// The back button shows the page as it was left: its forms can be sent again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("[data-once]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
  notify("credits:changed");
});

// --- The balance ------------------------------------------------------------------------------
// #meter asks and stays; the answer goes inside it. An event that comes during a request waits in
// htmx's queue, and the queue is lost with the element that asks.

let previous = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (target.id !== "meter") return;
  const [meter] = target.children;
  previous = { ...meter.dataset, isOut: meter.matches(".out") };
  if (xhr.status === 401) Object.assign(event.detail, { shouldSwap: true, isError: false });
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "meter" || !previous) return;
  announceChange(event.target.firstElementChild, previous);
  previous = null;
});

/** Announces what the reader did not cause: credits that were added, and the end of the session. */
function announceChange(meter, { remaining, isOut }) {
  if (meter.matches(".out")) return isOut || announce("You are signed out.");
  if (isOut) return notify("session:began"); // In another tab.
  const more = meter.dataset.remaining - remaining;
  if (!(more > 0)) return;
  meter.classList.add("refunded");
  announce(
    `${more} ${more === 1 ? "credit" : "credits"} more: you have ${meter.dataset.remaining}.`,
  );
}

// --- Times ------------------------------------------------------------------------------------
// Pages are written in the reader's own zone, which the server knows by this cookie from the next
// page on; until then in UTC, and the title of a time says it in the reader's own.

const ZONE = `tz=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
if (!document.cookie.split("; ").includes(ZONE)) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${ZONE}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

const LOCAL = { dateStyle: "long", timeStyle: "short" };

function addLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, LOCAL);
  }
}

addLocalTimes(document);
document.addEventListener("htmx:load", (event) => addLocalTimes(event.detail.elt));
