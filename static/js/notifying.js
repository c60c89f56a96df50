// Notifications, for whoever switched them on in this browser: until they sign out.

import { inStorage } from "./page.js";

const KEY = "notify";
const { user } = document.body.dataset;
const SENTENCES = {
  missing: "This browser has no notifications for this site.",
  blocked:
    "This browser blocks notifications from this site. Allow them in its settings for the site " +
    "(beside the address), then switch them on here.",
  on: "On in this browser, until you sign out.",
  off: "Off in this browser.",
};

/** Whether notifications are `missing`, `blocked`, `on` or `off`. */
export function stateOfNotices() {
  if (!("Notification" in window && navigator.serviceWorker)) return "missing";
  if (Notification.permission === "denied") return "blocked";
  const isOn = inStorage("localStorage", (storage) => storage.getItem(KEY)) === user;
  return isOn && Notification.permission === "granted" ? "on" : "off";
}

/** Switches them on, which asks for the browser's permission, or off. Says what has come of it. */
export async function switchNotices() {
  const before = stateOfNotices();
  if (before === "off") await Notification.requestPermission();
  inStorage("localStorage", (storage) =>
    before === "off" ? storage.setItem(KEY, user) : storage.removeItem(KEY),
  );
  showState();
  return SENTENCES[stateOfNotices()];
}

/** Shows a sentence outside the page, for somebody who wants that; a press brings back the tab with
 * this address. By the service worker: on phones pages cannot. */
export async function showNotice(sentence, address) {
  if (stateOfNotices() !== "on") return;
  const registration = await navigator.serviceWorker.getRegistration();
  const icon = document.querySelector("[rel=apple-touch-icon]").href;
  await registration?.showNotification(sentence, { tag: address, data: address, icon });
}

/** Shows on the account's page what holds. */
function showState() {
  const button = document.querySelector("[data-notices]");
  if (!button) return;
  const state = stateOfNotices();
  document.getElementById("notices-state").textContent = SENTENCES[state];
  button.textContent = state === "on" ? "Switch off" : "Switch on";
  button.hidden = state === "missing";
}

showState();
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-notices]")) switchNotices();
});
document.addEventListener("submit", async ({ target }) => {
  if (!target.matches("[action$='/sign-out']")) return;
  inStorage("localStorage", (storage) => storage.removeItem(KEY));
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const notice of (await registration?.getNotifications()) ?? []) notice.close();
});
