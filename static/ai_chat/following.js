// A turn on the page: added at its start, filled while its answer is written, replaced at its end.

import { announce, fragment, notify, pause } from "../js/page.js";
import { addCopyButtons } from "./copying.js";
import { readEvents } from "./events.js";
import { focusMessage } from "./message.js";
import { scrollToEnd, stayAtEnd } from "./scrolling.js";

/** Shows an answer as its events come. Returns its section, and whether the answer has ended. */
export async function showAnswer(response) {
  let section = null;
  for await (const { name, data } of readEvents(response)) {
    if (name === "turn") {
      section = placeTurn(data);
      announce("The answer is being written.", "progress");
      scrollToEnd();
    } else if (name === "block") {
      section.querySelector(".blocks").append(fragment(data));
      addCopyButtons(section);
    } else if (name === "tail") {
      section.querySelector(".tail").replaceChildren(fragment(data));
    } else if (name === "end") {
      section = placeTurn(data);
      announceEnd(section);
    }
    stayAtEnd();
    if (name === "end") return { ended: true, section };
  }
  return { ended: false, section };
}

/** Shows an answer from its beginning until it has ended, through broken connections. */
export async function followAnswer(url) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const response = await fetch(url, { headers: { Accept: "text/event-stream" } });
      if (response.status === 404) return location.reload();
      if (response.ok && (await showAnswer(response)).ended) break;
    } catch {
      // The connection broke: the answer goes on at the server.
    }
    await pause(wait);
  }
  notify("credits:changed");
}

function placeTurn(html) {
  const section = fragment(html).querySelector(".turn");
  addCopyButtons(section);
  const shown = document.getElementById(section.id);
  const hadFocus = shown?.contains(document.activeElement);
  if (shown) shown.replaceWith(section);
  else document.getElementById("turns").append(section);
  if (hadFocus) focusMessage();
  htmx.process(section);
  return section;
}

function announceEnd(section) {
  const parts = [...section.querySelectorAll(".receipt > :is(b, span)")];
  const words = parts.map((part) => part.textContent.replace("↩", "").trim());
  announce(`The answer has ended: ${words.join(", ")}.`, "progress");
}
