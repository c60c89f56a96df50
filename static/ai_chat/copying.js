// Code and answers are copied with one press; without scripts they can still be selected.

import { announce } from "../js/page.js";

const template = document.getElementById("copier").content.firstElementChild;

/** Gives each block of code and each ended answer below `root` its button. */
export function addCopyButtons(root) {
  for (const code of root.querySelectorAll(".code:not(:has([data-copy]))")) {
    code.prepend(copyButton("Copy the code"));
  }
  for (const receipt of root.querySelectorAll(".md:not(.live) + .receipt:not(:has([data-copy]))")) {
    receipt.append(copyButton("Copy the answer"));
  }
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
  const source = button.closest(".code")?.querySelector("code");
  const { innerText } = source ?? button.closest(".it").querySelector(".md");
  await navigator.clipboard.writeText(innerText.trim());
  button.classList.add("done");
  announce("Copied.", "progress");
  setTimeout(() => button.classList.remove("done"), 1500);
});
