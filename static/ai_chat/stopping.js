// Escape stops what is being made, unless it has something to close or a search to empty.

import { addAction, canRun, runAction } from "../js/actions.js";

const stopButton = () => document.querySelector(".stop");
addAction(
  "stop",
  () => stopButton().click(),
  () => stopButton() !== null,
);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !canRun("stop")) return;
  if (document.querySelector(":popover-open, dialog[open]")) return;
  if (!event.target.matches("[type=search]")) runAction("stop");
});
