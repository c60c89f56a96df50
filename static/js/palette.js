// The command palette: goes to a chat or a page, picks a model, does something. A combobox with a
// list (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/). It asks for nothing before it is open.

import { addAction, canRun, runAction } from "./actions.js";
import { fragment, plain, say } from "./page.js";
import { stateOfNotices, switchNotices } from "./notifying.js";

// Outside the page until it is opened: its words are not to be found there by the browser's search.
const palette = document.getElementById("palette-template").content.querySelector("dialog");
const search = palette.querySelector("[role=combobox]");
const results = palette.querySelector("[role=listbox]");
const none = palette.querySelector("[role=status]");
const group = (name) => results.querySelector(`[data-group=${name}]`);
const options = () => [...results.querySelectorAll("[role=option]")];
const shown = () => options().filter((option) => !option.hidden);

const PAUSE = 200; // milliseconds without a key after which chats are searched for
const MOST = 7; // chats

// --- What is offered ----------------------------------------------------------------------------

function open() {
  search.value = "";
  setOptions("models", models());
  setOptions("chats", []);
  document.body.append(palette);
  palette.showModal();
  filter();
  findChats();
}

function setOptions(name, made) {
  for (const option of group(name).querySelectorAll("[role=option]")) option.remove();
  group(name).append(...made);
}

/** The models that the composer offers, where the page has one: its own list does the choosing. */
function models() {
  const picker = [...document.querySelectorAll(".compose .picker")].find((each) =>
    each.querySelector(".picker-button")?.checkVisibility(),
  );
  const offered = picker?.querySelectorAll("[role=option]:not([aria-disabled=true])") ?? [];
  return [...offered].map((model) => {
    const option = makeOption("div", model.dataset.label);
    option.addEventListener("click", () => {
      palette.close();
      model.click();
    });
    return option;
  });
}

function makeOption(tag, text) {
  const option = document.createElement(tag);
  option.setAttribute("role", "option");
  option.dir = "auto";
  option.textContent = text;
  return option;
}

let asking = new AbortController();
let waiting = 0;

/** Shows the chats that fit what is typed; the latest ones, where nothing is. */
async function findChats() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const address = `${palette.dataset.chats}?q=${encodeURIComponent(search.value.trim())}`;
  try {
    const answer = await fetch(address, { headers: { "HX-Request": "true" }, signal });
    if (!answer.ok || answer.redirected) throw new Error(`The chats: ${answer.status}`);
    const made = chatsIn(fragment(await answer.text()));
    if (signal.aborted) return;
    const before = selected();
    setOptions("chats", made);
    filter();
    // Whoever went down the list stays where they are.
    if (before?.isConnected && !before.hidden) select(before);
  } catch (error) {
    if (error.name !== "AbortError") none.textContent = "Your chats cannot be listed just now.";
  }
}

/** An option for each chat of a list, in its order, with the place where the words stand. */
function chatsIn(list) {
  const links = new Map();
  for (const link of list.querySelectorAll("a[data-conversation]:not(.folder *)")) {
    if (!links.has(link.pathname)) links.set(link.pathname, link);
  }
  return [...links.values()].slice(0, MOST).map((link) => {
    const option = makeOption("a", (link.querySelector(".title") ?? link).textContent.trim());
    option.href = link.getAttribute("href");
    option.dataset.found = "";
    const place = link.querySelector(".place");
    if (place) option.append(Object.assign(place.cloneNode(true), { className: "quiet cut" }));
    return option;
  });
}

/** Shows what has all the words that are typed; a chat may have them in its messages, which the site
 * has found. */
function filter() {
  const words = plain(search.value).split(/\s+/);
  for (const option of options()) {
    const fits = words.every((word) => plain(option.textContent).includes(word));
    const isPossible = !option.dataset.do || canRun(option.dataset.do);
    option.hidden = !isPossible || !(fits || "found" in option.dataset);
    option.tabIndex = -1;
  }
  for (const each of results.children) {
    each.hidden = !each.querySelector("[role=option]:not([hidden])");
  }
  none.textContent = shown().length ? "" : "Nothing fits.";
  select(shown()[0]);
}

// --- What is chosen -----------------------------------------------------------------------------

const selected = () => results.querySelector("[aria-selected=true]");

function select(option) {
  selected()?.removeAttribute("aria-selected");
  options().forEach((each, place) => (each.id = `palette-option-${place}`));
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) search.setAttribute("aria-activedescendant", option.id);
  else search.removeAttribute("aria-activedescendant");
}

search.addEventListener("input", () => {
  // What was found for other words is not to be opened by an Enter that comes before the site.
  for (const option of group("chats").querySelectorAll("[data-found]")) delete option.dataset.found;
  filter();
  clearTimeout(waiting);
  waiting = setTimeout(findChats, PAUSE);
});

search.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    const offered = shown();
    const place = offered.indexOf(selected()) + step;
    select(offered.at(place % offered.length));
  } else if (event.key === "Enter") selected()?.click();
  else return;
  event.preventDefault();
});

results.addEventListener("click", ({ target }) => {
  const name = target.closest("[data-do]")?.dataset.do;
  if (!name) return;
  // The focus is back where it was before the action moves it.
  palette.close();
  runAction(name);
});

palette.addEventListener("click", ({ target }) => target === palette && palette.close());
palette.addEventListener("close", () => {
  palette.remove();
  asking.abort();
  clearTimeout(waiting);
});

// --- What can be done on every page -------------------------------------------------------------

addAction("palette", () => (palette.open ? palette.close() : open()));
const newChat = results.querySelector("[data-new-chat]").getAttribute("href");
addAction("new-chat", () => location.assign(newChat));
addAction("sign-out", () => document.querySelector("form[action$='/sign-out']").requestSubmit());
addAction(
  "notices",
  async () => say(`Notifications: ${await switchNotices()}`),
  () => stateOfNotices() !== "missing",
);
