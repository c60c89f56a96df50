// What pages do when the site cannot be reached, or asks them to wait: they stay, say so, and try
// again, later each time; never while nobody looks.

import { announce } from "./page.js";

const FIRST_WAIT = 500; // milliseconds
const LONGEST_WAIT = 8000;

export const RECONNECTING = "Reconnecting…";
export const UNREACHABLE = "The site cannot be reached. Trying again…";
export const GONE = "This was deleted meanwhile.";

/** Milliseconds before the next try: what the answer says in Retry-After (seconds), else twice as
 * long after each failure. Not all pages come back in the same moment. */
export function timeToWait(failures, retryAfter) {
  const share = 0.5 + Math.random() / 2;
  if (Number(retryAfter) > 0) return retryAfter * 1000 * (1 + share / 10);
  return Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT) * share;
}

/** Resolves after so many milliseconds, but not while the page is hidden. When the network or the
 * reader comes back sooner, that ends a wait which `mayBeShorter`. */
export function waitAwake(milliseconds, mayBeShorter = true) {
  return new Promise((resolve) => {
    let isOver = false;
    const listening = new AbortController();
    const look = () => {
      if (document.hidden || !isOver) return;
      listening.abort();
      resolve();
    };
    const end = () => {
      isOver = true;
      look();
    };
    setTimeout(end, milliseconds);
    document.addEventListener("visibilitychange", mayBeShorter ? end : look, listening);
    if (!mayBeShorter) return;
    for (const name of ["online", "pageshow"]) window.addEventListener(name, end, listening);
  });
}

/** Loads the page anew once the site can be reached: until then there would be the browser's own
 * error page instead of this one. */
export async function reload() {
  for (let failures = 0; ; failures++) {
    try {
      await fetch("/healthz", { cache: "no-store" });
      return location.reload();
    } catch {
      await waitAwake(timeToWait(failures));
    }
  }
}

/** Says in `element` what is wrong with its connection, in place of how far it is: a text or nodes,
 * said aloud where the page has the live region `region`. Nothing takes the sign away. */
export function showSign(element, content = "", region = "said") {
  const shown = element.querySelector(".lost");
  if (!content) return shown?.remove();
  const sign = document.createElement("span");
  sign.className = "lost";
  sign.append(...[content].flat());
  if (shown?.textContent === sign.textContent) return;
  announce(sign.textContent, region);
  const progress = element.querySelector(".writing");
  if (shown) shown.replaceWith(sign);
  else if (progress) progress.after(sign);
  else element.prepend(sign);
}

/** The sentence for somebody whose session has ended, with the link that begins another. */
export function signedOutSign() {
  const link = document.createElement("a");
  link.href = `/sign-in?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in again";
  return ["You are signed out. ", link];
}

/** Resolves when the meter finds that somebody is signed in again (js/polling.js). */
export const signedInAgain = () =>
  new Promise((resolve) =>
    document.body.addEventListener("session:began", resolve, { once: true }),
  );
