// Keyboard shortcuts of every page: templates/keyboard.html lists them.

import { addAction, canRun, runAction } from "./actions.js";
import { hasOneKeyShortcuts, switchOneKeyShortcuts } from "./one_key.js";

const isMac = /mac|iphone|ipad/i.test(navigator.platform);
const dialog = document.getElementById("keyboard");

/** Typed into by letters: a shortcut of one key would take them away. */
const isField = (element) => element.closest("input, select, textarea, [contenteditable]");

/** The key; of a letter on a keyboard that is not Latin the one in its place. */
function keyOf({ key, code }) {
  const isOther = key.length === 1 && key > "\x7f" && code.startsWith("Key");
  return isOther ? code.slice(3).toLowerCase() : key.toLowerCase();
}

/** The name of the action that a press of keys stands for, if it stands for one. */
function actionOf(event) {
  const { altKey, shiftKey, ctrlKey, metaKey, target } = event;
  const [control, other] = isMac ? [metaKey, ctrlKey] : [ctrlKey, metaKey];
  const key = keyOf(event);
  if (other) return null;
  if (control && !altKey) {
    if (key === "/") return "search";
    return (shiftKey ? { o: "new-chat", c: "copy-answer" } : { k: "palette" })[key];
  }
  if (altKey && !shiftKey && !control) {
    // In a list they open it, in a text they move through it.
    if (target.matches("select") || (isField(target) && target.value)) return null;
    return { arrowup: "question-before", arrowdown: "question-after" }[key];
  }
  if (control || altKey || isField(target) || !hasOneKeyShortcuts()) return null;
  return { "?": "keyboard", "/": "search" }[key];
}

document.addEventListener("keydown", (event) => {
  const name = actionOf(event);
  if (event.defaultPrevented || !name || !canRun(name)) return;
  if (document.querySelector("dialog[open]") && name !== "palette") return;
  event.preventDefault();
  runAction(name);
});

const searchField = () =>
  [...document.querySelectorAll("[type=search]")].find((field) => field.checkVisibility());

addAction("search", () => (searchField() ? searchField().focus() : runAction("palette")));
addAction(
  "keyboard",
  () => dialog.showModal(),
  () => dialog && !dialog.open,
);
dialog?.addEventListener("click", ({ target }) => target === dialog && dialog.close());

for (const box of document.querySelectorAll("[data-single-keys]")) {
  box.checked = hasOneKeyShortcuts();
  box.addEventListener("change", () => switchOneKeyShortcuts(box.checked));
}
