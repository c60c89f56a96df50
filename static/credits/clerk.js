// Mounts Clerk's components and exchanges a Clerk session for one of this site. Loaded async, so
// that it runs, and can say what is wrong, when Clerk's own scripts never arrive.

const box = document.getElementById("clerk");
const part = (name) => box.querySelector(`[data-clerk-${name}]`);
const show = (name, visible = true) => (part(name).hidden = !visible);

const TIMEOUT = 15_000; // milliseconds until Clerk counts as unreachable

function within(milliseconds, promise) {
  const late = new Promise((_, reject) =>
    setTimeout(() => reject(new Error("late")), milliseconds),
  );
  return Promise.race([promise, late]);
}

/** Clerk's global, once its scripts have run. */
async function loadClerk() {
  while (!window.Clerk || !window.__internal_ClerkUICtor)
    await new Promise((resolve) => setTimeout(resolve, 50));
  await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } });
  return window.Clerk;
}

/** Gives the site Clerk's session token; it answers with its own session cookie. */
async function exchange(clerk) {
  const token = await clerk.session.getToken();
  const answer = await fetch(box.dataset.exchange, {
    method: "POST",
    headers: { "X-CSRFToken": box.dataset.csrf },
    body: new URLSearchParams({ token: token ?? "" }),
  });
  return answer.ok;
}

let signingIn = false;
async function signIn(clerk) {
  if (signingIn) return;
  signingIn = true;
  show("wait");
  show("again", false);
  if (await exchange(clerk)) return location.replace(box.dataset.next);
  signingIn = false;
  askToTryAgain();
}

function askToTryAgain() {
  show("wait", false);
  show("refused");
  show("again");
}

const ACTIONS = {
  "sign-in": signInBy((clerk, options) => clerk.mountSignIn(part("mount"), options)),
  "sign-up": signInBy((clerk, options) => clerk.mountSignUp(part("mount"), options)),
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

function signInBy(mount) {
  return async (clerk) => {
    part("again").onclick = () => signIn(clerk);
    if (clerk.isSignedIn) {
      // The server leaves "automatic" out after exchanges that failed, so that this cannot loop.
      if ("automatic" in box.dataset) return signIn(clerk);
      return askToTryAgain();
    }
    clerk.addListener(({ session }) => session && signIn(clerk));
    mount(clerk, { forceRedirectUrl: location.href, signUpForceRedirectUrl: location.href });
  };
}

try {
  const clerk = await within(TIMEOUT, loadClerk());
  show("wait", false);
  await ACTIONS[box.dataset.kind](clerk);
} catch {
  show("wait", false);
  show("fault");
}
