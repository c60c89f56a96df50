// What blocks of code have beside them: a switch that wraps long lines in all of them, remembered in
// this browser, and a download.

import { inStorage } from "../js/page.js";

const template = document.getElementById("code-tools").content.firstElementChild;
const WRAPS = "code:wraps";
const turns = document.getElementById("turns");

/** Languages, as models name them, by the extension of their files. Others are saved as text: the
 * model must not choose what a file does when it is opened. */
const EXTENSIONS = {
  bat: "bat batch cmd",
  c: "c h",
  clj: "clojure clj",
  cpp: "cpp c++ cc cxx hpp",
  cs: "csharp c# cs",
  css: "css",
  csv: "csv",
  dart: "dart",
  diff: "diff patch",
  ex: "elixir ex exs",
  go: "go golang",
  graphql: "graphql gql",
  hs: "haskell hs",
  html: "html htm xhtml",
  ini: "ini cfg conf",
  java: "java",
  jl: "julia jl",
  js: "javascript js mjs node",
  json: "json jsonc json5",
  jsx: "jsx",
  kt: "kotlin kt",
  lua: "lua",
  m: "objective-c objectivec objc matlab octave",
  md: "markdown md",
  php: "php",
  pl: "perl pl",
  ps1: "powershell ps1 pwsh",
  py: "python py python3 py3",
  r: "r",
  rb: "ruby rb",
  rs: "rust rs",
  scala: "scala",
  scss: "scss sass",
  sh: "bash sh shell zsh console",
  sql: "sql postgresql postgres mysql sqlite plpgsql",
  svg: "svg",
  swift: "swift",
  tex: "latex tex",
  tf: "terraform tf hcl",
  toml: "toml",
  ts: "typescript ts",
  tsx: "tsx",
  xml: "xml",
  yaml: "yaml yml",
};
const NAMES = new Map([
  ["dockerfile", "Dockerfile"],
  ["docker", "Dockerfile"],
  ["make", "Makefile"],
  ["makefile", "Makefile"],
]);
for (const [extension, languages] of Object.entries(EXTENSIONS)) {
  for (const language of languages.split(" ")) NAMES.set(language, `code.${extension}`);
}

/** The code of the block in which something stands; the last line's end is the block's. */
export const codeOf = (element) =>
  element.closest(".code")?.querySelector("code").textContent.replace(/\n$/, "");

/** Gives a block of code its buttons. They stand in a place that is kept for them: nothing moves. */
export function addTools(block, copyButton) {
  const tools = template.cloneNode(true);
  tools.querySelector("[data-wrap]").setAttribute("aria-pressed", doesWrap());
  tools.append(copyButton);
  block.prepend(tools);
}

const doesWrap = () => turns.classList.contains("wraps");

function wrapAll(isOn) {
  turns.classList.toggle("wraps", isOn);
  for (const button of turns.querySelectorAll("[data-wrap]")) {
    button.setAttribute("aria-pressed", isOn);
  }
}

wrapAll(inStorage("localStorage", (storage) => storage.getItem(WRAPS)) === "yes");

document.addEventListener("click", ({ target }) => {
  const wrap = target.closest("[data-wrap]");
  if (wrap) {
    // The pressed button stays below the pointer, whatever grows above it.
    const before = wrap.getBoundingClientRect().top;
    wrapAll(!doesWrap());
    window.scrollBy({ top: wrap.getBoundingClientRect().top - before, behavior: "instant" });
    inStorage("localStorage", (storage) => storage.setItem(WRAPS, doesWrap() ? "yes" : "no"));
  }
  const download = target.closest("[data-download]");
  if (download) save(codeOf(download), fileName(download.closest(".code").dataset.lang));
});

const fileName = (language = "") => NAMES.get(language.toLowerCase()) ?? "code.txt";

function save(text, name) {
  // Not as text: the browser would give a name without an extension that of text.
  const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "application/octet-stream" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
