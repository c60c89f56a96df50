// An answer that ends where nobody looks: the title has a mark until somebody does.

import { showNotice } from "../js/notifying.js";

const MARKS = { ready: "✓ ", failed: "✗ " };
const LONG = 10_000; // milliseconds

/** Says that an answer, which began so many `milliseconds` ago, has ended; of a window that is seen
 * beside another one only where that took long. */
export function sayReady(section, milliseconds) {
  const isAway = document.hidden || (milliseconds > LONG && !document.hasFocus());
  if (!isAway) return;
  const hasFailed = section.querySelector(".receipt.back") !== null;
  removeMark();
  document.title = (hasFailed ? MARKS.failed : MARKS.ready) + document.title;
  showNotice(hasFailed ? "Your answer failed" : "Your answer is ready", location.pathname);
}

function removeMark() {
  for (const mark of Object.values(MARKS)) {
    if (document.title.startsWith(mark)) document.title = document.title.slice(mark.length);
  }
}

document.addEventListener("visibilitychange", () => document.hidden || removeMark());
window.addEventListener("focus", removeMark);
