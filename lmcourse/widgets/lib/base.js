// What every widget shares in the browser: the frame, its state, and what it says to the kernel. The rest of lib/: elements,
// controls, numbers, charts, share (links), tokens. For a notebook base.py puts what a widget imports into one file.
import { h, uid } from "./elements.js";
import { share } from "./panel.js";

/**
 * The five parts of LOOK: title line with actions, stage, controls, reading line, source line.
 * @param {{ model: any, el: HTMLElement, python?: () => string, reset?: () => void }} options
 *   `python` gives the line that rebuilds this state, with `movedTo` (share.js) for what no argument sets; `reset` puts the first
 *   state back.
 * @returns {{ root, stage, controls, title(text), say(text, tone?), source(text), actions }}
 */
export function frame({ model, el, python, reset }) {
  const heading = h("p", { class: "lmc-title" });
  const actions = h("div", { class: "lmc-actions" });
  const stage = h("div", { class: "lmc-stage" });
  const controls = h("div", { class: "lmc-controls" });
  const reading = h("p", { class: "lmc-reading" });
  const live = h("p", { class: "lmc-sr", "aria-live": "polite" });
  const source = h("p", { class: "lmc-source" });
  const root = h(
    "section",
    { class: "lmc", role: "group", "aria-label": model.get("title") || "widget" },
    h("div", { class: "lmc-head" }, heading, actions),
    stage,
    controls,
    reading,
    live,
    source,
  );
  let announce;
  const part = {
    root,
    stage,
    controls,
    actions,
    title(text) {
      heading.textContent = text;
      root.setAttribute("aria-label", text);
    },
    /** Say in one sentence what the stage shows now; tone is "", "good" or "bad". Quiet: for the eye alone. */
    say(text, tone = "", quiet = false) {
      reading.textContent = text;
      reading.dataset.tone = tone;
      sharing.refresh();
      if (quiet) return;
      clearTimeout(announce); // a screen reader hears the last of a burst, not all of it
      announce = setTimeout(() => {
        live.textContent = text;
      }, 400);
    },
    source(text) {
      source.textContent = text;
    },
  };
  const sharing = share(model, python);
  actions.append(sharing.button);
  root.querySelector(".lmc-head").after(sharing.panel);
  if (reset) actions.append(h("button", { type: "button", onclick: reset }, "Reset"));
  part.title(model.get("title") ?? "");
  part.source(model.get("source") ?? "");
  isolateKeys(root);
  el.replaceChildren(root);
  return part;
}

/** JupyterLab's shortcuts fire while a widget has the focus (`x` deletes the cell): keep plain keys inside. */
export function isolateKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

/** Draw once now and once a frame while the named traits change; returns what stops it. */
export function redraw(model, names, draw) {
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

/** true where the reader asked for no motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
