// Small comforts on top of pages that work without them. No inline code anywhere: behaviour hangs on
// data-* attributes, and is listened for once, on the document.

const said = () => document.getElementById("said");

/** Says something to people who do not look at the screen. */
function announce(text) {
  const place = said();
  if (place) place.textContent = text;
}

// --- Toasts ---------------------------------------------------------------------------------------
// Anyone can raise one: an event `tally:say` with {text, level} on the page, or the same in a
// response's HX-Trigger header. `level` is success, info, warning or error.

const TOAST_SECONDS = 8;

function toast({ text, level = "info" }) {
  const line = document.createElement("p");
  line.className = `toast ${level}`;
  const words = document.createElement("span");
  words.textContent = text;
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "btn icon bare", textContent: "×" });
  button.dataset.dismiss = "";
  button.setAttribute("aria-label", "Dismiss");
  line.append(words, button);
  document.getElementById("toasts")?.append(line);
  fade(line);
}

/** Good news leaves by itself, unless somebody is reading it; bad news waits to be dismissed. */
function fade(line) {
  if (line.matches(".warning, .error")) return;
  setTimeout(() => {
    if (line.matches(":hover, :focus-within")) fade(line);
    else line.remove();
  }, TOAST_SECONDS * 1000);
}

document.querySelectorAll(".toast").forEach(fade);
document.addEventListener("tally:say", (event) => toast(event.detail));
document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".toast")?.remove();
});

// --- Forms ----------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  const input = document.getElementById(button.dataset.reveal);
  const shown = input.type === "password";
  input.type = shown ? "text" : "password";
  button.textContent = shown ? "Hide" : "Show";
  button.setAttribute("aria-pressed", String(shown));
});

// A menu closes as menus do: by Escape, which gives the focus back, or by a press elsewhere.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("[data-menu][open]");
  if (!menu) return;
  event.preventDefault();
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A form marked data-once is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
});

/** The back button shows the page as it was left: wake its forms up, and ask for the balance. */
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("[data-once]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
  document.body.dispatchEvent(new CustomEvent("credits:changed", { bubbles: true }));
});

// --- The meter ------------------------------------------------------------------------------------

// What asks stays, and what is drawn is inside it: a change that comes while one is being asked for
// waits in htmx's queue, and the queue goes with the element that asks.

let before = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (elt.id !== "meter") return;
  // Nobody looks: the next focus asks anyway. Somebody signed out has nothing to ask.
  if (document.hidden || elt.querySelector(".out")) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (target.id !== "meter") return;
  before = { ...target.firstElementChild.dataset };
  if (xhr.status === 401) Object.assign(event.detail, { shouldSwap: true, isError: false });
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "meter" || !before) return;
  announceChange(event.target.firstElementChild, before);
  before = null;
});

/** Spending is seen; what is said aloud is what nobody asked for: credits that come, or the end. */
function announceChange(meter, { remaining }) {
  if (meter.matches(".out")) return announce("You are signed out.");
  const more = meter.dataset.remaining - remaining;
  if (!(more > 0)) return;
  meter.classList.add("refunded");
  announce(
    `${more} ${more === 1 ? "credit" : "credits"} more: you have ${meter.dataset.remaining}.`,
  );
}

// --- Times ----------------------------------------------------------------------------------------
// Pages are written in UTC; the reader's own time is one hover away.

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, {
      dateStyle: "long",
      timeStyle: "short",
    });
  }
}

localTimes(document);
document.addEventListener("htmx:load", (event) => localTimes(event.detail.elt));
