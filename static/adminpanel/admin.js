// The keyboard of the admin desk. Everything it does has a link or a button on the page as well.

const typing = (element) => element.closest("input, select, textarea, [contenteditable]");
const open = (selector) => document.querySelector(selector)?.click();

/** Marks the row so many further down as the one at hand, and takes the focus to its link. */
function move(step) {
  const rows = [...document.querySelectorAll("table[data-rows] tbody tr")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  rows[at]?.removeAttribute("aria-selected");
  const row = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  row.setAttribute("aria-selected", "true");
  row.querySelector("a, button")?.focus();
  row.scrollIntoView({ block: "nearest" });
}

const keys = {
  "?": () => document.getElementById("keys")?.showModal(),
  "/": () => document.querySelector("[data-search], form.filters :is(input, select)")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  n: () => open("a[rel=next]"),
  p: () => open("a[rel=prev]"),
};

let going = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (going) {
    going = false;
    return open(`[data-go="${CSS.escape(event.key)}"]`);
  }
  going = event.key === "g";
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys]")) keys["?"]();
});
