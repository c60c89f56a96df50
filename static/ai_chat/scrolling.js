// The page stays at the end of an answer until the reader scrolls up, and again once they return.

import { focusMessage } from "./message.js";

const page = document.documentElement;
const latest = document.getElementById("latest");
let atEnd = !location.hash;
let lastY = window.scrollY;

window.addEventListener(
  "scroll",
  () => {
    if (page.scrollHeight - window.innerHeight - window.scrollY < 32) atEnd = true;
    else if (window.scrollY < lastY) atEnd = false;
    lastY = window.scrollY;
  },
  { passive: true },
);

export function scrollToEnd() {
  atEnd = true;
  window.scrollTo({ top: page.scrollHeight });
}

/** After the page has grown. */
export function stayAtEnd() {
  if (atEnd) scrollToEnd();
}

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
