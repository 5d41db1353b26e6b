// Make the snapshots of a page live without a kernel: each <div data-lm-widget data-lm-state> gets the same JS that the
// notebook runs. Use: <script type="module" src=".../hydrate.js"></script> beside the widgets' .js and .css files.
// A link that ends in #FloatBits=… (or #FloatBits.2=…, the second of a page) shows that widget in the state it holds.
import { misfit, unpackState } from "./share.js";

/**
 * What a widget expects of its model, kept in this page alone. It has a `send` only where the page itself can `answer`
 * the widget's questions; `take` is what a page does with what a widget hands over.
 */
export class Model {
  #state;
  #listeners = new Map();
  constructor(state, { answer = null, take = null } = {}) {
    this.#state = { ...state };
    if (take) this.take = take;
    if (!answer) return;
    this.send = async ({ id, question }) => {
      const reply = await answer(question).then(
        (found) => ({ id, answer: found }),
        (error) => ({ id, error: error.message }),
      );
      for (const listener of [...(this.#listeners.get("msg:custom") ?? [])]) listener(reply);
    };
  }
  get(name) {
    return this.#state[name];
  }
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

const here = new URL("..", import.meta.url); // the folder of the widgets

/** Add a stylesheet once; resolves when it is there, so that no widget is drawn without its look. */
function addStyle(name) {
  /** @type {any} */
  let link = document.querySelector(`link[data-lmc="${name}"]`);
  if (!link) {
    link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`${name}.css`, here);
    link.dataset.lmc = name;
    link.ready = new Promise((done) => {
      link.onload = link.onerror = done;
    });
    document.head.append(link);
  }
  return link.ready;
}

/** Replace one snapshot by its live widget, called `name` in links; a broken one keeps its snapshot. */
export async function hydrate(place, name = place.dataset.lmWidget, page = {}) {
  const stem = place.dataset.lmWidget;
  if (!/^[a-z_]+$/.test(stem)) return;
  const first = JSON.parse(place.dataset.lmState);
  const widget = await import(String(new URL(`${stem}.js`, here)));
  await addStyle("lib/theme"); // before the widget's own, which builds on it
  await addStyle(stem);
  let stop;
  /** Draw the page's own state with `changes`; where that fails, what was there stays. */
  place.show = async (changes = {}, words = "") => {
    const share = {
      name,
      names: Object.keys(first),
      first,
      get page() {
        return location.href.split("#")[0];
      },
    };
    const el = document.createElement("div");
    const model = new Model({ ...first, ...changes, _share: share }, page);
    const stopThis = await widget.default.render({ model, el });
    stop?.();
    stop = stopThis;
    place.state = () => Object.fromEntries(share.names.map((each) => [each, model.get(each)]));
    place.replaceChildren(...(words ? [note(words)] : []), el);
  };
  place.first = first;
  await place.show();
  place.dataset.lmLive = "";
}

function note(words) {
  const p = document.createElement("p");
  p.className = "lmc-note";
  p.setAttribute("role", "status");
  p.textContent = words;
  return p;
}

/** Show the state that the page's address holds; one that cannot be used is explained, and changes nothing. */
async function follow(named) {
  const [, name, text] = /^#([A-Za-z]+(?:\.\d+)?)=(.*)$/.exec(location.hash) ?? [];
  if (!name) return;
  const place = named.get(name);
  if (!place?.show) {
    const main = document.querySelector("main, [role=main]") ?? document.body;
    main.querySelector(":scope > .lmc-note")?.remove();
    main.prepend(note(`The link is for a widget that this page does not have: ${name.slice(0, 40)}.`));
    return;
  }
  try {
    const state = await unpackState(text);
    const wrong = Object.entries(state).reduce(
      (found, [key, value]) =>
        found ||
        (Object.hasOwn(place.first, key) ? misfit(value, place.first[key], key) : `there is no ${key.slice(0, 40)}`),
      "",
    );
    if (wrong) throw new Error(wrong);
    await place.show(state, "This is the state that the link holds.");
  } catch (error) {
    await place.show({}, `The state in the link cannot be shown (${error.message}). This is the page's own.`);
  }
  place.scrollIntoView({ block: "start" });
}

if (typeof document !== "undefined") {
  const named = new Map(),
    count = {};
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-lm-widget]"))) {
    const name = place.dataset.lmWidget
      .split("_")
      .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
      .join("");
    count[name] = (count[name] ?? 0) + 1;
    named.set(place.dataset.lmName ?? (count[name] === 1 ? name : `${name}.${count[name]}`), place);
  }
  const live = [...named].map(([name, place]) =>
    hydrate(place, name).catch((error) => console.error(`${place.dataset.lmWidget}:`, error)),
  );
  let turn = Promise.all(live).then(() => follow(named)); // one after the other: the last address wins
  addEventListener("hashchange", () => {
    turn = turn.then(() => follow(named));
  });
}
