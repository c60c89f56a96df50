// The chat page. A message is POSTed with fetch, because an EventSource can only GET: the request
// that charges is the one that streams, in the process that runs the turn. Without scripts the form
// posts as usual and comes back with the finished answer.

import { addAction } from "../js/actions.js";
import { reload } from "../js/connection.js";
import "./composing.js";
import { focusMessage, setMessage } from "./message.js";
import { addCopyButtons } from "./copying.js";
import "./dictation.js";
import { followAnswer } from "./following.js";
import "./instructions.js";
import "./picker.js";
import "./formulas.js";
import { stayAtEnd } from "./scrolling.js";
import "./stopping.js";
import "./titles.js";

const turns = document.getElementById("turns");

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
});

window.addEventListener("popstate", reload);
// A page from the back/forward cache shows an old key and an old price.
window.addEventListener("pageshow", (event) => event.persisted && reload());

addCopyButtons(turns);
if (turns.childElementCount) stayAtEnd();
// The address leads to the turn that is edited: once it is there, the browser takes the focus away.
if (document.getElementById("edited")) {
  window.addEventListener("load", () => setTimeout(focusMessage));
}
for (const article of document.querySelectorAll("[data-follow]")) {
  followAnswer(article.dataset.follow);
}
