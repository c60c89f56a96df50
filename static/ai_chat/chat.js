// The chat page. A message is POSTed with fetch, because an EventSource can only GET: the request
// that charges is the one that streams, in the process that runs the turn. Without scripts the form
// posts as usual and comes back with the finished answer.

import { reload } from "../js/connection.js";
import "./composing.js";
import { setMessage } from "./message.js";
import { addCopyButtons } from "./copying.js";
import { followAnswer } from "./following.js";
import "./instructions.js";
import "./picker.js";
import "./formulas.js";
import { stayAtEnd } from "./scrolling.js";
import "./stopping.js";
import "./titles.js";

const turns = document.getElementById("turns");

document.addEventListener("click", ({ target }) => {
  const example = target.closest("[data-try]");
  if (example) setMessage(example.dataset.try);
});

window.addEventListener("popstate", reload);
// A page from the back/forward cache shows an old key and an old price.
window.addEventListener("pageshow", (event) => event.persisted && reload());

addCopyButtons(turns);
if (turns.childElementCount) stayAtEnd();
for (const article of document.querySelectorAll("[data-follow]")) {
  followAnswer(article.dataset.follow);
}
