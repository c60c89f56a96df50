// Shows a page of ours where the site cannot be reached, and brings back whoever presses a
// notification. It keeps that page and its files and nothing else: what is somebody's own never
// comes into a cache. Run by /service-worker.js, which says what is kept.

const { version, page, files } = self.offline;
const CACHE = `offline ${version}`;

self.addEventListener("install", (event) => event.waitUntil(keep()));

async function keep() {
  const cache = await caches.open(CACHE);
  // Without cookies: the page is made for nobody.
  const options = { cache: "reload", credentials: "omit" };
  await cache.addAll([page, ...files].map((url) => new Request(url, options)));
  await self.skipWaiting();
}

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

async function takeOver() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  // Pages are asked for while the worker starts, not after it.
  await self.registration.navigationPreload?.enable();
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { pathname, search } = new URL(url);
  if (method === "GET" && mode === "navigate") event.respondWith(open(event));
  else if (files.includes(pathname + search)) event.respondWith(kept(event.request));
});

async function open(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return kept(page);
  }
}

/** From the cache; where the browser has emptied that, from the network. */
const kept = async (request) => (await caches.match(request)) ?? fetch(request);

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data));
});

/** Brings the tab with this address to the front, or opens one. */
async function show(address) {
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const tab = tabs.find(({ url }) => new URL(url).pathname === address);
  await (tab ? tab.focus() : self.clients.openWindow(address));
}
