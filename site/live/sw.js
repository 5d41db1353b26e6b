// Keeps the book for a reader without a network. seal.py writes in the names of all files and hashes of their contents.
//
// A page that the network has is always shown, so nobody is caught with an old book; what it has not is taken from
// here. What a page loads lies in a folder that is named by its content: it is the same for ever, so it is taken from
// here first, and a page gets what belongs to it or nothing. A new book is kept whole before it takes over, with what
// did not change taken over; the book before it stays beside it, for pages of it that are still open.

const BOOK = { version: "", first: {}, later: {} };
const ALL = { ...BOOK.first, ...BOOK.later };
const SCOPE = registration.scope;
const KEPT = `lmcourse ${new URL(SCOPE).pathname}`;
const PATIENCE = 4000; // ms; a network that is slower counts as none, for pages that are kept
const STATIC = /^_static-(\w+)\//;
const LISTS = `${SCOPE}files-of/`; // where the names and hashes of a book are kept

/** The address under which a file is kept: its content is part of it. */
const place = (name, files = ALL) => new URL(`${name}?kept=${files[name]}`, SCOPE).href;

/** Fetch a file and keep it, while it is of this book: of a newer one another service worker takes care. */
async function keep(cache, name) {
  if (await cache.match(place(name))) return;
  const folder = `_static-${BOOK.version}/`,
    got = await fetch(SCOPE + name.replace(/^_static\//, folder), { cache: "no-cache" });
  const ours = got.ok && (!name.endsWith(".html") || (await got.clone().text()).includes(folder));
  if (!ours) throw new Error(`${name} is not there, or of another book: ${got.status}`);
  await cache.put(place(name), got);
}

/** Keep files, a few at a time. */
async function fill(names) {
  const cache = await caches.open(KEPT),
    left = [...names];
  const some = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await keep(cache, name);
  };
  await Promise.all([some(), some(), some()]);
}

async function install() {
  await fill(Object.keys(BOOK.first));
  await (await caches.open(KEPT)).put(LISTS + BOOK.version, new Response(JSON.stringify(ALL)));
  await skipWaiting();
}

/** Forget what belongs neither to this book nor to the one before. */
async function clear() {
  const cache = await caches.open(KEPT),
    lists = (await cache.keys()).filter(({ url }) => url.startsWith(LISTS)).slice(-2),
    wanted = new Set(lists.map(({ url }) => url));
  for (const list of lists) {
    const files = await (await cache.match(list)).json();
    for (const name of Object.keys(files)) wanted.add(place(name, files));
  }
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(clear().then(() => clients.claim())));
/** What a Check needs: each open page asks for it, and it is fetched once. */
let python = null;
function keepPython() {
  python ??= fill(Object.keys(BOOK.later))
    .catch(() => {}) // the next page that opens asks again
    .finally(() => {
      python = null;
    });
  return python;
}

// A page with exercises asks once it is idle.
addEventListener("message", (event) => {
  if (event.data === "python") event.waitUntil(keepPython());
});

/** What is kept of a file: a page of this book, or whatever a page of this book or of the one before it loads. */
async function kept(name) {
  const cache = await caches.open(KEPT),
    version = STATIC.exec(name)?.[1] ?? BOOK.version,
    list = version === BOOK.version ? null : await cache.match(LISTS + version);
  const files = version === BOOK.version ? ALL : ((await list?.json()) ?? {}),
    plain = name.replace(STATIC, "_static/");
  return Object.hasOwn(files, plain) ? cache.match(place(plain, files)) : undefined;
}

/** As from where it was asked for: a script that was taken over from another book would import that one's scripts. */
const from = (request, got) => (got.url.startsWith(request.url.split("?")[0]) ? got : new Response(got.body, got));

async function answered(request) {
  const name = decodeURIComponent(new URL(request.url).pathname.slice(new URL(SCOPE).pathname.length)) || "index.html",
    here = await kept(name);
  if (here && STATIC.test(name)) return from(request, here);
  const patience = new AbortController(),
    timer = setTimeout(() => here && patience.abort(), PATIENCE);
  try {
    // what navigates cannot be asked with other options; a host may have told the browser to ask no more for a while
    const asked = request.mode === "navigate" ? request.url : request;
    return await fetch(asked, { cache: "no-cache", signal: patience.signal, redirect: "manual" });
  } catch (error) {
    if (here) return here;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(SCOPE)) event.respondWith(answered(request));
});
