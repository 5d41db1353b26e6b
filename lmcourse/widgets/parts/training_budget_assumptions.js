// TrainingBudget's other assumptions, behind More: sizes of the model, what a FLOP is counted as, formats and what a
// step keeps. Each control sets a trait; `set` brings them in line with the state.
import { check, choice, field, help, slider } from "../lib/controls.js";
import { h } from "../lib/elements.js";
import { three } from "../lib/numbers.js";
import { plain, readPositive, timeText } from "./training_budget_words.js";

const EIGHTHS = 8; // places of a slider for a factor of two

/** A slider of a number that grows by ratios; whole ones move by factors of two. */
function ratio(name, label, { least, most, format, whole = true }, state, put) {
  let now = state[name];
  const control = slider({
    label,
    min: Math.log2(least) * EIGHTHS,
    max: Math.log2(most) * EIGHTHS,
    step: whole ? EIGHTHS : 1,
    value: Math.log2(now) * EIGHTHS,
    format: () => format(now),
    oninput: (v) => put({ [name]: whole ? Math.round(2 ** (v / EIGHTHS)) : 2 ** (v / EIGHTHS) }),
  });
  return {
    el: control.el,
    set(value) {
      now = value;
      control.set(Math.round(Math.log2(value) * EIGHTHS));
    },
  };
}

/** A number that a reader types; what is none goes to `complain`, and changes nothing. */
function typed(name, label, state, put, complain) {
  const control = field({
    label,
    value: plain(state[name]),
    oninput: (text) => {
      try {
        const value = readPositive(text, label);
        complain("");
        put({ [name]: value });
      } catch (error) {
        complain(error.message);
      }
    },
  });
  return {
    el: control.el,
    set(/** @type {number} */ value, complaint = "") {
      if (!complaint && document.activeElement !== control.input) control.set(plain(value));
    },
  };
}

const chosen = (name, label, options, state, put) =>
  choice({ label, options, value: state[name], onchange: (v) => put({ [name]: v }) });
const ticked = (name, label, state, put) => check({ label, value: state[name], onchange: (v) => put({ [name]: v }) });

const SHARDING = [
  ["none", "nothing"],
  ["optimizer", "optimizer (ZeRO 1)"],
  ["gradients", "+ gradients (ZeRO 2)"],
  ["parameters", "+ parameters (ZeRO 3)"],
];

function modelControls(state, put, reshape) {
  const { shape } = state;
  return {
    layers: slider({
      label: "layers",
      min: 1,
      max: 128,
      value: shape.num_layers,
      oninput: (n) => reshape({ layers: n }),
    }),
    width: slider({
      label: "width",
      min: 64,
      max: 16384,
      step: 64,
      value: shape.d_model,
      oninput: (n) => reshape({ width: n }),
    }),
    seq: ratio("seq", "sequence", { least: 128, most: 131072, format: (n) => `${n} tokens` }, state, put),
  };
}

const runControls = (state, put, complain) => ({
  tokens: typed("tokens", "tokens, exactly", state, put, complain),
  price: typed("price", "$ an hour and device", state, put, complain),
  convention: chosen("convention", "FLOPs counted as", Object.keys(state.tables.conventions), state, put),
  sparse: ticked("sparse", "believe the sparse figure", state, put),
});

const memoryControls = (state, put) => ({
  batch: ratio("batch", "micro-batch", { least: 1, most: 1024, format: String }, state, put),
  accumulation: ratio("accumulation", "accumulate", { least: 1, most: 256, format: (n) => `${n} ×` }, state, put),
  recipe: chosen("recipe", "formats", Object.keys(state.tables.recipes), state, put),
  optimizer: chosen("optimizer", "optimizer", Object.keys(state.tables.moments), state, put),
  sharding: chosen("sharding", "split over devices", SHARDING, state, put),
  fused_attention: ticked("fused_attention", "fused attention", state, put),
  first_step: ticked("first_step", "first step (no optimizer state yet)", state, put),
  binary: ticked("binary", "GiB (1024³) instead of GB (10⁹)", state, put),
});

const ZERO_HELP =
  "ZeRO splits what every device would otherwise keep a copy of: stage 1 the optimizer's state, stage 2 gradients " +
  "too, stage 3 parameters too. What a device lacks is fetched when it is needed.";

/**
 * @param {any} state the first one
 * @param {{ put: (changes: any) => void, reshape: (change: any) => void, complain: (words: string) => void,
 *   weigh: any }} act
 *   `weigh` is the button that weighs a step of the reader's own model, or null.
 */
export function assumptions(state, { put, reshape, complain, weigh }) {
  const groups = {
    Model: modelControls(state, put, reshape),
    Run: runControls(state, put, complain),
    Memory: memoryControls(state, put),
  };
  const more = { Model: [], Run: [], Memory: [help("ZeRO?", ZERO_HELP), weigh] };
  const els = Object.entries(groups).map(([name, controls]) => {
    const heading = h("span", { class: "tb-heading" }, name);
    const nodes = [...Object.values(controls).map((control) => control.el), ...more[name]];
    return h("div", { class: "tb-group", role: "group", "aria-label": name }, heading, nodes);
  });
  const { layers, width, ...rest } = { ...groups.Model, ...groups.Run, ...groups.Memory };
  return {
    els,
    set(now, complaint) {
      layers.set(now.shape.num_layers);
      width.set(now.shape.d_model);
      for (const [name, control] of Object.entries(rest)) /** @type {any} */ (control).set(now[name], complaint);
    },
  };
}

/** The two controls of the budget turned round. */
export function budgetControls(state, put) {
  const controls = {
    days: ratio("days", "days", { least: 1 / 16, most: 1024, format: timeText, whole: false }, state, put),
    tokens_per_parameter: ratio(
      "tokens_per_parameter",
      "tokens a parameter",
      { least: 1, most: 4096, format: three, whole: false },
      state,
      put,
    ),
  };
  return {
    els: Object.values(controls).map((control) => control.el),
    set(now) {
      for (const [name, control] of Object.entries(controls)) control.set(now[name]);
    },
  };
}
