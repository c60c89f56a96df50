// Copying texts, in every browser and without HTTPS too.

import { announce, say } from "./page.js";

/** Puts a text, which may still be on its way, on the clipboard, with HTML beside it. The call comes
 * before the text: Safari allows it only while the press is being handled. Raises an error when the
 * browser refuses. */
export async function copy(coming, html = "") {
  if (!window.ClipboardItem?.supports?.("text/html")) {
    return navigator.clipboard.writeText(await coming);
  }
  const data = { "text/plain": coming.then((text) => new Blob([text], { type: "text/plain" })) };
  if (html) data["text/html"] = new Blob([html], { type: "text/html" });
  // Refused by the clipboard before the text has come, it would be an error nobody handles.
  data["text/plain"].catch(() => {});
  await navigator.clipboard.write([new ClipboardItem(data)]);
}

/** The same by the old command: browsers give no clipboard to pages without HTTPS. */
export function copyByCommand(text, html = "") {
  const fill = (event) => {
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
    if (html) event.clipboardData.setData("text/html", html);
  };
  // WebKit copies only where something is selected; which text that is, does not matter.
  const selection = getSelection();
  const before = selection.rangeCount ? selection.getRangeAt(0) : null;
  selection.selectAllChildren(document.getElementById("main"));
  document.addEventListener("copy", fill, { once: true });
  const hasCopied = document.execCommand("copy");
  document.removeEventListener("copy", fill);
  selection.removeAllRanges();
  if (before) selection.addRange(before);
  if (!hasCopied) throw new Error("The browser does not copy.");
}

/** Marks the button of a copy that `work` makes, which the live `region` says; or says that it could
 * not be made. */
export async function copyWith(button, work, region = "said") {
  try {
    await work();
  } catch {
    return say("That could not be copied. Select the text instead.", "error");
  }
  button.classList.add("done");
  announce("Copied.", region);
  setTimeout(() => button.classList.remove("done"), 1500);
}

// A button with data-copies="id" copies the text of that element.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copies]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copies).textContent;
  await copyWith(button, () =>
    navigator.clipboard ? copy(Promise.resolve(text)) : copyByCommand(text),
  );
});
