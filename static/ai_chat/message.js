// The field for a message or a description of an image, and the sentence below it.

import { hasKeyboard } from "../js/page.js";

export const message = document.getElementById("message");

export function focusMessage() {
  if (hasKeyboard) message.focus({ preventScroll: true });
}

/** Shows why something could not be sent; an empty text hides it. */
export function showProblem(text) {
  const problem = document.getElementById("problem");
  problem.textContent = text;
  problem.hidden = !text;
}

message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && hasKeyboard) {
    event.preventDefault();
    if (!message.form.querySelector("#offer button").disabled) message.form.requestSubmit();
  }
});
