// Keeps the book for a reader without a network. seal.py writes in the names of all files and hashes of their contents.
//
// What the network has is always shown, so nobody is caught with an old book; what it has not is taken from here. A new
// book has a new cache, filled whole before the old one goes, with what did not change taken over.

const FILES = { first: {}, later: {} };
const ALL = { ...FILES.first, ...FILES.later };
const KEPT = `lmcourse ${new URL(registration.scope).pathname}`;
const PATIENCE = 4000; // ms; a network that is slower counts as none, for what is kept

/** The address under which a file is kept: its content is part of it. */
const place = (name) => new URL(`${name}?kept=${ALL[name]}`, registration.scope).href;

/** Fetch what is not kept yet, a few at a time. */
async function fill(names) {
  const cache = await caches.open(KEPT),
    left = [...names];
  const one = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (await cache.match(place(name))) continue;
      const got = await fetch(new URL(name, registration.scope), { cache: "no-cache" });
      if (!got.ok) throw new Error(`${name}: ${got.status}`);
      await cache.put(place(name), got);
    }
  };
  await Promise.all([one(), one(), one()]);
}

async function clear() {
  const cache = await caches.open(KEPT),
    wanted = new Set(Object.keys(ALL).map(place));
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
}

addEventListener("install", (event) => event.waitUntil(fill(Object.keys(FILES.first)).then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(clear().then(() => clients.claim())));
// A page with exercises asks for what a Check needs, once it is idle.
addEventListener("message", (event) => {
  if (event.data === "python") event.waitUntil(fill(Object.keys(FILES.later)).catch(() => {}));
});

/** What is kept of an address: a folder's is its index.html. */
async function kept(address) {
  const name = decodeURIComponent(address.pathname.slice(new URL(registration.scope).pathname.length)) || "index.html";
  return Object.hasOwn(ALL, name) ? (await caches.open(KEPT)).match(place(name)) : undefined;
}

async function answered(request) {
  const address = new URL(request.url),
    here = await kept(address);
  if (here && address.pathname.includes("/pyodide/")) return here; // known by its content, and large
  const patience = new AbortController(),
    timer = setTimeout(() => here && patience.abort(), PATIENCE);
  try {
    // what navigates cannot be asked with other options
    const asked = request.mode === "navigate" ? request.url : request;
    return await fetch(asked, { signal: patience.signal, redirect: "manual" });
  } catch (error) {
    if (here) return here;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(registration.scope)) event.respondWith(answered(request));
});
