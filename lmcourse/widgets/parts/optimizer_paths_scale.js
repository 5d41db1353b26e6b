// OptimizerPaths' scale of learning rates: for gradient descent and momentum with the regions that theory knows and a
// detent at the limit, for the others plain; and the sliders of an optimizer's other options.
import { help, slider } from "../lib/controls.js";
import { h, write } from "../lib/elements.js";
import { short } from "../lib/numbers.js";
import { rateLimits } from "../rules/optimizers.js";

const LIMIT = 200; // the place of the limit on the scale: every place is a two-hundredth of it
const LAST = 300;
const CATCH = 6; // a dragged slider within so many places of the limit goes to it

/** The sliders of each optimizer besides lr: option, index within it, label, least and most. */
const KNOBS = {
  SGD: [],
  Momentum: [{ key: "momentum", label: "momentum β", least: 0, most: 0.99 }],
  AdaGrad: [],
  RMSProp: [{ key: "alpha", label: "α of the average", least: 0, most: 0.999 }],
  Adam: [
    { key: "betas", index: 0, label: "β₁", least: 0, most: 0.99 },
    { key: "betas", index: 1, label: "β₂", least: 0.5, most: 0.999 },
    { key: "weight_decay", label: "weight decay", least: 0, most: 1 },
  ],
  Muon: [
    { key: "momentum", label: "momentum", least: 0, most: 0.99 },
    { key: "weight_decay", label: "weight decay", least: 0, most: 1 },
  ],
};
KNOBS.AdamW = KNOBS.Adam;

/** The options with one of them, or one number of a pair, changed. */
export function withOption(options, name, /** @type {{ key: string, index?: number }} */ { key, index }, value) {
  const old = options[name][key];
  const next = index === undefined ? value : old.map((x, k) => (k === index ? value : x));
  return { ...options, [name]: { ...options[name], [key]: next } };
}

/**
 * The scale of an optimizer's rates: from a place to a rate and back, with the regions on it. Without theory the places
 * are two hundredths of a power of ten.
 * @param {string} name @param {any} options of this optimizer @param {number} curvature the steepest of the landscape
 */
export function scaleOf(name, options, curvature) {
  const limits = rateLimits(name, options, curvature);
  if (!limits) {
    const last = 700; // 10^0.5
    const rate = (/** @type {number} */ k) => Number((10 ** (k / 200 - 3)).toPrecision(3));
    const place = (/** @type {number} */ lr) => Math.min(last, Math.max(0, 200 * (Math.log10(Math.max(lr, 1e-3)) + 3)));
    return { last, rate, place, regions: null };
  }
  const { calm, limit } = limits;
  const last = Math.max(LAST, Math.ceil((options.lr / limit) * LIMIT * 1.1));
  const rate = (/** @type {number} */ k) => (k === LIMIT ? limit : Number(((limit * k) / LIMIT).toPrecision(5)));
  return {
    last,
    rate,
    place: (/** @type {number} */ lr) => (lr / limit) * LIMIT,
    regions: { calm: ((calm / limit) * LIMIT) / last, limit: LIMIT / last },
  };
}

/** Where a dragged slider is let go: the limit catches it. */
export const caught = (/** @type {number} */ k) => (Math.abs(k - LIMIT) <= CATCH ? LIMIT : k);

const band = (kind, words) => h("span", { class: `lmc-op-band lmc-op-${kind}` }, h("span", {}, words));

const LAMBDA_HELP =
  "λ is the curvature of the steepest direction: how fast the slope grows there. A step of 2/λ jumps across the " +
  "valley to the same height; a longer one climbs.";

/** @param {{ set: (lr: number) => void }} options `set` gets the rate that was chosen. */
export function rateScale({ set }) {
  let scale = scaleOf("SGD", { lr: 0.1 }, 1);
  let lr = 0;
  let dragging = false;
  const control = slider({
    label: "lr",
    min: 0,
    max: LAST,
    value: 0,
    format: () => short(lr),
    oninput: (k) => set(scale.rate(scale.regions && dragging ? caught(k) : Math.max(1, k))),
  });
  control.input.addEventListener("pointerdown", () => {
    dragging = true;
  });
  for (const end of ["pointerup", "pointercancel", "keydown"])
    control.input.addEventListener(end, () => {
      dragging = false;
    });
  const bands = [band("crawls", "crawls"), band("bounces", "bounces"), band("explodes", "explodes")];
  const strip = h("div", { class: "lmc-op-bands", "aria-hidden": "true" }, bands);
  const mark = h("span", { class: "lmc-op-detent" });
  const marks = h("div", { class: "lmc-op-marks", "aria-hidden": "true" }, mark);
  control.input.before(strip);
  control.input.after(marks);
  const lambda = help("λ?", LAMBDA_HELP);
  return {
    el: h("div", { class: "lmc-op-rate" }, control.el, lambda),
    draw({ settings, options, selected, steepest }) {
      scale = scaleOf(selected, options[selected], steepest);
      lr = options[selected].lr;
      control.set(Math.round(scale.place(lr)), scale.last);
      drawBands(strip, bands, scale.regions);
      const limit = scale.rate(LIMIT);
      const words = selected === "SGD" ? "2/λ" : "(2 + 2β)/λ";
      const where = ["quadratic", "noisy"].includes(settings.landscape) ? "" : " at the minimum";
      write(mark, scale.regions ? `▲ ${words}${where} = ${short(limit)}` : "");
      lambda.hidden = !scale.regions;
      mark.style.left = scale.regions ? `${100 * scale.regions.limit}%` : "0";
    },
  };
}

/** The regions as wide as they are; on a plain scale there are none. */
function drawBands(strip, bands, regions) {
  strip.style.visibility = regions ? "visible" : "hidden";
  if (!regions) return;
  const widths = [regions.calm, regions.limit - regions.calm, 1 - regions.limit];
  for (const [k, each] of bands.entries()) {
    each.style.flexBasis = `${100 * widths[k]}%`;
    each.classList.toggle("lmc-op-narrow", widths[k] < 0.12);
  }
}

/** The sliders of the chosen optimizer's other options. */
export function knobsOf({ scene, put }) {
  const el = h("div", { class: "lmc-op-knobs" });
  let shown = "";
  let knobs = [];
  const make = (name) =>
    KNOBS[name].map((knob) => {
      const oninput = (value) => put({ options: withOption(scene().options, name, knob, value) });
      const { label, least, most } = knob;
      return { knob, ...slider({ label, min: least, max: most, step: 0.001, value: least, format: short, oninput }) };
    });
  return {
    el,
    draw({ selected, options }) {
      if (selected !== shown) {
        shown = selected;
        knobs = make(selected);
        el.replaceChildren(...knobs.map((each) => each.el));
      }
      for (const { knob, set } of knobs) {
        const value = options[selected][knob.key];
        set(knob.index === undefined ? value : value[knob.index]);
      }
    },
  };
}
