// What the scripts of all pages share.

/** Where there is no hover there is a touch keyboard, which would open with every focus. */
export const hasKeyboard = matchMedia("(hover: hover)").matches;

export const fragment = (html) => document.createRange().createContextualFragment(html);

/** Resolves after so many milliseconds. */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Sends an event to what listens on the body, such as `hx-trigger="… from:body"`; or on another
 * element. */
export const notify = (name, detail, target = document.body) =>
  target.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));

/** Shows a message in the corner (js/app.js): a text, or a list with nodes. */
export const say = (text, level = "info") => notify("tally:say", { text, level });

/** A text without accents, capitals and blanks around it, as words are compared. */
export const plain = (text) => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase().trim();

/** What `use` returns, called with a storage of the window; null where that is full or forbidden. */
export function inStorage(name, use) {
  try {
    return use(window[name]) ?? null;
  } catch {
    return null;
  }
}

/** Has screen readers say a text, by the live region with this id. */
export function announce(text, region = "said") {
  const element = document.getElementById(region);
  if (element) element.textContent = text;
}

/** A key that makes a repeated request the same one. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
