// What can be done by a shortcut, by the palette, or by an element with data-action="name". Pages
// add what they can do; where an action is not possible, nobody is offered it.

const actions = new Map();

/** Adds the action `name`: `run` does it, while `isPossible`. */
export function addAction(name, run, isPossible = () => true) {
  actions.set(name, { run, isPossible });
}

export const canRun = (name) => actions.get(name)?.isPossible() ?? false;

export const runAction = (name) => actions.get(name).run();

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-action]")?.dataset.action;
  if (!name || !canRun(name) || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  runAction(name);
});
