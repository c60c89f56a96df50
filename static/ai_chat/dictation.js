// Dictation, where the browser turns speech into text (https://webaudio.github.io/web-speech-api/):
// what it has understood is written at the cursor, what it is not sure of yet stands below.

import { announce } from "../js/page.js";
import { message } from "./message.js";

const button = document.getElementById("dictate");
const state = document.getElementById("dictation");
const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;

const LISTENING = "Listening…";
const NOTE =
  "Some browsers send the sound to their maker to turn it into text. Press again, or Esc, to end it.";
const PROBLEMS = {
  "not-allowed":
    "The browser does not allow the microphone here. Allow it in its settings for this site.",
  "service-not-allowed": "This browser does not allow dictation.",
  "audio-capture": "The browser has found no microphone.",
  "no-speech": "Nothing was heard.",
  network: "The browser could not reach the service that turns speech into text.",
  "language-not-supported": "This browser takes no dictation in your language.",
};

let listening = null; // The recognition that is at work.

if (button && Recognition) {
  button.hidden = false;
  button.addEventListener("click", () => (listening ? listening.stop() : start()));
  message.form.addEventListener("submit", abandon);
  window.addEventListener("pagehide", abandon);
  // Before what stops an answer by the same key.
  document.addEventListener("keydown", endByEscape, { capture: true });
}

function start() {
  const recognition = new Recognition();
  recognition.lang = navigator.language || document.documentElement.lang;
  recognition.continuous = true;
  recognition.interimResults = true;
  let problem = "";
  recognition.addEventListener("result", (event) => {
    if (listening === recognition) take(event);
  });
  recognition.addEventListener("error", ({ error }) => {
    if (error !== "aborted") problem = PROBLEMS[error] ?? "The dictation has failed.";
  });
  recognition.addEventListener("end", () => {
    if (listening === recognition) show(null, problem);
  });
  try {
    recognition.start();
    show(recognition, `${LISTENING} ${NOTE}`);
  } catch {
    show(null, "The dictation could not begin.");
  }
}

/** Shows whether `recognition` listens, with a sentence, which is said aloud too. */
function show(recognition, sentence) {
  const didListen = listening !== null;
  listening = recognition;
  button.setAttribute("aria-pressed", recognition !== null);
  state.textContent = sentence;
  state.hidden = !sentence;
  if (sentence) announce(sentence, "progress");
  else if (didListen) announce("The dictation has ended.", "progress");
}

/** Ends it without taking what was not understood yet. */
function abandon() {
  const recognition = listening;
  if (!recognition) return;
  show(null, "");
  recognition.abort();
}

function endByEscape(event) {
  if (event.key !== "Escape" || !listening) return;
  event.preventDefault();
  abandon();
}

function take({ results, resultIndex }) {
  let unsure = "";
  for (const result of [...results].slice(resultIndex)) {
    const [{ transcript }] = result;
    if (result.isFinal) insert(transcript.trim());
    else unsure += transcript;
  }
  state.textContent = unsure.trim() ? `${LISTENING} ${unsure.trim()}` : `${LISTENING} ${NOTE}`;
}

/** Writes at the cursor, apart from the words around it. */
function insert(text) {
  const { value, selectionStart, selectionEnd } = message;
  const before = /\S$/.test(value.slice(0, selectionStart)) ? " " : "";
  const after = /^\S/.test(value.slice(selectionEnd)) ? " " : "";
  message.setRangeText(`${before}${text}${after}`, selectionStart, selectionEnd, "end");
  message.dispatchEvent(new Event("input", { bubbles: true }));
}
