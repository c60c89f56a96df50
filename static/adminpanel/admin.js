// Keyboard shortcuts of the admin desk. All they do has a link or a button on the page as well.
// Not a module: it runs before anything of the page is shown, so that no key is lost.

const isField = (element) => element.closest("input, select, textarea, [contenteditable]");
const click = (selector) => document.querySelector(selector)?.click();

/** Selects the row `step` rows below the selected one, and moves the focus to its link. */
function moveSelection(step) {
  const rows = [...document.querySelectorAll("table[data-rows] tbody tr")];
  if (!rows.length) return;
  const selected = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  rows[selected]?.removeAttribute("aria-selected");
  const row = rows[Math.min(Math.max(selected + step, 0), rows.length - 1)];
  row.setAttribute("aria-selected", "true");
  row.querySelector("a, button")?.focus();
  row.scrollIntoView({ block: "nearest" });
}

/** Acts at once, or when the rest of the page has come. */
function whenParsed(action) {
  if (document.readyState !== "loading") action();
  else document.addEventListener("DOMContentLoaded", action, { once: true });
}

const shortcuts = {
  "?": () => document.getElementById("keyboard")?.showModal(),
  "/": () => document.querySelector("[data-search], form.filters :is(input, select)")?.focus(),
  j: () => moveSelection(1),
  k: () => moveSelection(-1),
  n: () => click("a[rel=next]"),
  p: () => click("a[rel=prev]"),
};

let afterG = false; // The next key names a page: g, then o for the overview.

/** Whether they are switched on in this browser: js/one_key.js. */
function areOn() {
  try {
    return localStorage.getItem("one-key shortcuts") !== "off";
  } catch {
    return true;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target)) return;
  if (document.querySelector("dialog[open]") || !areOn()) return;
  if (afterG) {
    afterG = false;
    return whenParsed(() => click(`[data-go="${CSS.escape(event.key)}"]`));
  }
  afterG = event.key === "g";
  if (!shortcuts[event.key]) return;
  event.preventDefault();
  whenParsed(shortcuts[event.key]);
});
