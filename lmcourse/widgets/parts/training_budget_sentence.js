// TrainingBudget's sentence: a model on so many tokens with so many chips takes so long. Its underlined values are
// dragged, or moved with the arrow keys; the two names are chosen.
import { help } from "../lib/controls.js";
import { h } from "../lib/elements.js";
import { clamp, grouped, inWords, percent } from "../lib/numbers.js";
import { moneyText, tidy, timeText } from "./training_budget_words.js";

/**
 * A number in a line of text: dragged sideways, or moved by arrows. It has whole places: `at` gives that of a value,
 * `of` the value at one.
 * @param {{ label: string, least: number, most: number, at: (value: number) => number, of: (place: number) => number,
 *   text: (value: number) => string, oninput: (value: number) => void, width?: number }} options
 *   `width` is how many pixels a place takes.
 */
export function dragged({ label, least, most, at, of, text, oninput, width = 6 }) {
  const el = h("span", {
    class: "tb-drag",
    role: "slider",
    tabindex: 0,
    "aria-label": label,
    "aria-valuemin": least,
    "aria-valuemax": most,
    title: `${label}: drag, or press ← →`,
  });
  let now = least;
  let from = null;
  const move = (place) => {
    const next = clamp(place, least, most);
    if (next !== Math.round(at(now))) oninput(of(next));
  };
  el.addEventListener("pointerdown", (event) => {
    el.setPointerCapture(event.pointerId);
    el.focus();
    from = { x: event.clientX, place: at(now) };
  });
  el.addEventListener("pointermove", (event) => {
    if (el.hasPointerCapture(event.pointerId)) move(Math.round(from.place + (event.clientX - from.x) / width));
  });
  el.addEventListener("keydown", (event) => {
    const place = Math.round(at(now));
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 };
    const next = { Home: least, End: most }[event.key] ?? (event.key in steps ? place + steps[event.key] : null);
    if (next === null) return;
    event.preventDefault();
    move(next);
  });
  return {
    el,
    set(/** @type {number} */ value) {
      now = value;
      el.textContent = text(value);
      el.setAttribute("aria-valuenow", String(Math.round(at(value))));
      el.setAttribute("aria-valuetext", text(value));
    },
  };
}

/** Places of a number that grows by ratios: 20 to a factor of ten, rounded to two digits. */
const ratios = {
  at: (/** @type {number} */ v) => 20 * Math.log10(v),
  of: (/** @type {number} */ k) => Number((10 ** (k / 20)).toPrecision(2)),
};

/** Places of a number that doubles. */
const doubles = { at: Math.log2, of: (/** @type {number} */ k) => 2 ** k };

/** A name in a line of text, chosen out of several. */
function chosen(label, names, onchange) {
  const options = names.map((name) => h("option", { value: name }, name));
  const el = h("select", { class: "tb-choose", "aria-label": label, onchange: () => onchange(el.value) }, options);
  return {
    el,
    set(name) {
      el.value = name;
    },
  };
}

const MFU_HELP =
  "Model FLOPs utilisation: the FLOPs that the model needs, over those that the chips could do in the same time. " +
  "Good runs reach 30 to 50 %.";

/**
 * @param {{ models: string[], chips: string[], change: Record<string, (value: any) => void> }} options
 *   `change` has what is called with a new model, tokens, devices, chip or mfu.
 */
export function sentence({ models, chips, change }) {
  const model = chosen("model", models, change.model);
  const tokens = dragged({
    label: "tokens",
    least: 120,
    most: 300,
    ...ratios,
    text: (v) => tidy(inWords(v)),
    oninput: change.tokens,
  });
  const devices = dragged({
    label: "devices",
    least: 0,
    most: 15,
    ...doubles,
    text: grouped,
    width: 18,
    oninput: change.devices,
  });
  const chip = chosen("chip", chips, change.chip);
  const mfu = dragged({
    label: "MFU",
    least: 1,
    most: 100,
    at: (v) => 100 * v,
    of: (k) => k / 100,
    text: (v) => percent(v, 0),
    width: 4,
    oninput: change.mfu,
  });
  const [time, cost] = [h("b", { class: "tb-time" }), h("b", { class: "tb-cost" })];
  const words = [model.el, " on ", tokens.el, " tokens with ", devices.el, " × ", chip.el, " at ", mfu.el, " "];
  const el = h("p", { class: "tb-sentence" }, words, help("MFU", MFU_HELP), " takes ", time, " and ", cost);
  return {
    el,
    set(now, state) {
      model.set(state.preset);
      tokens.set(state.tokens);
      devices.set(state.devices);
      chip.set(state.chip);
      mfu.set(state.mfu);
      time.textContent = timeText(now.days);
      cost.textContent = moneyText(now.dollars);
    },
  };
}
