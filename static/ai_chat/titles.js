// The title of a chat may come after its first answer: what shows it besides the heading follows.

const isHeading = ({ detail }) => detail.target?.id === "conversation-title";
let before = "";

document.addEventListener("htmx:beforeSwap", (event) => {
  if (isHeading(event)) before = event.detail.target.textContent;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!isHeading(event)) return;
  const title = document.getElementById("conversation-title").textContent;
  if (title === before) return;
  document.title = `${title} · Tally`;
  // What somebody is typing there stays.
  const field = document.getElementById("title");
  if (field.value === before) field.value = title;
});
