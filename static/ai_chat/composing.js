// The composer: a message is written, sent once, and its answer followed.

import { reload } from "../js/connection.js";
import { fragment, newKey, notify, pause } from "../js/page.js";
import { sendRenewed, sessionProblem } from "../js/session.js";
import { followAnswer, showAnswer } from "./following.js";
import { keepNow, message, sendButton, showProblem, setMessage, tooLong } from "./message.js";
import { isAnswering, queueMessage } from "./queue.js";

const composer = message.form;
const WAIT = "An answer is being written. This can be sent once it has ended; it stays here.";

let posted = null; // { form, text } of the message that is on its way to the server.

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  // A second click: what the field holds is the message that is on its way.
  if (posted?.form === composer || sendButton().disabled) return;
  if (tooLong()) return showProblem(tooLong());
  // Images, and another version of what stands above, do not wait.
  const waits = composer.elements.mode.value !== "image" && !composer.elements.version_of;
  if (!isSending() && !(waits && isAnswering())) return send(composer);
  if (!waits || !(await queueMessage())) showProblem(WAIT, false);
});

// The button that goes on with an answer that was cut is a form of its own, and so is a message that
// has waited for the end of an answer.
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".continue, .queued")) return;
  event.preventDefault();
  if (isSending()) return showProblem(WAIT, false);
  send(event.target);
});

document.body.addEventListener("answer:ended", forgetToWait);

function forgetToWait() {
  if (document.getElementById("problem").textContent === WAIT) showProblem("");
}

const isSending = () => composer.classList.contains("sending");

/** Sends the message of a form and follows its answer. */
async function send(form) {
  composer.classList.add("sending");
  composer.setAttribute("aria-busy", "true");
  showProblem("");
  posted = { form, text: form.elements.message.value };
  try {
    if (form === composer) keepNow(form.elements.key.value);
    const response = await sendRenewed(() => post(form));
    const problem = await sessionProblem(response.status, response.headers.get("Tally-Ask"));
    if (problem) return refused(form, problem);
    if (response.redirected) return location.assign(response.url);
    if (!response.ok) return await showRefusal(response, form);
    clearComposer(response.headers, form);
    posted = null;
    const { ended, section } = await showAnswer(response).catch(() => ({ ended: false }));
    if (ended) notify("credits:changed");
    else if (section) await followAnswer(section.querySelector("[data-follow]").dataset.follow);
    else await reload();
  } catch {
    refused(
      form,
      "There is no connection. Your message is still here; " +
        "if it was charged, sending it again is free.",
    );
  } finally {
    posted = null;
    composer.classList.remove("sending");
    composer.removeAttribute("aria-busy");
    forgetToWait();
    notify("composer:free");
  }
}

/** Says why the message of a form was not sent. */
function refused(form, problem) {
  showProblem(problem);
  notify("message:refused", null, form);
}

/** The key in the form makes a repeated POST the same message: it is charged once. */
async function post(form) {
  const body = new URLSearchParams(new FormData(form));
  const headers = { Accept: "text/event-stream" };
  for (let tries = 1; ; tries++) {
    try {
      return await fetch(form.action, { method: "POST", body, headers });
    } catch (error) {
      if (tries === 4) throw error;
      await pause(500 * tries);
    }
  }
}

async function showRefusal(response, form) {
  const html = await response.text();
  if (response.status >= 500) {
    // It may have been charged before the site failed; the key makes a second try free.
    return refused(
      form,
      "The site could not answer just now. Send it again: a message is charged once.",
    );
  }
  const foot = response.status === 403 ? null : fragment(html).querySelector("#composer-foot");
  if (!foot) {
    return refused(
      form,
      "That did not work, and nothing was charged. Reload the page and try again.",
    );
  }
  notify("message:refused", null, form);
  document.getElementById("composer-foot").replaceWith(foot);
  // The composer has today's price: who agrees sends it there.
  if (!message.value && !form.matches(".queued")) setMessage(form.elements.message.value);
  htmx.process(foot);
  notify("credits:changed");
}

function clearComposer(headers, form) {
  const url = headers.get("HX-Push-Url");
  const next = form === composer ? writtenSince() : "";
  for (const each of document.querySelectorAll("#welcome, [data-begin]")) each.remove();
  if (form === composer) notify("message:sent");
  if (form === composer) setMessage("");
  leaveVersion(form);
  if (url !== location.pathname) {
    startConversation(url, decodeURIComponent(headers.get("Tally-Title")));
  }
  notify("message:taken", null, form);
  form.elements.key.value = newKey();
  if (next) setMessage(next);
  notify("credits:changed");
  notify("conversations:changed");
}

/** What was added to the composer's message while that was on its way. */
function writtenSince() {
  const isAdded = message.value.startsWith(posted.text);
  return isAdded ? message.value.slice(posted.text.length).trimStart() : message.value;
}

/** Another version of a turn takes its place, and that of all that followed. */
function leaveVersion(form) {
  const replaced = form.elements.version_of?.value;
  const first = replaced && document.getElementById(`turn-${replaced}`);
  while (first?.nextElementSibling) first.nextElementSibling.remove();
  first?.remove();
  document.getElementById("edited")?.remove();
  if (location.search) history.replaceState({}, "", location.pathname);
}

/** A conversation gets its address and its title with its first message. */
function startConversation(url, title) {
  history.pushState({}, "", url);
  composer.action = url;
  document.getElementById("conversation-title").textContent = title;
  document.title = `${title} · Tally`;
  const menu = document.getElementById("conversation-menu");
  for (const element of document.querySelectorAll("[data-below]")) {
    element[element.matches("form") ? "action" : "href"] = url + element.dataset.below;
    element.hidden = false;
  }
  menu.querySelector("#title").value = title;
  menu.hidden = false;
}
