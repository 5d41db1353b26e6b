// SignalScope: how wide the signal is at every layer. The formulas are in rules/signals.js, the pictures in
// parts/signal_scope_pictures.js; here are the state, what each view says of it, and the controls.
import { bounded, frame, put } from "./lib/base.js";
import { check, choice, field, help, slider, tabs } from "./lib/controls.js";
import { fill, h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { percent, short } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";
import { measuring } from "./parts/signal_scope_measure.js";
import {
  lossPicture,
  magnitudesPicture,
  mapView,
  modulePicture,
  streamPicture,
  truncationPicture,
  worstOf,
} from "./parts/signal_scope_pictures.js";
import { ACTIVATIONS, erf, expectedStds, schemeGain, truncatedStd, verdict } from "./rules/signals.js";

const SETTINGS = ["scheme", "activation", "gain", "depth", "residual"];
const STATE = [...SETTINGS, "vocab_size", "view", "layer", "number_format", "mine"];
const SCHEMES = [
  ["kaiming", "Kaiming √(2/fan_in)"],
  ["lecun", "LeCun √(1/fan_in)"],
  ["xavier", "Xavier √(2/(in+out))"],
  ["torch_default", "nn.Linear √(1/3 fan_in)"],
];

// What each view says, with its tone

/** How the signal fares on its way forward and back, and the layer that is looked at. @returns {[string, string]} */
function mapWords({ measured, theory, layer }) {
  if (!measured.done) return ["Measuring…", ""];
  const [row, back] = [measured.forward, measured.backward].map((rows) => rows.at(-1));
  const forward = verdict(row);
  const backward = verdict([...back].reverse());
  const rate = Number.isFinite(forward.factor) ? `, × ${short(forward.factor)} a layer` : "";
  const expected = theory ? ` (theory ${short(theory.forward[layer])})` : "";
  const at = `layer ${layer + 1}: std ${short(row[layer])}${expected}, gradient ${short(back[layer])}`;
  const both = forward.word === "lives" && backward.word === "lives";
  const but = forward.word === "lives" && !both ? `, but the gradient ${SAID[backward.word]} on its way back` : "";
  return [`The signal ${SAID[forward.word]}${rate}${but}; ${at}.`, both ? "good" : "bad"];
}

const SAID = { lives: "lives", dies: "dies", explodes: "explodes", "not finite": "is not finite any more" };

/** The layer in which a format loses most. @returns {[string, string]} */
function magnitudesWords({ measured, widest, formatName }) {
  if (!measured.done) return ["Measuring…", ""];
  const sums = widest.lost.map(([under, over]) => under + over);
  const worst = sums.indexOf(Math.max(...sums));
  if (sums[worst] === 0) return [`${formatName} holds every activation of this network.`, "good"];
  const [under, over] = widest.lost[worst].map((share) => percent(share));
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
  const { at, ratio } = worstOf(mine);
  const name = mine[at].name || "the first module";
  return [`The largest change is at ${name}: × ${short(ratio)}. Bars: log10 of the std, the middle is 1.`, ""];
}

const NETWORK = ["gain", "scheme", "activation"];
/**
 * Each view: its name, the controls in view, and the words of its reading line.
 * @type {Record<string, { name: string, controls: string[], words: (scene: any) => [string, string] }>}
 */
export const VIEWS = {
  map: { name: "Depth × width", controls: NETWORK, words: mapWords },
  magnitudes: { name: "Magnitudes", controls: [...NETWORK, "format"], words: magnitudesWords },
  truncation: { name: "Truncation", controls: ["fanIn", "bound", "absolute"], words: truncationWords },
  stream: { name: "Residual stream", controls: ["layers"], words: streamWords },
  loss: { name: "First loss", controls: ["logits", "vocab"], words: lossWords },
  mine: { name: "Your module", controls: ["again"], words: moduleWords },
};

/** What is drawn in each view. */
const picturesOf = (look) => ({
  map: mapView(look),
  magnitudes: magnitudesPicture,
  truncation: truncationPicture,
  stream: streamPicture,
  loss: lossPicture,
  mine: modulePicture,
});

/** What theory expects, kept until the network is another. */
const theoryOf = (() => {
  let key = "";
  let value = null;
  return (...network) => {
    if (JSON.stringify(network) !== key) {
      key = JSON.stringify(network);
      value = expectedStds(network[0], network[1], network[2]);
    }
    return value;
  };
})();

/** All that a picture and its words need, from the state of the model and what this view alone looks at. */
export function sceneOf(state, local) {
  const gain = state.gain * schemeGain(state.scheme);
  const zero = Math.log(state.vocab_size);
  const sigma = 1 / Math.sqrt(local.d);
  return {
    ...state,
    local,
    theory: state.residual ? null : theoryOf(state.depth, gain, state.activation),
    formatName: state.number_format,
    format: state.formats[state.number_format],
    at: Math.min(state.layer, state.depth - 1),
    vocabSize: state.vocab_size,
    zero,
    first: zero + local.logits ** 2 / 2,
    sigma,
    inSigma: local.absolute ? local.bound / sigma : local.bound,
  };
}

const depthSlider = (label, get, change) =>
  slider({
    label,
    min: 2,
    max: 64,
    value: get("depth"),
    format: (v) => `${v} layers`,
    oninput: (v) => change({ depth: v }),
  });

/** The controls of the network. */
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
    depth: depthSlider("Depth", get, change),
    layers: depthSlider("Layers", get, change),
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
      min: 2,
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

/** Bring the controls in line with the state. */
function setControls(control, state) {
  control.scheme.set(state.scheme);
  control.activation.set(state.activation);
  control.gain.set(Math.log2(state.gain));
  for (const name of ["depth", "layers"]) control[name].set(state.depth);
  control.residual.set(state.residual);
  control.layer.set(state.layer + 1, state.depth);
  control.format.set(state.number_format);
}

const GAIN_HELP =
  "The gain multiplies the std that the scheme gives the weights. At × 1 you see the scheme itself; × 1.41 makes " +
  "LeCun's weights as wide as Kaiming's.";

/** The kernel is asked for one thing alone: to watch the reader's own module again. */
function moduleWatcher(model, tell) {
  const kernel = asker(model, {
    answered: (a) => {
      tell("");
      put(model, a);
    },
    failed: tell,
  });
  const again = h("button", { type: "button", onclick: () => kernel.ask({ again: true }) }, "Measure again");
  return { again: kernel.hasKernel ? again : null, hasKernel: kernel.hasKernel, stop: kernel.stop };
}

/** The tabs: "Your module" is one where there is a module, or a kernel in which there may be one. */
function tabsFor(model, hasKernel) {
  const known = model.get("mine").length > 0 || hasKernel;
  const options = Object.entries(VIEWS).filter(([key]) => key !== "mine" || known);
  return tabs({
    label: "what to look at",
    options: options.map(([key, { name }]) => [key, name]),
    value: model.get("view"),
    onchange: (view) => put(model, { view }),
  });
}

function render({ model, el }) {
  const get = (/** @type {string} */ name) => model.get(name);
  bounded(model, { depth: [2, 64], vocab_size: [1, 2 ** 50], layer: [0, 63] });
  const first = Object.fromEntries(STATE.filter((name) => name !== "mine").map((name) => [name, get(name)]));
  const local = { bound: 3, d: 16384, absolute: true, logits: 0.02, badVocab: false };
  const view = frame({ model, el, python: () => pythonOf(model), reset: () => put(model, first) });
  view.root.classList.add("lmc-signal");
  const picture = h("div", { class: "sig-grid" });
  let trouble = "";
  const watcher = moduleWatcher(model, (words) => {
    trouble = words;
    draw();
  });
  const tab = tabsFor(model, watcher.hasKernel);
  view.stage.append(tab.el, picture);
  const busy = (yes) => (yes ? view.root.setAttribute("aria-busy", "true") : view.root.removeAttribute("aria-busy"));
  const measure = measuring({ more: () => draw(), busy });
  const set = (changes) => put(model, changes);
  const change = (changes) => set({ ...changes, layer: Math.min(get("layer"), (changes.depth ?? get("depth")) - 1) });
  const control = { ...networkControls(get, change, set), ...localControls(get, local, draw, set) };
  const look = (layer) => {
    if (get("layer") !== layer) set({ layer });
  };
  const pictures = picturesOf(look);
  const shown = h("div", { class: "lmc-controls sig-controls" });
  view.controls.append(shown);
  view.more(control.depth.el, control.residual.el, control.layer.el, help("gain?", GAIN_HELP));
  const more = view.root.querySelector(".lmc-more-button");
  const width = () => Math.max(280, picture.clientWidth || 640);
  let drawnAt = 0;
  let name = "";
  function scene() {
    const state = Object.fromEntries([...STATE, "formats"].map((each) => [each, get(each)]));
    const now = { ...sceneOf(state, local), W: width() };
    const networked = name === "map" || name === "magnitudes";
    const measured = networked ? measure.of(state) : null;
    return { ...now, measured, widest: name === "magnitudes" ? measure.widest(state, now.format) : null };
  }
  function draw() {
    const before = name;
    name = VIEWS[get("view")] ? get("view") : "map";
    tab.set(name);
    const controls = VIEWS[name].controls.map((each) => (each === "again" ? watcher.again : control[each].el));
    if (before !== name) shown.replaceChildren(...controls.filter(Boolean));
    more.style.display = name === "map" || name === "magnitudes" ? "" : "none";
    const now = scene();
    setControls(control, now);
    fill(picture, pictures[name](now, look));
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
  const stop = view.redraw(STATE, draw);
  return () => {
    stop();
    resized.disconnect();
    measure.stop();
    watcher.stop();
  };
}

export default { render };
