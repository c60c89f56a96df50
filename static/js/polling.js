// What htmx asks for by itself, again and again: it waits while nobody looks, nobody is signed in or
// the site cannot be reached, and says so where it has a place for that (`data-poll`).

import {
  GONE,
  RECONNECTING,
  showSign,
  signedOutSign,
  timeToWait,
  waitAwake,
} from "./connection.js";
import { notify, say } from "./page.js";

const LATE = 15_000; // milliseconds after which a poll without an answer is given up
/** Per element: its failures in a row, and whether it waits for its next try or has ended. */
const polls = new WeakMap();

const isPoll = (element) => element.matches("[data-poll], [hx-trigger*='every ']");
const isOut = () => document.querySelector("#meter .out") !== null;
/** Asked for by the clock, not by somebody's press or by an event. */
const isByClock = ({ requestConfig }) => !requestConfig.triggeringEvent;

document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (isPoll(detail.elt)) detail.timeout = LATE;
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, requestConfig } = event.detail;
  if (!isPoll(elt)) return;
  const isMeter = elt.id === "meter";
  const { isWaiting, hasEnded } = polls.get(elt) ?? {};
  // Somebody may have signed in in another tab: the meter asks when this one gets the focus.
  const mayFindSession = isMeter && requestConfig.triggeringEvent?.type === "focus";
  const isIdle = isByClock(event.detail) && (document.hidden || isWaiting);
  if (isIdle || hasEnded || (isOut() && !mayFindSession)) event.preventDefault();
});

// To a poll the sign-in page is no answer: the page stays, with all that was typed into it.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, xhr } = event.detail;
  const isSignIn = xhr.getResponseHeader("HX-Redirect")?.startsWith("/sign-in");
  if (!isPoll(elt) || !(xhr.status === 401 || isSignIn)) return;
  if (elt.id === "meter") return;
  event.preventDefault();
  if ("poll" in elt.dataset) showSign(elt, signedOutSign(), null);
  notify("credits:changed"); // The meter says it.
});

document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, successful } }) => {
  const hasFailed = xhr.status === 0 || (xhr.status >= 400 && xhr.status !== 401);
  if (successful && polls.delete(elt)) showSign(elt);
  else if (hasFailed && isPoll(elt)) retryLater(elt, xhr);
  else if (hasFailed && !elt.querySelector("[role=alert]")) sayFailure(xhr.status);
});

async function retryLater(element, xhr) {
  const { failures = 0 } = polls.get(element) ?? {};
  const hasEnded = xhr.status === 404 || xhr.status === 410;
  polls.set(element, { failures: failures + 1, isWaiting: true, hasEnded });
  if ("poll" in element.dataset) showSign(element, hasEnded ? GONE : RECONNECTING);
  if (hasEnded) return element.removeAttribute("aria-busy");
  const after = xhr.getResponseHeader("Retry-After");
  await waitAwake(timeToWait(failures, after), !after);
  if (polls.has(element)) polls.get(element).isWaiting = false;
  htmx.trigger(element, "poll:again"); // For what no clock asks for.
}

/** What somebody pressed did nothing; the page has no other place that says so. */
function sayFailure(status) {
  const text =
    status === 0
      ? "The site cannot be reached. Try again in a moment."
      : status >= 500 && "The site could not answer just now. Try again in a moment.";
  if (text) say(text, "error");
}

// Who comes back sees what is true now.
for (const [target, name] of [
  [document, "visibilitychange"],
  [window, "online"],
]) {
  target.addEventListener(name, () => document.hidden || notify("credits:changed"));
}
