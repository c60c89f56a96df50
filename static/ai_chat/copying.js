// Code, questions and answers are copied with one press; without scripts they can still be selected.
// An answer is copied as the Markdown that the model wrote, with what the page shows beside it, for
// programs that take formatted text.

import { copy, copyByCommand, copyWith } from "../js/clipboard.js";
import { addTools, codeOf } from "./code.js";

const template = document.getElementById("copier").content.firstElementChild;

/** Gives each block of code, each question and each ended answer below `root` its buttons. */
export function addCopyButtons(root) {
  for (const code of root.querySelectorAll(".code:not(:has(> .tools))")) {
    addTools(code, copyButton("Copy the code"));
  }
  for (const foot of root.querySelectorAll(".question-foot:not(:has([data-copy]))")) {
    foot.append(copyButton("Copy the question"));
  }
  for (const receipt of root.querySelectorAll(".md:not(.live) + .receipt:not(:has([data-copy]))")) {
    receipt.append(copyButton("Copy the answer as Markdown"));
  }
}

/** What was asked in the turn that an element belongs to, as it was written. */
export function questionOf(element) {
  return element.closest(".turn").querySelector(".me").lastChild.textContent;
}

function copyButton(label) {
  const button = template.cloneNode(true);
  button.title = label;
  button.setAttribute("aria-label", label);
  return button;
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const answer = button.closest(".it");
  await copyWith(
    button,
    async () => {
      const text = codeOf(button) ?? (answer ? null : questionOf(button));
      const html = text === null ? formatted(answer.querySelector(".md")) : "";
      // Browsers give no clipboard to pages without HTTPS.
      if (navigator.clipboard) await copy(Promise.resolve(text ?? sourceOf(answer)), html);
      else copyByCommand(text ?? sourceAtOnce(answer), html);
    },
    "progress",
  );
});

async function sourceOf(answer) {
  const response = await fetch(answer.dataset.source, { redirect: "error" });
  if (!response.ok) throw new Error(`The source: ${response.status}`);
  return response.text();
}

/** The same while the page stands still: WebKit obeys a command to copy only while the press is being
 * handled. */
function sourceAtOnce(answer) {
  const request = new XMLHttpRequest();
  request.open("GET", answer.dataset.source, false);
  request.send();
  const isOther = !request.responseURL.endsWith(answer.dataset.source); // The page to sign in.
  if (request.status !== 200 || isOther) throw new Error(`The source: ${request.status}`);
  return request.responseText;
}

/** What is shown, as HTML without what belongs to this page alone. */
function formatted(shown) {
  const copied = shown.cloneNode(true);
  for (const tools of copied.querySelectorAll(".tools")) tools.remove();
  for (const each of copied.querySelectorAll("[class]")) each.removeAttribute("class");
  return copied.innerHTML;
}
