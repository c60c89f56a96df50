// Who is signed in at this browser: another tab may have signed out, in again, or in as another one.

import { notify } from "./page.js";

const { user, session } = document.body.dataset;

/** Asks who is signed in now. While it is still whom the page was made for, its forms get the CSRF
 * token of that session. Returns `isSame`, and the `name` of whoever it is. */
export async function renewSession() {
  const response = await fetch(session);
  const now = await response.json();
  const isSame = Boolean(user) && now.user === user;
  if (isSame) {
    for (const input of document.querySelectorAll("[name=csrfmiddlewaretoken]")) {
      input.value = now.csrf;
    }
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": now.csrf }));
    // Nothing asks by itself while it is known that nobody is signed in (js/polling.js).
    const meter = document.querySelector("#meter .out");
    meter?.classList.remove("out");
    if (meter) notify("session:began");
  }
  return { isSame, name: now.name };
}

/** Whether a form is refused with this status for its session, or for its token. */
export const isForSession = (status) => status === 401 || status === 403;

/** The response of `send()`; where it was refused for an old token, that of a second try. */
export async function sendRenewed(send) {
  const response = await send();
  return isForSession(response.status) && (await renewSession()).isSame ? send() : response;
}

/** Why a form was refused with this status, with the way to mend it, as nodes; nothing where it is
 * not for the session. `ask` is the address at which to sign in. */
export async function sessionProblem(status, ask) {
  if (!isForSession(status)) return null;
  const { isSame, name } = await renewSession();
  if (ask && (isSame || !name)) {
    const words = isSame ? "Confirm that it is still you" : "Sign in again";
    return [
      isSame ? "" : "You are signed out. ",
      link(ask, words),
      " in another tab, then send this: what you wrote is still here, and nothing was charged.",
    ];
  }
  if (isSame) return null;
  if (!name) return sessionProblem(401, "/sign-in");
  return [
    `You are signed in as ${name} now, and this page was somebody else’s: nothing was sent. `,
    link(location.href, "Open a page of your own"),
    " to write there.",
  ];
}

function link(href, text) {
  const anchor = document.createElement("a");
  Object.assign(anchor, { href, textContent: text, target: "_blank" });
  return anchor;
}
