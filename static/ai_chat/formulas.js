// Formulas are copied as the TeX that the model wrote: the text of MathML says nothing without its
// places ("x2" for a square).

document.addEventListener("copy", (event) => {
  const selection = getSelection();
  const range = selection.rangeCount && selection.getRangeAt(0).cloneRange();
  if (event.defaultPrevented || !range || !range.intersectsNode(document.getElementById("turns"))) {
    return;
  }
  // Of a formula all or nothing: half of one would be no TeX.
  const [first, last] = [formulaOf(range.startContainer), formulaOf(range.endContainer)];
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
  const copied = document.createElement("div");
  copied.append(range.cloneContents());
  const formulas = copied.querySelectorAll("math[data-tex]");
  if (!formulas.length) return;
  event.preventDefault();
  event.clipboardData.setData("text/html", copied.innerHTML);
  for (const formula of formulas) formula.replaceWith(written(formula));
  event.clipboardData.setData("text/plain", shownText(copied));
});

const formulaOf = (node) =>
  (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.closest("math[data-tex]");

/** What the model wrote for a formula, with its lines. */
function written(formula) {
  const tex = document.createElement("span");
  tex.textContent = formula.dataset.tex;
  tex.style.whiteSpace = "pre";
  return tex;
}

/** The text as a page shows it, with the lines of its blocks: only what is laid out has those. */
function shownText(element) {
  element.className = "unseen md";
  document.getElementById("turns").append(element);
  const text = element.innerText;
  element.remove();
  return text;
}
