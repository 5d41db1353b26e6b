// Make the snapshots of a page live without a kernel: each <div data-lm-widget data-lm-state> gets the same JS that the
// notebook runs. Use: <script type="module" src=".../hydrate.js"></script> beside the widgets' .js and .css files.

/** What a widget expects of its model, kept in this page alone; no `send`, since there is no kernel to ask. */
export class Model {
  #state; #listeners = new Map();
  constructor(state) { this.#state = { ...state }; }
  get(name) { return this.#state[name]; }
  set(name, value) {
    if (this.#state[name] === value) return;
    this.#state[name] = value;
    for (const listener of [...(this.#listeners.get(`change:${name}`) ?? [])]) listener();
    for (const listener of [...(this.#listeners.get("change") ?? [])]) listener();
  }
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
  }
  off(event, listener) {
    if (listener) this.#listeners.get(event)?.delete(listener);
    else this.#listeners.delete(event);
  }
  save_changes() {}
}

const here = new URL(".", import.meta.url);

/** Add a stylesheet once; resolves when it is there, so that no widget is drawn without its look. */
function addStyle(name) {
  let link = document.querySelector(`link[data-lmc="${name}"]`);
  if (!link) {
    link = document.createElement("link");
    link.rel = "stylesheet"; link.href = new URL(`${name}.css`, here); link.dataset.lmc = name;
    link.ready = new Promise((done) => { link.onload = link.onerror = done; });
    document.head.append(link);
  }
  return link.ready;
}

/** Replace one snapshot by its live widget; a broken one keeps its snapshot. */
export async function hydrate(place) {
  const name = place.dataset.lmWidget;
  if (!/^[a-z_]+$/.test(name)) return;
  const model = new Model(JSON.parse(place.dataset.lmState));
  const widget = await import(new URL(`${name}.js`, here));
  await addStyle("theme");  // before the widget's own, which builds on it
  await addStyle(name);
  const el = document.createElement("div");
  await widget.default.render({ model, el });
  place.replaceChildren(el);
  place.dataset.lmLive = "";
}

if (typeof document !== "undefined") {
  for (const place of document.querySelectorAll("[data-lm-widget]")) {
    hydrate(place).catch((error) => console.error(`${place.dataset.lmWidget}:`, error));
  }
}
