// Controls: native elements, labels always visible, values with units beside them; and how keys move among many cells.
import { h, uid } from "./elements.js";

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
