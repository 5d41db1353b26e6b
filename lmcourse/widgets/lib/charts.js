// Scales, ticks, axes and paths for every picture drawn in SVG. A scale is a function from a value to a place;
// `invert` goes back. All but the axes and `handle` is pure, so node tests it.
import { h, s } from "./elements.js";
import { raised } from "./numbers.js";

/**
 * A scale from a value to a place, and back.
 * @typedef {((value: number) => number) & { invert: (place: number) => number }} Scale
 */

function scaleOf(forth, back, lo, hi, from, to) {
  const first = forth(lo),
    wide = forth(hi) - first,
    slope = wide > 0 ? (to - from) / wide : 0;
  const at = (value) => from + (forth(value) - first) * slope;
  return Object.assign(at, { invert: (place) => back(slope ? first + (place - from) / slope : first) });
}

/** Values lo … hi at places from … to. @returns {Scale} */
export const linear = (lo, hi, from, to) =>
  scaleOf(
    (v) => v,
    (v) => v,
    lo,
    hi,
    from,
    to,
  );

/** The same with equal ratios at equal distances; what is 0 or less lies where 1e-300 would. @returns {Scale} */
export const logarithmic = (lo, hi, from, to) =>
  scaleOf((v) => Math.log(Math.max(v, 1e-300)), Math.exp, lo, hi, from, to);

/** At most about `most` round values from lo to hi: 1, 2 or 5 times a power of ten apart. */
export function ticks(lo, hi, most) {
  const rough = (hi - lo) / most,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((each) => each >= rough * 0.9999) ?? 1;
  const values = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + 1e-9 * step; k += 1)
    values.push(Number((k * step).toPrecision(12)));
  return values;
}

/** The same on a log axis: 1, 2 and 5 times powers of ten where they are few, else every power, every second, … */
export function logTicks(lo, hi, most) {
  const first = Math.floor(Math.log10(lo) + 1e-9),
    last = Math.floor(Math.log10(hi) + 1e-9);
  const powers = Array.from({ length: last - first + 1 }, (_, k) => first + k);
  const inside = (v) => v >= lo * 0.9999 && v <= hi * 1.0001;
  const all = powers.flatMap((e) => [1, 2, 5].map((m) => tenTo(e, m))).filter(inside);
  if (all.length <= most) return all;
  const tens = powers.filter((e) => inside(tenTo(e))),
    every = Math.ceil(tens.length / most);
  return tens.filter((e) => e % every === 0).map((e) => tenTo(e));
}

/** 10^e as the decimal literal is read: 10 ** −5 misses 1e-5 by a bit. */
const tenTo = (e, m = 1) => Number(`${m}e${e}`);

/** 0.001 → "10⁻³", for the ticks of a log axis. */
export const tenPower = (v) => `10${raised(Math.round(Math.log10(v)))}`;

const place = (v) => String(Math.round(v * 100) / 100);

/** An SVG path through places [[x, y], …]; a gap where one is not finite. */
export function line(places) {
  let d = "",
    open = false;
  for (const [x, y] of places) {
    const here = Number.isFinite(x) && Number.isFinite(y);
    if (here) d += `${open ? "L" : "M"}${place(x)} ${place(y)}`;
    open = here;
  }
  return d;
}

/** A path through the values (xs, ys) on two scales; a gap where y is not finite, before the scale holds it back. */
export const curve = (xs, ys, x, y) =>
  line(Array.from(ys, (v, i) => [x(xs[i]), Number.isFinite(v) ? y(v) : Number.NaN]));

/** What lies between a line of places and the height `base`, closed. */
export const area = (places, base) =>
  places.length ? `${line([[places[0][0], base], ...places, [places[places.length - 1][0], base]])}Z` : "";

/**
 * Ticks along the bottom, a grid line up from each and its words below.
 * @param {Scale} x
 * @param {number[]} values
 * @param {{ top?: number, bottom: number, text?: (value: number) => string, name?: string, right?: number }} look
 *   `name` says what the axis is, at its right end `right`.
 */
export function bottomAxis(x, values, { top, bottom, text = String, name, right }) {
  const nodes = values.flatMap((v) => [
    s("line", {
      class: "lmc-grid",
      x1: x(v),
      x2: x(v),
      y1: top ?? bottom,
      y2: top === undefined ? bottom + 4 : bottom,
    }),
    s("text", { class: "lmc-tick", x: x(v), y: bottom + 16, "text-anchor": "middle" }, text(v)),
  ]);
  if (name) nodes.push(s("text", { class: "lmc-axis-name", x: right, y: bottom + 34, "text-anchor": "end" }, name));
  return nodes;
}

/**
 * Ticks at the left, a grid line from each to the right.
 * @param {Scale} y
 * @param {number[]} values
 * @param {{ left: number, right: number, text?: (value: number) => string }} look
 */
export const leftAxis = (y, values, { left, right, text = String }) =>
  values.flatMap((v) => [
    s("line", { class: "lmc-grid", x1: left, x2: right, y1: y(v), y2: y(v) }),
    s("text", { class: "lmc-tick", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, text(v)),
  ]);

/** A sample of a line beside its name, for a legend. */
export const legendLine = (kind, name) =>
  h(
    "span",
    { class: "lmc-legend" },
    s(
      "svg",
      { viewBox: "0 0 24 8", width: 24, height: 8, "aria-hidden": "true" },
      s("path", { class: kind, d: "M0 4H24" }),
    ),
    name,
  );

/**
 * Places near the wanted ones, in their order, at least `gap` apart, within lo … hi as far as they fit: labels of
 * lines.
 */
export function spread(wanted, gap, lo, hi) {
  const order = wanted.map((_, k) => k).sort((a, b) => wanted[a] - wanted[b]),
    out = [...wanted];
  order.forEach((k, i) => {
    out[k] = Math.max(lo, wanted[k], i ? out[order[i - 1]] + gap : lo);
  });
  for (let i = order.length - 1, most = hi; i >= 0; i -= 1) {
    const k = order[i];
    out[k] = Math.min(out[k], most);
    most = out[k] - gap;
  }
  return out;
}

/** The index in ascending `values` of the one nearest to `value`. */
export function nearest(values, value) {
  let lo = 0,
    hi = values.length - 1;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (values[mid] < value) lo = mid + 1;
    else hi = mid;
  }
  return lo > 0 && value - values[lo - 1] <= values[lo] - value ? lo - 1 : lo;
}

/** Where a pointer is, in the units of an SVG's view box. */
export function placeIn(svg, event) {
  const box = svg.getBoundingClientRect(),
    view = svg.viewBox.baseVal;
  return [
    view.x + ((event.clientX - box.left) / box.width) * view.width,
    view.y + ((event.clientY - box.top) / box.height) * view.height,
  ];
}

/**
 * A mark on an SVG that is dragged by pointer and moved by arrows; around it a page scrolls as ever.
 * @param {SVGSVGElement} svg
 * @param {{ label: string, title?: string, mark: SVGElement, moved: (x: number, y: number) => void,
 *   nudged: (dx: number, dy: number) => void }} options
 *   `moved` gets a place in the SVG's units, `nudged` steps of 1, or of 5 with Shift.
 * @returns {{ el: SVGElement, at(place: number[], value: number, text: string): void }}
 */
export function handle(svg, { label, title, mark, moved, nudged }) {
  const el = s(
    "g",
    { class: "lmc-handle", tabindex: 0, role: "slider", "aria-label": label, "aria-valuenow": 0 },
    s("circle", { r: 14, fill: "transparent" }),
    mark,
    title ? s("title", {}, title) : null,
  );
  el.addEventListener("pointerdown", (event) => {
    el.setPointerCapture(event.pointerId);
    event.preventDefault();
    event.stopPropagation();
    el.focus();
  });
  el.addEventListener("pointermove", (event) => {
    const [x, y] = placeIn(svg, event);
    if (el.hasPointerCapture(event.pointerId)) moved(x, y);
  });
  el.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 5 : 1;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (!by) return;
    event.preventDefault();
    nudged(by[0], by[1]);
  });
  return {
    el,
    at([x, y], value, text) {
      el.setAttribute("transform", `translate(${place(x)} ${place(y)})`);
      el.setAttribute("aria-valuenow", value);
      el.setAttribute("aria-valuetext", text);
    },
  };
}
