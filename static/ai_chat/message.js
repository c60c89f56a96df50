// The field for a message or a description of an image: its draft, its length, and the sentence
// below it.

import { keepDraft, readDraft } from "../js/drafts.js";
import { hasKeyboard, notify } from "../js/page.js";

export const message = document.getElementById("message");

const LEAST_ROWS = message.rows;
const PAUSE = 300; // milliseconds without a key after which a draft is kept
const SHOWN_FROM = 500; // characters left
// What Python's strip() removes, which is not what trim() does.
const BLANK = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

export function focusMessage() {
  if (hasKeyboard) message.focus({ preventScroll: true });
}

/** Shows why something could not be sent, a text or nodes; an empty text hides it. Where it only has
 * to wait, nothing `isWrong`. */
export function showProblem(content, isWrong = true) {
  const problem = document.getElementById("problem");
  problem.classList.toggle("bad", isWrong);
  problem.replaceChildren(...[content].flat());
  problem.hidden = content === "";
}

/** Puts a text into the field. */
export function writeMessage(text) {
  message.value = text;
  showLength();
  tellSize();
  keepNow();
}

/** Puts a text into the composer's field, which grows with it. */
export function setMessage(text) {
  writeMessage(text);
  fitMessage();
  if (text || hasKeyboard) message.focus({ preventScroll: true });
}

function fitMessage() {
  message.rows = Math.min(10, Math.max(LEAST_ROWS, message.value.split("\n").length));
}

/** The button that sends: the composer has one for each mode. */
export function sendButton() {
  const buttons = [...message.form.querySelectorAll("#offer button")];
  return buttons.find((button) => button.checkVisibility()) ?? buttons[0];
}

// --- Length -----------------------------------------------------------------------------------
// Counted as the server does: code points, without blanks around them.

const isImage = () => (message.form.elements.mode?.value ?? "image") === "image";
const longest = () => Number(isImage() ? message.dataset.longestImage : message.dataset.longest);
const length = () => [...strip(message.value.replaceAll("\0", ""))].length;

/** By hand: an expression for blanks at the end looks at each run of blanks again and again. */
function strip(text) {
  let start = 0;
  let end = text.length;
  while (start < end && BLANK.test(text[start])) start++;
  while (end > start && BLANK.test(text[end - 1])) end--;
  return text.slice(start, end);
}

/** The sentence for a text that is too long to be sent; "" for others. */
export function tooLong() {
  if (length() <= longest()) return "";
  const [most, now] = [longest(), length()].map((count) => count.toLocaleString("en"));
  const what = isImage() ? "A description" : "A message";
  return `${what} has at most ${most} characters; this one has ${now}.`;
}

function showLength() {
  const left = longest() - length();
  const count = document.getElementById("count");
  count.hidden = left > SHOWN_FROM;
  count.classList.toggle("bad", left < 0);
  count.textContent = `${left.toLocaleString("en")} character${left === 1 ? "" : "s"} left`;
}

message.addEventListener("input", showLength);
message.addEventListener("input", fitMessage);
message.form.addEventListener("change", showLength);

// --- Size -------------------------------------------------------------------------------------
// A model that is priced by tokens reserves more for a longer message: the button says how much. Only
// the size is told.

const SIZE_PAUSE = 600; // milliseconds without a key after which the price is asked for
let sizing = 0;

function tellSize() {
  tellSizeOf(message.value, "draft");
}

/** The size of a text that goes with the message, in the hidden field with this id. */
export function tellSizeOf(written, id) {
  clearTimeout(sizing);
  const text = strip(written);
  const size = document.getElementById(id);
  if (size) size.value = `${[...text].length}.${new TextEncoder().encode(text).length}`;
  const isByTokens = message.form.querySelector("#offer [name=price_version]") !== null;
  if (isByTokens) sizing = setTimeout(() => notify("draft:changed"), SIZE_PAUSE);
}

message.addEventListener("input", tellSize);

// --- Draft ------------------------------------------------------------------------------------

let waiting = 0;
let triedKey = "";

/** Another version of a message has a draft of its own. */
const draftPlace = () =>
  location.pathname + (document.getElementById("edited") ? location.search : "");

/** Keeps the draft as it stands, with the key that it is being sent with, if it is: sent again
 * after a reload it is the same message. */
export function keepNow(key = triedKey) {
  clearTimeout(waiting);
  triedKey = message.value ? key : "";
  keepDraft(draftPlace(), { text: message.value, files: attachedIds(), key: triedKey });
}

/** The ids of the files that go with the message. */
const attachedIds = () =>
  [...document.querySelectorAll("#attached [name=attachment]")].map((each) => each.value);

message.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(keepNow, PAUSE);
});
window.addEventListener("pagehide", () => message.value && keepNow());
document.addEventListener("visibilitychange", () => {
  if (document.hidden && message.value) keepNow();
});

/** What was kept of the page before it was loaded. */
export const draft = message.value ? null : readDraft(draftPlace());
if (draft?.text) {
  message.value = draft.text;
  triedKey = draft.key ?? "";
  if (triedKey) message.form.elements.key.value = triedKey;
}
showLength();
tellSize();
fitMessage();

message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && hasKeyboard) {
    event.preventDefault();
    if (!sendButton().disabled) message.form.requestSubmit(sendButton());
  }
});
