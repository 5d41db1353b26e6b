// TrainingBudget's other views: memory through one step, one run under five conventions, and the budget turned round.
// Each is nodes from numbers and a state.
import { bottomAxis, leftAxis, line, linear, logarithmic, tenPower } from "../lib/charts.js";
import { h, s } from "../lib/elements.js";
import { bytes, percent, scientific, three } from "../lib/numbers.js";
import { turnedRound } from "../rules/flops.js";
import { PARTS } from "./training_budget_words.js";

// One step

const STEP_TALL = 98;

/** One part of the memory through all moments, upon the parts below it, as one path. */
function layerPath(moments, k, x, y) {
  const below = (moment) => PARTS.slice(0, k).reduce((sum, { key }) => sum + moment[key], 0);
  const column = (moment, i) => {
    const base = below(moment);
    return `M${x(i)} ${y(base)}V${y(base + moment[PARTS[k].key])}H${x(i + 1)}V${y(base)}Z`;
  };
  return moments.map(column).join("");
}

/** What is computed when: names below the moments, where there is room for them. */
function phaseNames(layers, n, x) {
  const names = [
    { at: layers / 2, name: "forward" },
    { at: layers + 0.5, name: "loss" },
    { at: layers + 1 + layers / 2, name: "backward" },
    { at: n - 0.5, name: "step" },
  ];
  return names
    .filter(({ name }) => name !== "loss" || x(layers) - x(0) > 60)
    .map(({ at, name }) => {
      const anchor = name === "step" ? "end" : "middle";
      return s("text", { x: x(at), y: STEP_TALL + 16, "text-anchor": anchor }, name);
    });
}

/** Memory at every moment of a step, with the card's edge where it is near. */
export function timelinePicture(W, now, state, room) {
  const moments = now.timeline;
  const n = moments.length;
  const near = room <= 3 * now.peakBytes;
  const most = Math.max(near ? room : 0, now.peakBytes);
  const x = linear(0, n, 60, W);
  const y = linear(0, most * 1.05, STEP_TALL, 0);
  const at = Math.min(state.moment, n - 1);
  const text = (/** @type {number} */ size) => bytes(size, state.binary);
  const edge = () => [
    s("line", { x1: 60, x2: W, y1: y(room), y2: y(room), class: "tb-room" }),
    s("text", { x: 64, y: y(room) > 20 ? y(room) - 5 : y(room) + 16, class: "tb-over" }, `the card: ${text(room)}`),
  ];
  return s(
    "svg",
    {
      viewBox: `0 -12 ${W} ${STEP_TALL + 34}`,
      class: "tb-svg",
      role: "img",
      "aria-label": `memory through one step, peak ${text(now.peakBytes)} at ${now.peakMoment}`,
    },
    PARTS.map(({ letter }, k) => s("path", { d: layerPath(moments, k, x, y), class: `tb-${letter} tb-area` })),
    leftAxis(y, [0, most / 2, most], { left: 60, right: W, text }),
    near ? edge() : null,
    s("rect", { x: x(at), y: -6, width: Math.max(x(1) - x(0), 2), height: STEP_TALL + 6, class: "tb-cursor" }),
    phaseNames(state.shape.num_layers, n, x),
  );
}

/** What lives at one moment, part by part. */
export const momentParts = (moment, binary) =>
  h(
    "ul",
    { class: "tb-legend" },
    PARTS.map(({ key, letter, name }) => {
      const mark = h("span", { class: `tb-key tb-${letter}`, "aria-hidden": "true" }, letter);
      return h("li", {}, mark, ` ${name} `, h("b", {}, bytes(moment[key], binary)));
    }),
  );

// MFU conventions

function conventionBar({ name, share, words, marked }, most) {
  const track = h(
    "span",
    { class: "tb-track" },
    h("span", { class: "tb-fill", style: `width:${(100 * Math.min(share, most)) / most}%` }),
    h("span", { class: "tb-hundred", style: `left:${100 / most}%` }),
  );
  return h(
    "li",
    { class: marked ? "tb-marked" : null },
    h("span", { class: "tb-name" }, marked ? `▸ ${name}` : name),
    track,
    h("b", {}, percent(share), share > 1 ? " ✗ above the peak" : ""),
    h("span", { class: "tb-words" }, words),
  );
}

/** The same run under every convention, and the FLOPs that the hardware really did. */
export function conventionPicture(now, state) {
  const most = Math.max(1, now.hfu, ...Object.values(now.mfus));
  const rows = Object.entries(now.mfus).map(([name, share]) => ({
    name,
    share,
    words: `${scientific(now.perToken[name])} a token: ${state.tables.conventions[name]}`,
    marked: name === state.convention,
  }));
  const hardware = state.checkpoint
    ? "matmuls, and the forward pass that checkpointing computes again"
    : "hardware FLOPs: equal to matmuls as long as nothing is computed twice";
  rows.push({ name: "HFU", share: now.hfu, words: hardware, marked: false });
  return h(
    "ul",
    { class: "tb-conventions" },
    rows.map((row) => conventionBar(row, most)),
  );
}

// The budget turned round

const PARAMS = [1e7, 10 ** 12.5];
const TOKENS = [1e8, 10 ** 14.5];
const BUDGET_TALL = 134;

/**
 * A dot with its name. The line falls to the right: above it on the right and below it on the left there is room.
 * `taken` are the names before; one that would lie on them goes a line further away.
 */
function namedDot(W, left, [x, y], name, kind, taken) {
  const wide = 7 * name.length + 10;
  const right = kind === "tb-best" ? x + wide < W : x - wide < left;
  const at = right ? { x: x + 8, y: y - 10, "text-anchor": "start" } : { x: x - 10, y: y + 20, "text-anchor": "end" };
  const from = right ? at.x : at.x - wide;
  const meets = (other) => Math.abs(other.y - at.y) < 14 && from < other.from + other.wide && other.from < from + wide;
  while (taken.some(meets)) at.y += right ? -15 : 15;
  taken.push({ from, wide, y: at.y });
  return [s("circle", { cx: x, cy: y, r: 6, class: kind }), s("text", { ...at, class: "tb-over" }, name)];
}

/** All models that the FLOPs of a number of days can train, the best of them, and the chosen one. */
export function budgetPicture(W, now, state) {
  const { flops, best, mine } = turnedRound(now, state);
  const left = 62;
  const px = logarithmic(PARAMS[0], PARAMS[1], left, W);
  const py = logarithmic(TOKENS[0], TOKENS[1], BUDGET_TALL, 0);
  /** @returns {[number, number]} */
  const placeOf = ({ params, tokens }) => [px(params), py(tokens)];
  const inside = (/** @type {[number, number]} */ [x, y]) => x >= left && x <= W && y >= 0 && y <= BUDGET_TALL;
  const places = Array.from({ length: 111 }, (_, k) => PARAMS[0] * (PARAMS[1] / PARAMS[0]) ** (k / 110))
    .map((params) => placeOf({ params, tokens: flops / (6 * params) }))
    .filter(inside);
  const dots = [
    { at: placeOf(best), name: `${three(state.tokens_per_parameter)} tokens a parameter`, kind: "tb-best" },
    { at: placeOf(mine), name: state.preset, kind: "tb-mine" },
  ].filter(({ at }) => inside(at));
  const taken = [];
  return s(
    "svg",
    {
      viewBox: `0 -14 ${W} ${BUDGET_TALL + 52}`,
      class: "tb-svg",
      role: "img",
      "aria-label": `all models that ${scientific(flops)} FLOPs can train`,
    },
    bottomAxis(px, [1e8, 1e9, 1e10, 1e11, 1e12], {
      top: 0,
      bottom: BUDGET_TALL,
      text: tenPower,
      name: "parameters N →",
      right: W,
    }),
    leftAxis(py, [1e9, 1e10, 1e11, 1e12, 1e13, 1e14], { left, right: W, text: tenPower }),
    s("text", { x: left - 56, y: -4, "text-anchor": "start" }, "tokens D ↑"),
    s("path", { d: line(places), class: "tb-iso" }),
    dots.map(({ at, name, kind }) => namedDot(W, left, at, name, kind, taken)),
  );
}
