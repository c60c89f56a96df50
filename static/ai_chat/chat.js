// The chat page. A message is POSTed with fetch, because an EventSource can only GET: the request
// that charges is the one that streams, in the process that runs the turn. Without scripts the form
// posts as usual and comes back with the finished answer.

import { addAction, canRun, runAction } from "../js/actions.js";
import { reload } from "../js/connection.js";
import { setMessage } from "./composing.js";
import { addCopyButtons, questionOf } from "./copying.js";
import "./dictation.js";
import { followAnswer } from "./following.js";
import "./formulas.js";
import { stayAtEnd } from "./scrolling.js";

const turns = document.getElementById("turns");

// Escape stops an answer, unless it has something to close or a search to empty.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !canRun("stop")) return;
  if (document.querySelector(":popover-open, dialog[open]")) return;
  if (!event.target.matches("[type=search]")) runAction("stop");
});

const stopButton = () => document.querySelector(".stop");
addAction(
  "stop",
  () => stopButton().click(),
  () => stopButton() !== null,
);

const lastCopyButton = () => [...turns.querySelectorAll(".receipt [data-copy]")].at(-1);
addAction(
  "copy-answer",
  () => lastCopyButton().click(),
  () => lastCopyButton() !== undefined,
);

/** Moves the focus to the turn `step` turns after the one that is read: the last one that begins
 * above the middle of the window. */
function goToTurn(step) {
  const all = [...turns.querySelectorAll(".turn")];
  const isAbove = (turn) => turn.getBoundingClientRect().top < window.innerHeight / 2;
  const focused = all.indexOf(document.activeElement.closest(".turn"));
  const read = focused >= 0 ? focused : all.findLastIndex(isAbove);
  const turn = all[Math.min(Math.max(read + step, 0), all.length - 1)];
  turn.tabIndex = -1;
  turn.focus({ preventScroll: true });
  turn.scrollIntoView({ block: "start" });
}

const hasTurns = () => turns.childElementCount > 0;
addAction("question-before", () => goToTurn(-1), hasTurns);
addAction("question-after", () => goToTurn(1), hasTurns);

document.addEventListener("click", ({ target }) => {
  const example = target.closest("[data-try]");
  if (example) setMessage(example.dataset.try);
  const again = target.closest("[data-again]");
  if (again) setMessage(questionOf(again));
});

window.addEventListener("popstate", reload);
// A page from the back/forward cache shows an old key and an old price.
window.addEventListener("pageshow", (event) => event.persisted && reload());

addCopyButtons(turns);
if (turns.childElementCount) stayAtEnd();
for (const article of document.querySelectorAll("[data-follow]")) {
  followAnswer(article.dataset.follow);
}
