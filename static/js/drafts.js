// What is written and not sent yet, by user and page, in this browser's storage: it is there again
// after a reload. Signing out removes it, and nobody else who signs in here sees it. Where storage
// is full or forbidden, nothing is kept.

import { inStorage } from "./page.js";

const PREFIX = "draft:";
const MOST = 50;
const DAYS = 30;
const { user } = document.body.dataset;
const own = `${PREFIX}${user}:`;

// What a page that is left would keep once more is not kept after signing out, in whichever tab,
// until one has a page of the same user again.
let isOver = false;
const whoIsIn = new BroadcastChannel("user");
whoIsIn.addEventListener("message", ({ data }) => (isOver = data !== user));

/** The draft of a page: `text`, the ids of its `files`, and the `key` with which it was sent, if that
 * was tried. */
export function readDraft(place) {
  return inStorage("localStorage", (storage) => parse(storage.getItem(own + place)));
}

/** Keeps a draft; one without text and files is removed. */
export function keepDraft(place, draft) {
  inStorage("localStorage", (storage) => {
    if (isOver) return;
    if (!draft.text && !draft.files?.length) return storage.removeItem(own + place);
    storage.setItem(own + place, JSON.stringify({ ...draft, at: Date.now() }));
    removeOld(storage);
  });
}

/** Removes the drafts of whoever is signed in. */
export function removeOwnDrafts() {
  isOver = true;
  whoIsIn.postMessage("");
  removeDrafts((name) => name.startsWith(own));
}

/** Removes those of everybody else. */
export function removeOthersDrafts() {
  whoIsIn.postMessage(user);
  removeDrafts((name) => !name.startsWith(own));
}

function removeDrafts(isRemoved) {
  inStorage("localStorage", (storage) => {
    for (const name of names(storage)) if (isRemoved(name)) storage.removeItem(name);
  });
}

/** Drafts that are too old, and the oldest of too many. */
function removeOld(storage) {
  const age = (name) => Date.now() - (parse(storage.getItem(name))?.at ?? 0);
  const ages = names(storage).map((name) => [age(name), name]);
  ages.sort(([one], [other]) => one - other);
  ages.forEach(([old, name], place) => {
    if (place >= MOST || old > DAYS * 86_400_000) storage.removeItem(name);
  });
}

const names = (storage) => Object.keys(storage).filter((name) => name.startsWith(PREFIX));

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
