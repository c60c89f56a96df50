// The service worker, for whoever is signed in: it shows a page of ours where the site cannot be
// reached, and notifications.

if (document.body.dataset.user) {
  navigator.serviceWorker
    ?.register("/service-worker.js", { updateViaCache: "none" })
    .catch(() => {}); // Some browsers have none in private windows: everything else works.
}
