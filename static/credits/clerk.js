// Mounts Clerk's parts and turns a Clerk session into one of ours. Loaded async, so that it runs, and
// can say so, also when Clerk's own scripts never arrive.

const box = document.getElementById("clerk");
const part = (name) => box.querySelector(`[data-clerk-${name}]`);
const show = (name, visible = true) => (part(name).hidden = !visible);

const PATIENCE = 15_000; // Milliseconds until Clerk counts as unreachable.

function within(milliseconds, promise) {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new Error("late")), milliseconds),
  );
  return Promise.race([promise, late]);
}

/** Clerk's global, once its scripts have run. */
async function loaded() {
  while (!window.Clerk || !window.__internal_ClerkUICtor)
    await new Promise((resolve) => setTimeout(resolve, 50));
  await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } });
  return window.Clerk;
}

/** Gives our server the session token. It answers with our own session cookie. */
async function exchange(clerk) {
  const token = await clerk.session.getToken();
  const answer = await fetch(box.dataset.exchange, {
    method: "POST",
    headers: { "X-CSRFToken": box.dataset.csrf },
    body: new URLSearchParams({ token: token ?? "" }),
  });
  return answer.ok;
}

let entering = false;
async function enter(clerk) {
  if (entering) return;
  entering = true;
  show("wait");
  show("again", false);
  if (await exchange(clerk)) return location.replace(box.dataset.next);
  entering = false;
  askToTryAgain();
}

function askToTryAgain() {
  show("wait", false);
  show("refused");
  show("again");
}

const KINDS = {
  "sign-in": door((clerk, options) => clerk.mountSignIn(part("mount"), options)),
  "sign-up": door((clerk, options) => clerk.mountSignUp(part("mount"), options)),
  "sign-out": (clerk) => clerk.signOut({ redirectUrl: box.dataset.next }),
  pricing: (clerk) =>
    clerk.mountPricingTable(part("mount"), {
      for: "user",
      newSubscriptionRedirectUrl: location.pathname,
    }),
  account: (clerk) => {
    if (clerk.isSignedIn) clerk.mountUserButton(part("mount"), { showName: true });
  },
};

function door(mount) {
  return async (clerk) => {
    part("again").onclick = () => enter(clerk);
    if (clerk.isSignedIn) {
      // The server stops saying "automatic" when exchanges bring nothing: no circles.
      if ("automatic" in box.dataset) return enter(clerk);
      return askToTryAgain();
    }
    clerk.addListener(({ session }) => session && enter(clerk));
    mount(clerk, { forceRedirectUrl: location.href, signUpForceRedirectUrl: location.href });
  };
}

try {
  const clerk = await within(PATIENCE, loaded());
  show("wait", false);
  await KINDS[box.dataset.kind](clerk);
} catch {
  show("wait", false);
  show("fault");
}
