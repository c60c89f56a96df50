// Shortcuts of one key can be switched off: somebody who speaks to the browser, or whose hand
// slips, would set them off (WCAG 2.1.4). In this browser, for whoever uses it.

import { inStorage } from "./page.js";

const KEY = "one-key shortcuts"; // Read by adminpanel/admin.js too.

export const hasOneKeyShortcuts = () =>
  inStorage("localStorage", (storage) => storage.getItem(KEY)) !== "off";

export const switchOneKeyShortcuts = (isOn) =>
  inStorage("localStorage", (storage) =>
    isOn ? storage.removeItem(KEY) : storage.setItem(KEY, "off"),
  );
