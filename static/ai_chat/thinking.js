// How long a model thinks, above its answer: seconds that go on while it does, then how long it took.

const ticking = new WeakMap();

/** The model has been thinking for so many seconds. */
export function tickFrom(section, seconds) {
  const began = Date.now() - seconds * 1000;
  const clock = section.querySelector(".thinking .clock");
  const show = () => {
    // The article is replaced at its end.
    if (!clock.isConnected && ticking.has(section)) return stopTicking(section);
    const passed = Math.max(1, Math.round((Date.now() - began) / 1000));
    const minutes = Math.floor(passed / 60);
    clock.textContent = ` · ${minutes ? `${minutes} min ` : ""}${passed % 60} s`;
  };
  show();
  stopTicking(section);
  ticking.set(section, setInterval(show, 1000));
}

/** It has thought, for as long as the words say. */
export function showThought(section, words) {
  stopTicking(section);
  section.querySelector(".thinking .word").textContent = `Thought for ${words}`;
  section.querySelector(".thinking .clock").textContent = "";
}

function stopTicking(section) {
  clearInterval(ticking.get(section));
  ticking.delete(section);
}
