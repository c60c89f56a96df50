// Choosing a model from a list that says what each can: a combobox, or a list box where there are too
// few to search, as the WAI-ARIA Authoring Practices describe them. The form's own select is what is
// sent, and hears of each choice.

import { plain } from "../js/page.js";

const GAP = 8; // pixels
const TYPING = 700; // milliseconds between two keys of one word
let typed = "";
let typedAt = 0;

document.documentElement.classList.add("has-picker");

const sheetOf = (element) => element.closest?.(".picker-sheet");
const holderOf = (sheet) => sheet.querySelector("[role=combobox]") ?? listOf(sheet);
const listOf = (sheet) => sheet.querySelector("[role=listbox]");
const optionsOf = (sheet) => [...sheet.querySelectorAll("[role=option]:not([hidden])")];
const activeOf = (sheet) => sheet.querySelector(".picker-option.active");

// A popover's events do not bubble.
document.addEventListener(
  "toggle",
  ({ target, newState }) => {
    if (!target.matches?.(".picker-sheet") || newState !== "open") return;
    const search = target.querySelector("[role=combobox]");
    if (search) search.value = "";
    filter(target, "");
    place(target);
    holderOf(target).focus();
  },
  true,
);

document.addEventListener("input", ({ target }) => {
  if (target.matches("[role=combobox]") && sheetOf(target)) filter(sheetOf(target), target.value);
});

document.addEventListener("click", ({ target }) => {
  const option = target.closest?.(".picker-option");
  if (option) choose(option);
});

document.addEventListener("keydown", (event) => {
  const sheet = sheetOf(event.target);
  if (!sheet || event.target !== holderOf(sheet) || event.isComposing) return;
  const options = optionsOf(sheet);
  const place = options.indexOf(activeOf(sheet));
  const step = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 }[event.key];
  if (step !== undefined) activate(sheet, options.at(step % options.length));
  else if (event.key === "Enter") options[place] && choose(options[place]);
  else if (!typeAhead(event, sheet)) return;
  event.preventDefault();
});

/** Shows the options that hold all words of a text. */
function filter(sheet, text) {
  const words = plain(text).split(/\s+/);
  const options = [...sheet.querySelectorAll("[role=option]")];
  for (const option of options) {
    const said = plain(option.textContent);
    option.hidden = !words.every((word) => said.includes(word));
  }
  const shown = optionsOf(sheet);
  const chosen = shown.find((each) => each.ariaSelected === "true");
  activate(sheet, (text ? null : chosen) ?? shown[0]);
  const many = `${shown.length} model${shown.length === 1 ? "" : "s"}`;
  sheet.querySelector(".picker-count").textContent = text ? many : "";
}

/** Without a field to search in: goes to the next option that begins with what is typed. */
function typeAhead(event, sheet) {
  const isText = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!isText || event.target !== listOf(sheet)) return false;
  typed = event.timeStamp - typedAt > TYPING ? event.key : typed + event.key;
  typedAt = event.timeStamp;
  const options = optionsOf(sheet);
  const from = options.indexOf(activeOf(sheet)) + (typed.length === 1 ? 1 : 0);
  const inTurn = [...options.slice(from), ...options.slice(0, from)];
  activate(
    sheet,
    inTurn.find((each) => plain(each.dataset.label).startsWith(plain(typed))),
  );
  return true;
}

/** The option that Enter would choose. */
function activate(sheet, option) {
  const holder = holderOf(sheet);
  if (!option && optionsOf(sheet).length) return;
  activeOf(sheet)?.classList.remove("active");
  if (!option) return holder.removeAttribute("aria-activedescendant");
  option.classList.add("active");
  holder.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function choose(option) {
  if (option.ariaDisabled === "true") return;
  const sheet = sheetOf(option);
  const picker = sheet.closest(".picker");
  for (const each of sheet.querySelectorAll("[role=option]")) each.ariaSelected = each === option;
  picker.querySelector(".picked").textContent = option.dataset.label;
  sheet.hidePopover();
  const select = picker.querySelector("select");
  if (select.value === option.dataset.value) return;
  select.value = option.dataset.value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

/** Above its button or below it, where there is more room. */
function place(sheet) {
  const button = document.querySelector(`[popovertarget="${sheet.id}"]`).getBoundingClientRect();
  const [above, below] = [button.top - 2 * GAP, innerHeight - button.bottom - 2 * GAP];
  const left = Math.min(button.left, innerWidth - sheet.offsetWidth - GAP);
  sheet.style.left = `${Math.max(GAP, left)}px`;
  sheet.style.maxHeight = `${Math.max(above, below)}px`;
  if (above > below) sheet.style.bottom = `${innerHeight - button.top + GAP}px`;
  else sheet.style.top = `${button.bottom + GAP}px`;
  sheet.style[above > below ? "top" : "bottom"] = "auto";
}
