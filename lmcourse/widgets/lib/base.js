// What every widget shares in the browser: elements, the frame, controls, keys, and questions to the kernel.
// A widget imports what it needs from "./lib/base.js"; for a notebook base.py puts both into one file, each in its scope.
import { ownNames, packState } from "./share.js";

let lastId = 0;
/** An id that no other element of the page has: two copies of a widget must not disturb each other. */
export const uid = () => `lmc-${(lastId += 1)}-${Math.random().toString(36).slice(2, 8)}`;

function build(node, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") node.style.cssText = value;
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  // Strings become text nodes: whatever a reader typed is shown, never parsed.
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: h("button", { class: "x", onclick: f }, "text", child). */
export const h = (tag, props, ...children) => build(document.createElement(tag), props, children);

/** An SVG element, the same way. */
export const s = (tag, props, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

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

/** The Share button, and the panel that it unfolds: the state as a line of Python, and as a link into the book. */
function share(model, python) {
  const panel = h("div", {
    id: uid(),
    class: "lmc-share",
    role: "group",
    "aria-label": "Share this state",
    hidden: true,
  });
  const button = h(
    "button",
    { type: "button", "aria-expanded": "false", "aria-controls": panel.id, onclick: () => open(panel.hidden) },
    "Share",
  );
  const words = h("p", { class: "lmc-muted", role: "status" });
  const row = (label) => {
    const input = h("input", { type: "text", readonly: true, spellcheck: "false", onfocus: () => input.select() });
    const copy = h(
      "button",
      {
        type: "button",
        "aria-label": `Copy the ${label}`,
        onclick: async () => {
          try {
            await navigator.clipboard.writeText(input.value);
            words.textContent = `Copied the ${label}.`;
          } catch {
            input.focus();
            words.textContent = `The ${label} is selected: copy it with Ctrl+C or ⌘C.`;
          }
        },
      },
      "Copy",
    );
    return { el: h("div", { class: "lmc-share-row" }, h("label", {}, h("span", {}, label), input), copy), input };
  };
  const line = python && row("line of Python"),
    link = row("link"),
    note = h("p", { class: "lmc-muted" });
  panel.append(...(line ? [line.el] : []), link.el, note, words);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      open(false);
      button.focus();
    }
  });
  let latest = 0;
  const open = (yes) => {
    panel.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    words.textContent = "";
    refresh();
  };
  async function refresh() {
    if (panel.hidden) return;
    const mine = (latest += 1),
      text = python?.() ?? "",
      own = ownNames(text);
    if (line) line.input.value = own.length ? `${text}  # ${own.join(", ")}: your own, as in your notebook` : text;
    let address = "",
      trouble = "";
    try {
      address = await linkTo(model);
    } catch (error) {
      trouble = `No link: ${error.message}.`;
    }
    if (mine !== latest) return; // the state moved on while this one was packed
    link.input.value = address;
    note.textContent =
      (line ? "" : "What is shown comes from a run: no line of Python says it. ") +
      (trouble ||
        (address.startsWith("#")
          ? "Put the address of the book's page of widgets before the link, or set LMCOURSE_BOOK to the book's address."
          : ""));
  }
  return { button, panel, refresh };
}

/** The link that restores this state: all that differs from what the page itself shows. */
async function linkTo(model) {
  const about = model.get("_share");
  if (!about) throw new Error("this page does not say what it is");
  const first = about.first ?? {};
  const differs = about.names.filter((name) => JSON.stringify(model.get(name)) !== JSON.stringify(first[name]));
  const state = Object.fromEntries(differs.map((name) => [name, model.get(name)]));
  if (Object.values(state).some(ArrayBuffer.isView))
    throw new Error("the numbers of a run are more than a link carries");
  return `${about.page}#${about.name}=${await packState(state)}`;
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
 * Ask Python (`CourseWidget.answer`). One question is on its way at a time and the newest waiting one replaces older
 * ones, so a dragged slider never piles up work. On a page without a kernel, `unanswered` is called at once.
 * @returns {{ ask(question), hasKernel: boolean, stop() }}
 */
export function asker(model, { answered, failed, unanswered = () => {} }) {
  const hasKernel = typeof model.send === "function";
  const me = uid();
  let inFlight = null,
    waiting = null,
    count = 0;
  const send = (question) => {
    inFlight = `${me}:${(count += 1)}`;
    model.send({ id: inFlight, question });
  };
  const receive = (message) => {
    if (message?.id !== inFlight || inFlight === null) return; // another view's, or a stale one
    inFlight = null;
    if (waiting !== null) {
      const next = waiting;
      waiting = null;
      send(next);
      return;
    }
    if ("error" in message) failed(message.error);
    else answered(message.answer);
  };
  if (hasKernel) model.on("msg:custom", receive);
  return {
    hasKernel,
    ask(question) {
      if (!hasKernel) unanswered(question);
      else if (inFlight === null) send(question);
      else waiting = question;
    },
    stop() {
      if (hasKernel) model.off("msg:custom", receive);
    },
  };
}

// Bringing nodes up to date. What stays the same is left alone: the browser lays out, and a screen reader hears, only what
// did change.

/** Set the attributes that differ. */
export function change(node, attributes) {
  for (const [name, value] of Object.entries(attributes))
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Set the text if it differs. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Put these nodes in, if others are there. */
export function fill(parent, nodes) {
  const same = nodes.length === parent.childNodes.length && nodes.every((node, i) => node === parent.childNodes[i]);
  if (!same) parent.replaceChildren(...nodes);
}

/**
 * Bring the children of `parent` in line with `items`: the node made for a key stays as long as an item has that key.
 * @param {{ key: (item) => string, make: (item) => HTMLElement, update?: (node, item) => void }} how
 */
export function keyed(parent, items, { key: keyOf, make, update = () => {} }) {
  const before = parent.keyed ?? new Map();
  parent.keyed = new Map(items.map((item) => [keyOf(item), before.get(keyOf(item)) ?? make(item)]));
  for (const [name, node] of before) if (!parent.keyed.has(name)) node.remove();
  const kept = new Set(before.values());
  let at = parent.firstChild;
  while (at && !kept.has(at)) at = at.nextSibling; // a label that stands before them stays there
  items.forEach((item) => {
    const node = parent.keyed.get(keyOf(item));
    update(node, item);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  });
}

// Controls: native elements, labels always visible, values with units beside them.

/** @returns {{ el, set(value, max?) }} a labelled range; `format` gives the text beside it. */
export function slider({ label, min, max, step = 1, value, format = String, oninput }) {
  const id = uid();
  const out = h("output", { for: id });
  const input = h("input", { type: "range", id, min, max, step, value, "aria-label": label });
  const show = () => {
    out.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", out.textContent);
  };
  input.addEventListener("input", () => {
    show();
    oninput(Number(input.value));
  });
  show();
  return {
    el: h("label", { for: id }, label, input, out),
    input,
    set(next, newMax) {
      if (newMax !== undefined) input.max = newMax;
      if (Number(input.value) !== next) input.value = next;
      show();
    },
  };
}

/** @returns {{ el, set(value) }} a labelled select; options are strings or [value, text]. */
export function choice({ label, options, value, onchange }) {
  const id = uid();
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const select = h(
    "select",
    { id, onchange: () => onchange(select.value) },
    pairs.map(([key, text]) => h("option", { value: key }, text)),
  );
  select.value = value;
  return {
    el: h("label", { for: id }, label, select),
    select,
    set(next) {
      select.value = next;
    },
  };
}

/** @returns {{ el, set(value) }} a labelled checkbox. */
export function check({ label, value, onchange }) {
  const box = h("input", { type: "checkbox", onchange: () => onchange(box.checked) });
  box.checked = Boolean(value);
  return {
    el: h("label", {}, box, label),
    box,
    set(next) {
      box.checked = Boolean(next);
    },
  };
}

/** @returns {{ el, set(value) }} a labelled text field, one line or several; `oninput` gets the text. */
export function field({ label, value, lines = 1, oninput, placeholder }) {
  const id = uid();
  const input = h(lines > 1 ? "textarea" : "input", {
    id,
    rows: lines > 1 ? lines : null,
    type: lines > 1 ? null : "text",
    spellcheck: "false",
    autocomplete: "off",
    placeholder,
    oninput: () => oninput(input.value),
  });
  input.value = value;
  return {
    el: h("label", { for: id, style: lines > 1 ? "display:block" : "" }, label, input),
    input,
    set(next) {
      if (input.value !== next) input.value = next;
    },
  };
}

/**
 * ⏮ ◀ play ▶ ⏭ and a scrubber, with ← → Home End and Space. A picture is a function of its step, so `go` may jump.
 * @returns {{ el, set(step, length), stop() }} `length` is the number of steps; steps run from 0 to length − 1.
 */
export function stepper({ label, go, every = 700 }) {
  let step = 0,
    last = 0,
    timer = null;
  const to = (next) => {
    const k = Math.max(0, Math.min(last, next));
    if (k !== step) go(k);
  };
  const button = (text, name, act) =>
    h("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const toggle = () => {
    if (timer !== null) return stop();
    if (step === last) go(0);
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (step >= last || !el.isConnected) stop();
      else to(step + 1);
    }, every);
  };
  const play = h("button", { type: "button", onclick: toggle }, "Play");
  const first = button("⏮", "first step", () => to(0));
  const back = button("◀", "step back", () => to(step - 1));
  const forth = button("▶", "step forward", () => to(step + 1));
  const end = button("⏭", "last step", () => to(last));
  const range = slider({
    label,
    min: 0,
    max: 0,
    value: 0,
    format: (k) => `${k} of ${last}`,
    oninput: (k) => {
      stop();
      to(k);
    },
  });
  const el = h(
    "div",
    {
      class: "lmc-stepper",
      role: "group",
      "aria-label": label,
      onkeydown: (event) => {
        const onButton = event.target.tagName === "BUTTON";
        if (event.key === " " && !onButton) {
          toggle();
          event.preventDefault();
        }
        if (event.key === "ArrowLeft" && onButton) to(step - 1);
        if (event.key === "ArrowRight" && onButton) to(step + 1);
        if (event.key === "Home" && onButton) to(0);
        if (event.key === "End" && onButton) to(last);
      },
    },
    first,
    back,
    play,
    forth,
    end,
    range.el,
  );
  return {
    el,
    stop,
    set(next, length) {
      step = next;
      last = Math.max(0, length - 1);
      range.input.max = last;
      range.set(step);
      // aria-disabled, not disabled: a button that has the focus keeps it when the end is reached
      for (const control of [first, back]) control.setAttribute("aria-disabled", String(step <= 0));
      for (const control of [forth, end]) control.setAttribute("aria-disabled", String(step >= last));
    },
  };
}

/**
 * One tab stop for many cells; arrows move between them. Cells are the elements that match `selector`, in document
 * order; `columns()` gives the row length (1 for a strip that ↑ ↓ should not cross).
 */
export function roving(container, selector, { columns = () => 1, onfocus = () => {} } = {}) {
  const cells = () => [...container.querySelectorAll(selector)];
  const tabStop = (cell) => {
    for (const other of cells()) other.tabIndex = other === cell ? 0 : -1;
  };
  const onkey = (event) => {
    const all = cells(),
      at = all.indexOf(event.target.closest(selector)),
      wide = columns();
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide }[event.key];
    let to = move === undefined ? at : at + move;
    if (event.key === "Home") to = 0;
    if (event.key === "End") to = all.length - 1;
    if (at < 0 || to === at || !all[to]) return;
    event.preventDefault();
    all[to].focus();
  };
  const onin = (event) => {
    const cell = event.target.closest?.(selector);
    if (cell) {
      tabStop(cell);
      onfocus(cell, cells().indexOf(cell));
    }
  };
  container.addEventListener("keydown", onkey);
  container.addEventListener("focusin", onin);
  return {
    /** Call after the cells were drawn anew: keeps the tab stop at the same place, and the focus if it was here. */
    refresh(index = 0, keepFocus = false) {
      const all = cells(),
        cell = all[Math.min(index, all.length - 1)];
      if (!cell) return;
      tabStop(cell);
      if (keepFocus) cell.focus({ preventScroll: true });
    },
  };
}

// Numbers and motion

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

/** 1234567 → "1 234 567", grouped by thin spaces. */
export const grouped = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");

/** −12 → "⁻¹²", for powers of two. */
export const raised = (n) => [...String(n)].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])).join("");

/** true where the reader asked for no motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
