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
    } else if (name === "thinking") {
      showThinking(section, data);
    } else if (name === "block") {
      showState(section, "Writing");
      section.querySelector(".blocks").append(fragment(data));
      addCopyButtons(section);
    } else if (name === "tail") {
      showState(section, "Writing");
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

/** The reasoning stays folded until the reader opens it. */
function showThinking(section, html) {
  section.querySelector(".thought").append(fragment(html));
  section.querySelector(".thinking").hidden = false;
  if (!section.querySelector(".live > :not(:empty)")) showState(section, "Thinking");
}

function showState(section, word) {
  const state = section.querySelector(".writing");
  if (state.textContent === word) return;
  state.textContent = word;
  announce(
    word === "Thinking" ? "The model is thinking." : "The answer is being written.",
    "progress",
  );
}

function placeTurn(html) {
  const section = fragment(html).querySelector(".turn");
  addCopyButtons(section);
  const shown = document.getElementById(section.id);
  const hadFocus = shown?.contains(document.activeElement);
  const thinking = section.querySelector(".thinking");
  if (thinking) thinking.open = shown?.querySelector(".thinking")?.open ?? false;
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
