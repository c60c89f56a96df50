// The page stays at the end of an answer until the reader scrolls up, and again once they return.
// What was being read is read on after a reload, though the answer comes only after the page.

import { inStorage } from "../js/page.js";
import { focusMessage } from "./message.js";

const page = document.documentElement;
const latest = document.getElementById("latest");
const keyOfPlace = () => `place of ${location.pathname}`;
/** Where the page stood before it was loaded anew, until it is long enough to stand there again. */
let place = placeBefore();
let atEnd = !location.hash && place === null;
let lastY = window.scrollY;
let isSettled = false;

// The browser would do so too, but to where the same words stood in a page that was shorter.
history.scrollRestoration = "manual";

function placeBefore() {
  const [navigation] = performance.getEntriesByType("navigation");
  const kept = inStorage("sessionStorage", (storage) => storage.getItem(keyOfPlace()));
  inStorage("sessionStorage", (storage) => storage.removeItem(keyOfPlace()));
  return kept === null || navigation?.type === "navigate" ? null : Number(kept);
}

window.addEventListener("pagehide", () => {
  if (atEnd) return;
  const stands = place ?? window.scrollY;
  inStorage("sessionStorage", (storage) => storage.setItem(keyOfPlace(), stands));
});

/** Notes where the reader has moved the page. */
function noteScroll() {
  if (place !== null) return;
  if (page.scrollHeight - window.innerHeight - window.scrollY < 32) atEnd = true;
  else if (window.scrollY < lastY) atEnd = false;
  lastY = window.scrollY;
}

window.addEventListener("scroll", noteScroll, { passive: true });

// Whoever moves the page by hand is not taken back.
for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) {
  window.addEventListener(name, () => (place = null), { passive: true });
}

export function scrollToEnd() {
  place = null;
  atEnd = true;
  window.scrollTo({ top: page.scrollHeight });
}

/** After the page has grown. */
export function stayAtEnd() {
  // The event for it may come only after the page has grown.
  noteScroll();
  if (atEnd) return scrollToEnd();
  if (place === null) return;
  window.scrollTo({ top: place });
  lastY = window.scrollY;
  if (isSettled && page.scrollHeight - window.innerHeight >= place) place = null;
}

// Scripts that run later may change what stands above, and the browser moves along with that.
window.addEventListener("load", () => {
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      isSettled = true;
      if (place !== null) stayAtEnd();
    }),
  );
});

// The composer covers the last part of the window.
new IntersectionObserver(
  ([end]) => {
    latest.hidden = end.isIntersecting || !document.getElementById("turns").childElementCount;
  },
  { rootMargin: "0px 0px -96px" },
).observe(document.getElementById("end"));

latest.addEventListener("click", () => {
  scrollToEnd();
  focusMessage();
});
