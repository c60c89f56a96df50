// A list to choose from: all at once, and how many are chosen. Without scripts the boxes do.

const form = document.querySelector("[data-choosing]");

if (form) {
  const all = form.querySelector("[data-all]");
  const boxes = [...form.querySelectorAll("[name=chat]")];
  const many = form.querySelector("[data-many]");

  const show = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    many.textContent = chosen ? `${chosen} chosen` : "";
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && !all.checked;
    for (const button of form.querySelectorAll("[name=do]")) button.disabled = !chosen;
  };

  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  form.addEventListener("change", show);
  // Firefox, and a page that one goes back to, keep what was chosen.
  window.addEventListener("pageshow", show);
  show();
}
