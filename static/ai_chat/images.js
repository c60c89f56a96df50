// The gallery. htmx sends the form and fills the cards; here is what it does not know.

const form = document.getElementById("paint");
const message = document.getElementById("message");

// Refusals come as the form's foot with a sentence: shown, though their status is an error. htmx
// asks at the gallery, where an answer would have gone.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.getResponseHeader("HX-Retarget") === "#image-foot") detail.shouldSwap = true;
});

function say(text) {
  const problem = document.getElementById("problem");
  problem.textContent = text;
  problem.hidden = !text;
}

const lost = () =>
  say(
    "There is no connection. Your text is still here; if it was charged, sending it again is free.",
  );
form.addEventListener("htmx:sendError", lost);
form.addEventListener("htmx:responseError", ({ detail }) => {
  if (!detail.xhr.getResponseHeader("HX-Retarget"))
    say("That did not work. Reload the page and try again.");
});
form.addEventListener("htmx:beforeRequest", ({ target }) => target === form && say(""));

// What was asked for is on its card now. The form's foot came new with it: whoever was at its button
// stays there.
form.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (target !== form) return;
  if (detail.successful) message.value = "";
  if (document.activeElement === document.body)
    form.querySelector("#offer button").focus({ preventScroll: true });
});

document.addEventListener("click", (event) => {
  const reuse = event.target.closest("[data-reuse]");
  if (!reuse) return;
  event.preventDefault();
  message.value = reuse.dataset.reuse;
  message.focus();
  form.scrollIntoView({ block: "center" });
});

message.addEventListener("keydown", (event) => {
  if (
    event.key === "Enter" &&
    !event.shiftKey &&
    !event.isComposing &&
    matchMedia("(hover: hover)").matches
  ) {
    event.preventDefault();
    if (!form.querySelector("#offer button").disabled) form.requestSubmit();
  }
});
