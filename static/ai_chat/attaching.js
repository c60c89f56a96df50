// Files for a message: chosen, dropped anywhere on the page, or pasted. Each is uploaded at once, and
// stands as a chip in the composer until the message is sent. Without scripts the form brings them.

import { announce, fragment, notify } from "../js/page.js";
import { sendRenewed, sessionProblem } from "../js/session.js";
import { draft, keepNow, message, sendButton, showProblem } from "./message.js";

const form = message.form;
const box = document.getElementById("attached");
const list = box.querySelector(".files");
const input = document.getElementById("files");
const template = document.getElementById("uploading").content.firstElementChild;
const most = Number(box.dataset.most);
const WAIT = "The message is sent once its files are there.";

/** Uploads that have not ended, one after the other. */
let queue = Promise.resolve();
let waiting = 0;
/** Whether the message is to be sent at the end of them. */
let isDue = false;

// The form of a script sends ids.
input.removeAttribute("name");

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-attach]")) input.click();
  const detach = target.closest("[data-detach]");
  if (detach) remove(detach.closest(".file"));
});

input.addEventListener("change", () => {
  attach([...input.files]);
  input.value = "";
});

// --- Drop and paste ---------------------------------------------------------------------------

const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
const showTarget = (isShown) => document.body.classList.toggle("dropping", isShown);

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  showTarget(true);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) showTarget(false);
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  showTarget(false);
  attach([...event.dataTransfer.files]);
});

// A text that was copied may come with a picture of itself.
document.addEventListener("paste", (event) => {
  const { files, types } = event.clipboardData;
  if (!files.length || types.includes("text/plain")) return;
  event.preventDefault();
  attach([...files]);
});

// --- Uploading --------------------------------------------------------------------------------

function attach(files) {
  if (!files.length) return;
  const mode = form.querySelector("[name=mode][value=text]");
  if (mode && !mode.checked) mode.click();
  const room = Math.max(0, most - list.querySelectorAll(".file:not(.failed)").length);
  showProblem(files.length > room ? `A message takes at most ${most} files.` : "");
  for (const file of files.slice(0, room)) {
    const chip = template.cloneNode(true);
    chip.querySelector(".name").textContent = file.name;
    chip.querySelector("progress").setAttribute("aria-label", `Uploading ${file.name}`);
    chip.querySelector("[data-detach]").setAttribute("aria-label", `Remove ${file.name}`);
    list.append(chip);
    waiting++;
    queue = queue.then(() => upload(file, chip)).finally(ended);
  }
  if (room) announce(`Uploading ${files.length === 1 ? files[0].name : "files"}.`, "attaching");
}

async function upload(file, chip) {
  if (!chip.isConnected) return;
  try {
    const { status, body } = await sendRenewed(() => post(file, chip));
    if (status >= 200 && status < 300) return await place(chip, body.files[0].id, file.name);
    const problem = await sessionProblem(status, null);
    fail(
      chip,
      file,
      problem ?? body.issues?.[0].message ?? body.message ?? "It could not be kept. Try again.",
    );
  } catch {
    fail(chip, file, "There is no connection.");
  }
}

/** Only this kind of request says how far it is. */
function post(file, chip) {
  const request = new XMLHttpRequest();
  const data = new FormData();
  data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.append("file", file);
  request.open("POST", box.dataset.upload);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  chip.upload = request;
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      chip.querySelector("progress").value = loaded / total;
      chip.querySelector(".state").textContent = loaded < total ? "" : "Reading…";
    });
    request.addEventListener("load", () =>
      resolve({ status: request.status, body: request.response ?? {} }),
    );
    for (const name of ["error", "abort"]) request.addEventListener(name, reject);
    request.send(data);
  });
}

async function place(chip, id, name) {
  const [shown] = await chipsOf([id]);
  if (!chip.isConnected) return;
  chip.replaceWith(shown);
  announce(`${name} is attached.`, "attaching");
  changed();
}

function fail(chip, file, sentence) {
  if (!chip.isConnected) return;
  chip.classList.replace("uploading", "failed");
  chip.querySelector("progress").remove();
  chip.querySelector(".state").replaceChildren(...[sentence].flat());
  announce(`${file.name}: ${chip.querySelector(".state").textContent}`, "attaching");
  isDue = false;
}

function ended() {
  waiting--;
  if (waiting || !isDue) return;
  isDue = false;
  showProblem("");
  form.requestSubmit(sendButton());
}

// Before the composer's own listener: a message goes with all its files.
form.addEventListener(
  "submit",
  (event) => {
    if (!waiting) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    isDue = true;
    showProblem(WAIT, false);
  },
  { capture: true },
);

// --- Chips ------------------------------------------------------------------------------------

/** The chips of those of these files that are there. */
async function chipsOf(ids) {
  const query = new URLSearchParams(ids.map((id) => ["attachment", id]));
  const response = await fetch(`${box.dataset.chips}?${query}`, { redirect: "error" });
  if (!response.ok) throw new Error(`The files: ${response.status}`);
  return [...fragment(await response.text()).querySelectorAll(".file")];
}

function remove(chip) {
  const next = (chip.nextElementSibling ?? chip.previousElementSibling)?.querySelector("button");
  chip.remove();
  chip.upload?.abort();
  announce("Removed.", "attaching");
  changed();
  (next ?? form.querySelector("[data-attach]")).focus();
}

/** The price follows what is attached, and so does the draft. */
function changed() {
  keepNow();
  notify("draft:changed");
}

function clear() {
  for (const chip of list.querySelectorAll(".file")) chip.remove();
}

// Before the page has the address of another conversation; or it waits in the queue.
document.body.addEventListener("message:sent", clear);
form.addEventListener("message:taken", () => {
  clear();
  changed();
});
form.addEventListener("files:back", ({ detail }) => restore(detail));

function restore(ids) {
  if (!ids.length) return;
  chipsOf(ids).then(
    (chips) => {
      list.append(...chips);
      changed();
    },
    () => {}, // They can be attached again.
  );
}

if (!list.childElementCount) restore(draft?.files ?? []);
