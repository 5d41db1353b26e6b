// Controls: native elements, labels always visible, values with units beside them; and how keys move among many cells.
import { h, uid } from "./elements.js";

/**
 * A labelled range; `format` gives the text beside it.
 * @param {{ label: string, min: number, max: number, step?: number, value: number, format?: (value: number) => string,
 *   oninput: (value: number) => void }} options
 * @returns {{ el: any, input: any, set(value: number, max?: number): void }}
 */
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

/** What `options` of a choice or of tabs are: texts, or pairs [value, text]. */
const pairsOf = (options) => options.map((option) => (Array.isArray(option) ? option : [option, option]));

/**
 * A labelled select; options are strings or [value, text].
 * @param {{ label: string, options: (string | string[])[], value: string, onchange: (value: string) => void }} options
 * @returns {{ el: any, select: any, set(value: string): void }}
 */
export function choice({ label, options, value, onchange }) {
  const id = uid();
  const select = h(
    "select",
    { id, onchange: () => onchange(select.value) },
    pairsOf(options).map(([key, text]) => h("option", { value: key }, text)),
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

/**
 * A labelled checkbox.
 * @param {{ label: string, value: boolean, onchange: (on: boolean) => void }} options
 * @returns {{ el: any, box: any, set(value: boolean): void }}
 */
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

/**
 * A labelled text field, one line or several; `oninput` gets the text.
 * @param {{ label: string, value: string, lines?: number, placeholder?: string, oninput: (text: string) => void }}
 *   options
 * @returns {{ el: any, input: any, set(value: string): void }}
 */
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
 * Named tabs: one tab stop, arrows choose. The chosen one is a trait of the widget, so that Share remembers it.
 * @param {{ label: string, options: (string | string[])[], value: string, onchange: (value: string) => void }} options
 * @returns {{ el: any, set(value: string): void }}
 */
export function tabs({ label, options, value, onchange }) {
  const pairs = pairsOf(options);
  const buttons = pairs.map(([key, text]) =>
    h("button", { type: "button", role: "tab", "data-tab": key, onclick: () => onchange(key) }, text),
  );
  const onkeydown = (event) => {
    const at = buttons.indexOf(event.target),
      last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    onchange(pairs[to][0]);
    buttons[to].focus();
  };
  const set = (next) => {
    for (const button of buttons) {
      const on = button.dataset.tab === next;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    if (buttons.every((button) => button.tabIndex)) buttons[0].tabIndex = 0; // a state from elsewhere may name none
  };
  set(value);
  return { el: h("div", { class: "lmc-tabs", role: "tablist", "aria-label": label, onkeydown }, buttons), set };
}

/**
 * A word of jargon with help on demand: a click or Enter opens one or two plain sentences over the page, Esc closes
 * them. It takes no room, so that nothing moves.
 * @param {string} word
 * @param {string} words
 */
export function help(word, words) {
  const id = uid();
  const note = h("span", { id, popover: "auto", class: "lmc-help-note", role: "note" }, words);
  const button = h("button", { type: "button", class: "lmc-help", popovertarget: id, title: words }, word);
  note.addEventListener("toggle", () => {
    const place = button.getBoundingClientRect(),
      own = note.getBoundingClientRect();
    note.style.left = `${Math.max(8, Math.min(innerWidth - own.width - 8, place.left))}px`;
    note.style.top = `${place.bottom + own.height + 8 > innerHeight ? place.top - own.height - 4 : place.bottom + 4}px`;
  });
  return h("span", { class: "lmc-help-box" }, button, note);
}
