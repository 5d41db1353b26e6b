// What every widget shares in the browser: the frame, its state, and what it says to the kernel. The rest of lib/:
// elements, controls, numbers, charts, share (links), tokens. For a notebook base.py puts what a widget imports into
// one file.
import { help } from "./controls.js";
import { h, uid } from "./elements.js";
import { share } from "./panel.js";

/** What anywidget hands to `render`. @typedef {{ get(name: string): any, set(name: string, value: any): void,
 *  on(event: string, heard: (message?: any) => void): void, off(event: string, heard?: (message?: any) => void): void,
 *  save_changes(): void, send?: (message: any) => void }} Model */

/**
 * The parts of LOOK: title line with actions, stage, controls, reading line, what is folded away, source line.
 * @param {{ model: Model, el: HTMLElement, python?: () => string, reset?: () => void }} options
 *   `python` gives the line that rebuilds this state, with `movedTo` (share.js) for what no argument sets; `reset`
 *   puts the first state back. What More shows is a trait of every widget, and both care for it here.
 */
export function frame({ model, el, python, reset }) {
  const heading = h("p", { class: "lmc-title" }),
    actions = h("div", { class: "lmc-actions" }),
    stage = h("div", { class: "lmc-stage" }),
    controls = h("div", { class: "lmc-controls" }),
    below = h("div", { class: "lmc-below" }),
    source = h("p", { class: "lmc-source" });
  const sharing = share(model, python),
    reading = readingLine(sharing.refresh),
    more = fold(model);
  const head = h("div", { class: "lmc-head" }, heading, actions);
  const parts = [head, sharing.panel, stage, controls, reading.el, reading.live, more.el, below, source];
  const root = h("section", { class: "lmc", role: "group", "aria-label": model.get("title") || "widget" }, parts);
  const backToFirst = () => {
    put(model, { more: false });
    reset();
  };
  actions.append(sharing.button);
  if (reset) actions.append(h("button", { type: "button", onclick: backToFirst }, "Reset"));
  const part = {
    root,
    stage,
    /** The controls in view, at most six; the main one first, directly under the picture. */
    controls,
    actions,
    /** What tabs show, below the reading line. */
    below,
    /**
     * Put controls behind More, whose button, returned, joins the controls in view. Call it after the others are
     * there.
     */
    more(...nodes) {
      more.el.append(...nodes);
      controls.append(more.button);
      return more.button;
    },
    /** @param {string} text */
    title(text) {
      heading.textContent = text;
      root.setAttribute("aria-label", text);
    },
    say: reading.say,
    /** Draw once now and once a frame while the named traits change; returns what stops it, for a view that closes. */
    redraw(names, draw) {
      const stops = [redraw(model, ["more"], more.show), redraw(model, names, draw)];
      return () => {
        for (const stop of stops) stop();
      };
    },
    /** Words of jargon with their meaning: { word: "one plain sentence" }; each opens on demand. */
    words(meanings) {
      const terms = Object.entries(meanings).map(([word, meaning]) => [" ", help(word, meaning)]);
      source.before(h("p", { class: "lmc-words" }, "What is", terms, "?"));
    },
    /** @param {string} text */
    source(text) {
      source.textContent = text;
    },
  };
  part.title(model.get("title") ?? "");
  part.source(model.get("source") ?? "");
  isolateKeys(root);
  el.replaceChildren(root);
  return part;
}

/** The sentence that says what the stage shows now; a screen reader hears the last of a burst, not all of it. */
function readingLine(changed) {
  const el = h("p", { class: "lmc-reading" });
  const live = h("p", { class: "lmc-sr", "aria-live": "polite" });
  let announce;
  /** Tone is "", "good" or "bad". Quiet: for the eye alone. */
  const say = (text, tone = "", quiet = false) => {
    el.textContent = text;
    el.dataset.tone = tone;
    changed();
    if (quiet) return;
    clearTimeout(announce);
    announce = setTimeout(() => {
      live.textContent = text;
    }, 400);
  };
  return { el, live, say };
}

/** The button More, and what it unfolds; open or not is the trait `more`, so that Share remembers it. */
function fold(model) {
  const el = h("div", { id: uid(), class: "lmc-more", role: "group", "aria-label": "more controls" });
  const onclick = () => put(model, { more: !model.get("more") });
  const button = h("button", { type: "button", class: "lmc-more-button", "aria-controls": el.id, onclick }, "More");
  const show = () => {
    el.hidden = !model.get("more");
    button.setAttribute("aria-expanded", String(!el.hidden));
  };
  return { el, button, show };
}

/**
 * Notebook shortcuts fire while a widget has the focus (`x` deletes the cell): keep plain keys inside. JupyterLab
 * minds that a key goes no further; Notebook 7 listens earlier, and minds the mark on the element that has the focus.
 */
export function isolateKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
}

function redraw(model, names, draw) {
  let waiting = 0;
  const later = () => {
    if (waiting) return;
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      draw();
    });
  };
  const events = names.map((name) => `change:${name}`);
  for (const event of events) model.on(event, later);
  draw();
  return () => {
    cancelAnimationFrame(waiting);
    for (const event of events) model.off(event, later);
  };
}

/** Set traits and save them: every view of the model, and Python, follow. */
export function put(model, changes) {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  model.save_changes();
}

/**
 * Refuse a state with a number that is not whole, or outside { name: [least, most] }. The kernel would have refused it,
 * but a link may hold any number, and a widget that counts up to it would never be done.
 */
export function bounded(model, limits) {
  for (const [name, [least, most]] of Object.entries(limits)) {
    const value = model.get(name);
    if (!Number.isInteger(value) || value < least || value > most)
      throw new RangeError(`${name}: a whole number from ${least} to ${most}, got ${value}`);
  }
}
