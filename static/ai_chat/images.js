// The gallery. htmx sends the form and fills the cards; this is what htmx does not do.

import { isForSession } from "../js/session.js";
import "./picker.js";
import "./stopping.js";
import { keepNow, message, showProblem, tooLong, writeMessage } from "./message.js";

const form = message.form;

// A refusal is the form's foot with a sentence: shown, though its status is an error. The event
// comes from the gallery, where an answer would have gone.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.getResponseHeader("HX-Retarget") === "#image-foot") detail.shouldSwap = true;
});

form.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target !== form) return;
  showProblem(tooLong());
  if (tooLong()) event.preventDefault();
  else keepNow(form.elements.key.value);
});
form.addEventListener("htmx:sendError", () =>
  showProblem(
    "There is no connection. Your text is still here; if it was charged, sending it again is free.",
  ),
);
form.addEventListener("htmx:responseError", ({ detail }) => {
  // What is wrong with the session, js/app.js says.
  if (!detail.xhr.getResponseHeader("HX-Retarget") && !isForSession(detail.xhr.status)) {
    showProblem("That did not work. Reload the page and try again.");
  }
});

// The text is on its card now. The answer replaced the button, which gets its focus back.
form.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (target !== form) return;
  if (detail.successful) writeMessage("");
  if (document.activeElement === document.body) {
    form.querySelector("#offer button").focus({ preventScroll: true });
  }
});

document.addEventListener("click", (event) => {
  const reuse = event.target.closest("[data-reuse]");
  if (!reuse) return;
  event.preventDefault();
  writeMessage(reuse.dataset.reuse);
  message.focus();
  form.scrollIntoView({ block: "center" });
});
