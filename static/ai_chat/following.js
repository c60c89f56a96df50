// A turn on the page: added at its start, filled while its answer is written, replaced at its end.

import {
  GONE,
  RECONNECTING,
  UNREACHABLE,
  showSign,
  signedInAgain,
  signedOutSign,
  timeToWait,
  waitAwake,
} from "../js/connection.js";
import { announce, fragment, notify } from "../js/page.js";
import { addCopyButtons } from "./copying.js";
import { SILENCE, readEvents } from "./events.js";
import { focusMessage } from "./message.js";
import { sayReady } from "./ready.js";
import { scrollToEnd, stayAtEnd } from "./scrolling.js";
import { showThought, tickFrom } from "./thinking.js";

const PATIENCE = 2000; // milliseconds for the headers; more after some tries
const SOON = 5000; // milliseconds: a connection that breaks sooner was none

/** Shows an answer as its events come; in `section`, where it is on the page already: what stands
 * there stays until as much has come again. Returns its section, and whether the answer has
 * ended. */
export async function showAnswer(response, section = null) {
  const began = Date.now();
  let copy = null; // Of what is on the page, while it comes again.
  try {
    for await (const { name, data } of readEvents(response)) {
      if (name === "turn" && section) {
        copy = turnFrom(data);
        showSign(section);
      } else if (name === "turn") {
        section = placeTurn(data);
        announce("The answer is being written.", "progress");
        scrollToEnd();
      } else if (name === "end") {
        section = placeTurn(data);
        // An end that could not be saved yet is asked for again.
        if (section.querySelector("[data-follow]")) break;
        announceEnd(section);
        notify("answer:ended", section.querySelector("[data-state]").dataset.state);
        sayReady(section, Date.now() - began);
        stayAtEnd();
        return { ended: true, section };
      } else {
        // Times hold at once; what is shown stays until as much has come again.
        const isTime = name === "clock" || name === "thought";
        draw(isTime ? section : (copy ?? section), name, data);
        if (copy && isAsFar(copy, section)) copy = takeOver(copy, section);
        if (!copy) showState(section);
        stayAtEnd();
      }
    }
  } catch {
    // The connection broke: the answer goes on at the server.
  }
  if (section) showSign(section, RECONNECTING, "progress");
  return { ended: false, section };
}

/** Shows an answer from its beginning until it has ended, through broken connections. */
export async function followAnswer(url) {
  const section = () => document.querySelector(`[data-follow="${url}"]`)?.closest(".turn");
  for (let failures = 0; section(); failures++) {
    const began = Date.now();
    const response = await ask(url, PATIENCE * 2 ** Math.max(0, failures - 3));
    if (response?.ok && (await showAnswer(response, section())).ended) break;
    if (response?.ok && Date.now() - began > SOON) failures = 0;
    if (isSignedOut(response)) {
      showSign(section(), signedOutSign(), null);
      notify("credits:changed"); // The meter says it.
      await signedInAgain();
      failures = 0;
    } else if (response?.status === 404) {
      endWithout(section());
      break;
    } else {
      if (!response && failures) showSign(section(), UNREACHABLE, "progress");
      else if (!response?.ok) showSign(section(), RECONNECTING, "progress");
      const after = response?.headers.get("Retry-After");
      await waitAwake(timeToWait(failures, after), !after);
    }
  }
  notify("credits:changed");
}

/** The response, once its headers are there; null where none come in time. A browser asks over
 * connections that it kept, and those are dead as well: each has to be given up first. */
async function ask(url, milliseconds) {
  const asking = new AbortController();
  const late = setTimeout(() => asking.abort(), Math.min(milliseconds, SILENCE));
  try {
    const headers = { Accept: "text/event-stream" };
    return await fetch(url, { headers, redirect: "manual", signal: asking.signal });
  } catch {
    return null;
  } finally {
    clearTimeout(late);
  }
}

const isSignedOut = (response) => response?.type === "opaqueredirect" || response?.status === 401;

/** What somebody deleted elsewhere while it was being written. */
function endWithout(section) {
  showSign(section, GONE, "progress");
  section.querySelector(".stop")?.remove();
  const article = section.querySelector("[data-follow]");
  article.removeAttribute("aria-busy");
  delete article.dataset.follow;
  notify("answer:ended", "failed");
}

function draw(section, name, html) {
  const put = (where) => section.querySelector(where).append(fragment(html));
  if (name === "count") {
    const count = section.querySelector(".so-far");
    count.textContent = html;
    count.hidden = false;
  } else if (name === "block") put(".blocks");
  else if (name === "tail") section.querySelector(".tail").replaceChildren(fragment(html));
  else if (name === "thinking") {
    // The reasoning stays folded until the reader opens it.
    put(".thought");
    section.querySelector(".thinking").hidden = false;
  } else if (name === "clock") tickFrom(section, Number(html));
  else if (name === "thought") showThought(section, html);
  if (name === "block") addCopyButtons(section);
}

const lengthOf = (section, part) => section.querySelector(part)?.textContent.length ?? 0;

/** Whether all that the page shows has come again. Another process knows the text alone. */
function isAsFar(copy, section) {
  const text = lengthOf(copy, ".live");
  if (text < lengthOf(section, ".live")) return false;
  return text > 0 || lengthOf(copy, ".thought") >= lengthOf(section, ".thought");
}

/** Goes on in the section with what the copy has; what is the same stays as it is, with what the
 * reader has selected or opened in it. Returns null: there is no copy any more. */
function takeOver(copy, section) {
  const parts = [".blocks", ".tail"];
  if (lengthOf(copy, ".thought") >= lengthOf(section, ".thought")) {
    parts.push(".thought");
    section.querySelector(".thinking").hidden = copy.querySelector(".thinking").hidden;
  }
  for (const part of parts) {
    const [shown, come] = [section, copy].map((each) => each.querySelector(part));
    const [olds, news] = [[...shown.childNodes], [...come.childNodes]];
    let same = 0;
    while (same < olds.length && olds[same].isEqualNode(news[same])) same++;
    for (const old of olds.slice(same)) old.remove();
    shown.append(...news.slice(same));
  }
  return null;
}

function showState(section) {
  const state = section.querySelector(".writing");
  const isThinking = !lengthOf(section, ".live") && lengthOf(section, ".thought");
  const word = isThinking ? "Thinking" : "Writing";
  if (state.textContent === word) return;
  state.textContent = word;
  announce(isThinking ? "The model is thinking." : "The answer is being written.", "progress");
}

const turnFrom = (html) => fragment(html).querySelector(".turn");

function placeTurn(html) {
  const section = turnFrom(html);
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
