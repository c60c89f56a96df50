/* The button of a chat's page to print; without scripts the browser's own menu prints. */
const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => window.print());
