// The instructions of a new chat, which go with its first message: their size, for its price.

import { tellSizeOf } from "./message.js";

function tellSize(field) {
  if (field?.form?.id === "composer") tellSizeOf(field.value, "setup-size");
}

document.addEventListener("input", ({ target }) => {
  if (target.id === "setup-instructions") tellSize(target);
});
tellSize(document.getElementById("setup-instructions"));
