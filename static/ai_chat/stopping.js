// Escape stops what is being made, unless it has something to close or a search to empty.

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  if (document.querySelector(":popover-open") || event.target.matches("[type=search]")) return;
  document.querySelector(".stop")?.click();
});
