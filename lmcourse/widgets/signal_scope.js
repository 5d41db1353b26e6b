// SignalScope: how wide the signal is at every layer. The formulas are in rules/signals.js, the pictures in
// parts/signal_scope_pictures.js; here are the state, what each view says of it, and the controls.
import { bounded, frame, put, redraw } from "./lib/base.js";
import { check, choice, field, slider } from "./lib/controls.js";
import { h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { percent, short } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";
import {
  lossPicture,
  magnitudesPicture,
  mapPicture,
  modulePicture,
  streamPicture,
  truncationPicture,
} from "./parts/signal_scope_pictures.js";
import { ACTIVATIONS, erf, expectedStds, schemeGain, truncatedStd, verdict } from "./rules/signals.js";

const SETTINGS = ["scheme", "activation", "gain", "depth", "residual"];
const STATE = [...SETTINGS, "vocab_size", "view", "layer", "number_format", "measured", "mine"];
const SCHEMES = [
  ["kaiming", "Kaiming √(2/fan_in)"],
  ["lecun", "LeCun √(1/fan_in)"],
  ["xavier", "Xavier √(2/(in+out))"],
  ["torch_default", "nn.Linear √(1/3 fan_in)"],
];

// What each view says, with its tone

/** How the signal fares with depth, and the layer that is looked at. @returns {[string, string]} */
function mapWords({ measured, theory, fresh, layer }) {
  const last = measured.widths.length - 1;
  const row = fresh ? measured.forward[last] : (theory?.forward ?? measured.forward[last]);
  const back = fresh ? measured.backward[last] : (theory?.backward ?? []);
  const { word, factor } = verdict(row);
  const what = word === "not finite" ? "is not finite any more" : word;
  const rate = Number.isFinite(factor) ? `, × ${short(factor)} a layer` : "";
  const expected = theory && fresh ? ` (theory ${short(theory.forward[layer])})` : "";
  const at = `layer ${layer + 1}: std ${short(row[layer])}${expected}, gradient ${short(back[layer])}`;
  return [`The signal ${what}${rate}; ${at}.`, word === "lives" ? "good" : "bad"];
}

/** The layer in which a format loses most. @returns {[string, string]} */
function magnitudesWords({ measured, formatName }) {
  const lost = measured.lost[formatName];
  const sums = lost.map(([under, over]) => under + over);
  const worst = sums.indexOf(Math.max(...sums));
  if (sums[worst] === 0) return [`${formatName} holds every activation of this network.`, "good"];
  const [under, over] = lost[worst].map((share) => percent(share));
  return [`${formatName} loses most in layer ${worst + 1}: ${under} become 0, ${over} overflow.`, "bad"];
}

/** What a bound cuts, and the std that it leaves. @returns {[string, string]} */
function truncationWords({ local, inSigma }) {
  const cut = 1 - erf(inSigma / Math.SQRT2);
  const std = (inSigma > 30 ? 1 : truncatedStd(inSigma)).toFixed(4);
  const bound = local.bound.toFixed(1);
  const gone = cut < 1e-12 ? "nothing is cut" : `${percent(cut)} is cut`;
  return local.absolute
    ? [
        `An absolute bound of ${bound} is ${short(inSigma)}σ here: ${gone}; the std stays ${std}σ.`,
        inSigma > 6 ? "bad" : "good",
      ]
    : [`A bound of ${bound}σ cuts ${percent(cut)} and leaves a std of ${std}σ, whatever the width.`, "good"];
}

/** @returns {[string, string]} */
const streamWords = ({ depth }) => [
  `After ${depth} layers the plain stream has std √(1 + 2·${depth}) = ${short(Math.sqrt(1 + 2 * depth))}; ` +
    "with output matrices scaled by 1/√(2L) it has √2, at every depth.",
  "",
];

/** @returns {[string, string]} */
function lossWords({ local, zero, first }) {
  if (local.badVocab) return ["A vocabulary is a whole number from 1 to 10⁹.", "bad"];
  if (local.logits < 0.5) return [`A healthy first loss is ${zero.toFixed(2)}.`, "good"];
  const much = `The first loss is ${short(first - zero)} too high`;
  return [`${much}: the head's weights are too wide, and the first steps only undo that.`, "bad"];
}

/** The module at which the std changes most. @returns {[string, string]} */
function moduleWords({ mine }) {
  if (!mine.length) return ["No module was given.", ""];
  if (mine.some((row) => row.std === null)) return ["A layer's output is not finite.", ""];
  const ratios = mine.map((row, k) => (k && row.std > 0 && mine[k - 1].std > 0 ? row.std / mine[k - 1].std : 1));
  const jumps = ratios.map((ratio) => Math.abs(Math.log(ratio)));
  const worst = jumps.indexOf(Math.max(...jumps));
  const name = mine[worst].name || "the first module";
  return [`The largest change is at ${name}: × ${short(ratios[worst])}. Bars: log10 of the std, the middle is 1.`, ""];
}

const NETWORK = ["scheme", "activation", "gain", "depth", "residual", "layer"];
/**
 * @type {Record<string, { name: string, controls: string[], picture: (scene: any, look?: any) => any[],
 *   words: (scene: any) => [string, string] }>}
 */
export const VIEWS = {
  map: { name: "Depth × width", controls: NETWORK, picture: mapPicture, words: mapWords },
  magnitudes: {
    name: "Magnitudes",
    controls: [...NETWORK, "format"],
    picture: magnitudesPicture,
    words: magnitudesWords,
  },
  truncation: {
    name: "Truncation",
    controls: ["absolute", "bound", "fanIn"],
    picture: truncationPicture,
    words: truncationWords,
  },
  stream: { name: "Residual stream", controls: ["depth"], picture: streamPicture, words: streamWords },
  loss: { name: "First loss", controls: ["vocab", "logits"], picture: lossPicture, words: lossWords },
  mine: { name: "Your module", controls: ["again"], picture: modulePicture, words: moduleWords },
};

/** All that a picture and its words need, from the state of the model and what this view alone looks at. */
export function sceneOf(state, local) {
  const { measured, depth } = state;
  const settings = Object.fromEntries(SETTINGS.map((name) => [name, state[name]]));
  const stored = Object.fromEntries(SETTINGS.map((name) => [name, measured.settings[name]]));
  const gain = state.gain * schemeGain(state.scheme);
  const zero = Math.log(state.vocab_size);
  const sigma = 1 / Math.sqrt(local.d);
  return {
    ...state,
    local,
    settings,
    fresh: JSON.stringify(settings) === JSON.stringify(stored),
    theory: state.residual ? null : expectedStds(depth, gain, state.activation),
    formatName: state.number_format,
    format: state.formats[state.number_format],
    at: Math.min(state.layer, measured.histogram.length - 1),
    vocabSize: state.vocab_size,
    zero,
    first: zero + local.logits ** 2 / 2,
    sigma,
    inSigma: local.absolute ? local.bound / sigma : local.bound,
  };
}

/** The controls of the network: they set traits, and ask anew through `change`. */
function networkControls(get, change, put) {
  return {
    scheme: choice({ label: "Scheme", options: SCHEMES, value: get("scheme"), onchange: (v) => change({ scheme: v }) }),
    activation: choice({
      label: "Activation",
      options: Object.keys(ACTIVATIONS),
      value: get("activation"),
      onchange: (v) => change({ activation: v }),
    }),
    // the slider is the gain's logarithm: ×0.5 and ×2 are equally far from the middle
    gain: slider({
      label: "Gain",
      min: -1,
      max: 1,
      step: 0.01,
      value: Math.log2(get("gain")),
      format: (v) => `× ${(2 ** v).toFixed(2)}`,
      oninput: (v) => change({ gain: Number((2 ** v).toFixed(3)) }),
    }),
    depth: slider({
      label: "Depth",
      min: 2,
      max: 64,
      value: get("depth"),
      format: (v) => `${v} layers`,
      oninput: (v) => change({ depth: v }),
    }),
    residual: check({
      label: "residual stream, pre-norm",
      value: get("residual"),
      onchange: (v) => change({ residual: v }),
    }),
    layer: slider({
      label: "Look at layer",
      min: 1,
      max: get("depth"),
      value: get("layer") + 1,
      oninput: (v) => put({ layer: v - 1 }),
    }),
    format: choice({
      label: "Format",
      options: Object.keys(get("formats")),
      value: get("number_format"),
      onchange: (v) => put({ number_format: v }),
    }),
  };
}

/** The controls of what only this view looks at. */
function localControls(get, local, draw, put) {
  const set =
    (name, of = (v) => v) =>
    (v) => {
      local[name] = of(v);
      draw();
    };
  const plain = (v) => v.toFixed(2);
  return {
    bound: slider({
      label: "Bound",
      min: 0.5,
      max: 6,
      step: 0.1,
      value: local.bound,
      format: (v) => `± ${v.toFixed(1)}`,
      oninput: set("bound"),
    }),
    fanIn: slider({
      label: "fan_in",
      min: 4,
      max: 14,
      value: 14,
      format: (v) => String(2 ** v),
      oninput: set("d", (v) => 2 ** v),
    }),
    absolute: check({ label: "bound is absolute (torch), not in σ", value: true, onchange: set("absolute") }),
    logits: slider({
      label: "std of the first logits",
      min: 0,
      max: 8,
      step: 0.02,
      value: local.logits,
      format: plain,
      oninput: set("logits"),
    }),
    vocab: field({
      label: "Vocabulary",
      value: String(get("vocab_size")),
      oninput: (text) => {
        const v = Number(text);
        local.badVocab = !(Number.isInteger(v) && v >= 1 && v <= 1e9);
        if (!local.badVocab) put({ vocab_size: v });
        draw();
      },
    }),
  };
}

function pythonOf(model) {
  const get = (/** @type {string} */ name) => model.get(name);
  const quoted = (/** @type {string} */ name) => `${name}="${get(name)}"`;
  return (
    `SignalScope(${get("mine").length ? "model, x, " : ""}${quoted("scheme")}, ${quoted("activation")}, ` +
    `gain=${get("gain")}, depth=${get("depth")}, residual=${get("residual") ? "True" : "False"}, ` +
    `vocab_size=${get("vocab_size")}, ${quoted("view")})` +
    movedTo(model, { layer: 0, number_format: "float16" })
  );
}

function tabsOf(choose) {
  const tabs = Object.entries(VIEWS).map(([key, { name }]) =>
    h("button", { type: "button", "data-view": key, onclick: () => choose(key) }, name),
  );
  return h("div", { class: "sig-tabs", role: "group", "aria-label": "what to look at" }, tabs);
}

/** Bring the controls in line with the state. */
function setControls(control, state) {
  control.scheme.set(state.scheme);
  control.activation.set(state.activation);
  control.gain.set(Math.log2(state.gain));
  control.depth.set(state.depth);
  control.residual.set(state.residual);
  control.layer.set(state.layer + 1, state.depth);
  control.format.set(state.number_format);
}

function render({ model, el }) {
  const get = (/** @type {string} */ name) => model.get(name);
  bounded(model, { depth: [2, 64], vocab_size: [1, 2 ** 50], layer: [0, 63] });
  const first = Object.fromEntries(STATE.filter((name) => name !== "mine").map((name) => [name, get(name)]));
  const local = { bound: 3, d: 16384, absolute: true, logits: 0.02, badVocab: false };
  const view = frame({ model, el, python: () => pythonOf(model), reset: () => put(model, first) });
  view.root.classList.add("lmc-signal");
  const picture = h("div", { class: "sig-grid" });
  const tabs = tabsOf((key) => put(model, { view: key }));
  view.stage.append(tabs, picture);
  // drawn at the size it is shown at, so that 12 px stay 12 px on a phone
  const width = () => Math.max(280, picture.clientWidth || 640);
  let trouble = "";
  let shown = "";
  let drawnAt = 0;
  const kernel = asker(model, {
    answered: (a) => {
      trouble = "";
      put(model, a);
    },
    failed: (words) => {
      trouble = words;
      draw();
    },
    unanswered: (question) => {
      if (question.again) view.say("Measuring your module again needs the kernel: run the cell in a notebook.");
    },
  });
  const scene = () => {
    const state = Object.fromEntries([...STATE, "formats"].map((name) => [name, get(name)]));
    return { ...sceneOf(state, local), W: width(), hasKernel: kernel.hasKernel };
  };
  const change = (changes) => {
    put(model, changes);
    if (get("layer") >= get("depth")) put(model, { layer: get("depth") - 1 });
    const { fresh, settings } = scene();
    if (!fresh) kernel.ask(settings);
  };
  const set = (changes) => put(model, changes);
  const control = { ...networkControls(get, change, set), ...localControls(get, local, draw, set) };
  const again = h("button", { type: "button", onclick: () => kernel.ask({ again: true }) }, "Measure again");
  const elementOf = (name) => (name === "again" ? again : control[name].el);
  const look = (layer) => {
    if (get("layer") !== layer) put(model, { layer });
  };
  function draw() {
    const name = VIEWS[get("view")] ? get("view") : "map";
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.view === name));
    if (shown !== name) {
      shown = name;
      view.controls.replaceChildren(...VIEWS[name].controls.map(elementOf));
    }
    const now = scene();
    setControls(control, now);
    picture.replaceChildren(...VIEWS[name].picture(now, look));
    picture.classList.toggle("sig-stale", name === "magnitudes" && !now.fresh);
    if (trouble) view.say(trouble, "bad");
    else view.say(...VIEWS[name].words(now));
  }
  const resized = new ResizeObserver(() => {
    if (width() !== drawnAt) {
      drawnAt = width();
      draw();
    }
  });
  resized.observe(view.root);
  const stop = redraw(model, STATE, draw);
  return () => {
    stop();
    resized.disconnect();
    kernel.stop();
  };
}

export default { render };
