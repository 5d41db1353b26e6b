// Roofline's picture: roofs, ridge, and each operation as a dot with its name. What it shows is roofline.js's `roofOf`.
import { logarithmic } from "../lib/charts.js";
import { s } from "../lib/elements.js";
import { clamp, grouped, si, three } from "../lib/numbers.js";
import { attainable, intensity } from "../rules/flops.js";

const HIGH = 280;
const LEFT = 74;
const INTENSITIES = [10 ** -1.3, 10 ** 4.3];

/** 1e12 → "1 T": a power of ten as it stands at an axis. */
const tickText = (/** @type {number} */ v) =>
  si(v, "")
    .replace(/\.0+(?= )/, "")
    .trim();

/** The two scales, FLOPs a byte to the right and FLOP/s upwards, with room for all that is drawn. */
function scalesOf(W, roof) {
  const { peak, bandwidth, here, reached } = roof;
  const lows = [
    attainable(0.1, peak, bandwidth),
    here ? attainable(0.1, here.flop_per_s, here.bytes_per_s) : 0,
    ...Object.values(reached).map((c) => c.flops / c.seconds),
  ].filter(Boolean);
  const right = W - 12;
  return {
    right,
    lowest: Math.min(...lows) / 10 ** 0.2,
    highest: peak * 10 ** 0.45,
    x: logarithmic(INTENSITIES[0], INTENSITIES[1], LEFT, right),
    y: logarithmic(Math.min(...lows) / 10 ** 0.2, peak * 10 ** 0.45, HIGH, 0),
  };
}

/** Grid lines and the words at them. */
function gridOf({ x, y, right, lowest, highest }) {
  const nodes = [];
  for (let k = -1; k <= 4; k += 1) {
    const at = x(10 ** k);
    nodes.push(
      s("line", { x1: at, x2: at, y1: 0, y2: HIGH, class: "rl-grid" }),
      s("text", { x: at, y: HIGH + 16, "text-anchor": "middle" }, k < 0 ? "0.1" : grouped(10 ** k)),
    );
  }
  const [first, last] = [Math.ceil(Math.log10(lowest)), Math.log10(highest)];
  const every = Math.log10(highest / lowest) > 7 ? 2 : 1;
  for (let k = first; k <= last; k += every) {
    const at = y(10 ** k);
    nodes.push(
      s("line", { x1: LEFT, x2: right, y1: at, y2: at, class: "rl-grid" }),
      s("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, tickText(10 ** k)),
    );
  }
  return [
    ...nodes,
    s("text", { x: right, y: HIGH + 34, "text-anchor": "end" }, "arithmetic intensity, FLOPs a byte (log) →"),
    s("text", { x: 0, y: 4 }, "FLOP/s ↑"),
  ];
}

// Beside the slope there is room to the upper left and the lower right, on the flat roof below it.
/** @type {[string, number, number][]} */
const ON_THE_SLOPE = [
  ["end", -10, -6],
  ["start", 11, 12],
  ["end", -10, -20],
  ["start", 11, 26],
];
/** @type {[string, number, number][]} */
const ANYWHERE = [
  ["middle", 0, 22],
  ["middle", 0, 36],
  ["middle", 0, 50],
  ["middle", 0, -12],
  ["start", 11, 5],
  ["end", -11, 5],
];

/**
 * Places for names, each where no other name has been put: `take` keeps a stretch free, `put` gives the text of a dot.
 * @param {number} left @param {number} right the names stay between them
 */
export function namesBetween(left, right) {
  const taken = [];
  const boxOf = (x, y, wide, [anchor, dx, dy]) => {
    const start = anchor === "end" ? x + dx - wide : anchor === "start" ? x + dx : x - wide / 2;
    const from = Math.max(left, Math.min(right - wide, start));
    return { from, to: from + wide, y: y + dy, pushed: from !== start && dx !== 0 }; // pushed back over its own dot
  };
  const isFree = (box) =>
    !box.pushed &&
    !taken.some((other) => box.from < other.to + 4 && other.from < box.to + 4 && Math.abs(box.y - other.y) < 13);
  return {
    take: (from, to, y) => taken.push({ from, to, y }),
    /** `must`: it is named even where there is no room; any other dot has its name in the table. */
    put(x, y, name, flat, must = true) {
      const boxes = [...(flat ? [] : ON_THE_SLOPE), ...ANYWHERE].map((side) => boxOf(x, y, 6.8 * name.length, side));
      const box = boxes.find(isFree) ?? (must ? boxes[0] : null);
      if (!box) return null;
      taken.push(box);
      return s("text", { x: box.from, y: box.y, class: "rl-name" }, name);
    },
  };
}

/** The line of one roof: up with the bandwidth, flat at the peak. */
const roofLine = ({ x, y, right }, peak, bandwidth) =>
  `${x(INTENSITIES[0])},${y(INTENSITIES[0] * bandwidth)} ${x(peak / bandwidth)},${y(peak)} ${right},${y(peak)}`;

/** A line of text at the right end of a roof, whose place no other name gets. */
function roofName(names, { right, y }, peak, kind, text) {
  names.take(right - 7.4 * text.length, right, y(peak) - 8);
  return s("text", { x: right, y: y(peak) - 8, "text-anchor": "end", class: kind }, text);
}

/** The datasheet's roof, its ridge, what tuned matmuls reach of it, and beside the sparse figure the dense one. */
function datasheet(scales, names, roof) {
  const { row, dense, peak, bandwidth, bend, sparse, dtype, words } = roof;
  const { x, y, right } = scales;
  const banded = row.achieved && ["bfloat16", "float16"].includes(dtype);
  const band = () => ({
    x: x(bend),
    width: right - x(bend),
    y: y(dense),
    height: Math.max(2, y(dense * row.achieved) - y(dense)),
    class: "rl-band",
  });
  return [
    banded ? s("rect", band()) : null,
    sparse ? s("polyline", { points: roofLine(scales, dense, bandwidth), class: "rl-dense" }) : null,
    s("polyline", { points: roofLine(scales, peak, bandwidth), class: "rl-roof" }),
    roofName(names, scales, peak, "rl-a", words.datasheet),
    s("line", { x1: x(bend), x2: x(bend), y1: y(peak), y2: HIGH, class: "rl-ridge" }),
    s("text", { x: x(bend) - 4, y: HIGH - 6, "text-anchor": "end" }, words.ridge),
  ];
}

/** The roof that was measured on this machine, and the same operations under it. */
function measured(scales, names, { here, costs, words }) {
  if (!here) return [];
  const { x, y, right } = scales;
  return [
    s("polyline", { points: roofLine(scales, here.flop_per_s, here.bytes_per_s), class: "rl-here" }),
    roofName(names, scales, here.flop_per_s, "rl-b", words.here),
    Object.values(costs).map((cost) => {
      const at = intensity(cost);
      const cy = y(attainable(at, here.flop_per_s, here.bytes_per_s));
      return s("circle", { cx: clamp(x(at), LEFT, right), cy, r: 3.5, class: "rl-ghost" });
    }),
  ];
}

/** Each operation on the roof: a square where memory limits it, a circle where arithmetic does. */
function dots({ x, y, right }, names, { costs, peak, bandwidth, bend, at }, choose) {
  const placed = Object.entries(costs).map(([name, cost]) => {
    const each = intensity(cost),
      rate = attainable(each, peak, bandwidth);
    return { name, each, rate, cx: clamp(x(each), LEFT, right), cy: y(rate) };
  });
  for (const { cx, cy } of placed) names.take(cx - 5, cx + 5, cy); // no name lies on a dot
  const chosenFirst = [...placed].sort((a, b) => Number(b.name === at) - Number(a.name === at));
  const texts = new Map(
    chosenFirst.map(({ name, each, cx, cy }) => [name, names.put(cx, cy, name, each >= bend, name === at)]),
  );
  return placed.map(({ name, each, rate, cx, cy }) => {
    const memory = each < bend;
    const limit = memory ? "memory" : "arithmetic";
    return s(
      "g",
      {
        class: `rl-dot rl-${limit} ${name === at ? "rl-at" : ""}`,
        tabindex: "-1",
        role: "button",
        "aria-label": `${name}: ${three(each)} FLOPs a byte, limited by ${limit}, at best ${si(rate, "FLOP/s")}`,
        "data-name": name,
        onclick: () => choose(name),
      },
      s("rect", { x: cx - 13, y: cy - 13, width: 26, height: 26, class: "rl-hit" }),
      memory
        ? s("rect", { x: cx - 5, y: cy - 5, width: 10, height: 10, class: "rl-mark" })
        : s("circle", { cx, cy, r: 6, class: "rl-mark" }),
      texts.get(name),
    );
  });
}

/** Where the chosen operation goes as the batch grows: walked so far, and still to come. */
function trailNodes({ x, y, right }, { trail, batch, peak, bandwidth }) {
  const places = trail.map((each) => ({
    ...each,
    cx: clamp(x(each.x), LEFT, right),
    cy: y(attainable(each.x, peak, bandwidth)),
  }));
  return places.map((each) => {
    const walked = each.batch <= batch;
    const dot = s("circle", { cx: each.cx, cy: each.cy, r: 4, class: walked ? "rl-walked" : "rl-ahead" });
    dot.append(s("title", {}, `batch ${each.batch}`));
    return dot;
  });
}

/** ◆: what an operation reached when it was timed here. */
const diamonds = ({ x, y }, names, reached) =>
  Object.entries(reached).map(([name, cost]) => {
    const [cx, cy] = [x(intensity(cost)), y(cost.flops / cost.seconds)];
    return s(
      "g",
      { class: "rl-reached" },
      s("path", { d: `M${cx} ${cy - 7}L${cx + 7} ${cy}L${cx} ${cy + 7}L${cx - 7} ${cy}Z` }),
      names.put(cx, cy, name, true),
      s("title", {}, `${name}, timed here: ${si(cost.flops / cost.seconds, "FLOP/s")}`),
    );
  });

/**
 * The whole picture, `W` wide; `choose` gets the name of an operation that was clicked.
 * @param {number} W @param {any} roof @param {(name: string) => void} choose
 */
export function roofPicture(W, roof, choose) {
  const scales = scalesOf(W, roof);
  const names = namesBetween(LEFT + 2, scales.right);
  return s(
    "svg",
    {
      viewBox: `0 -6 ${W} ${HIGH + 46}`,
      class: "rl-svg",
      role: "group",
      "aria-label": `roofline of ${roof.chip} in ${roof.dtype}`,
    },
    gridOf(scales),
    datasheet(scales, names, roof),
    measured(scales, names, roof),
    trailNodes(scales, roof),
    dots(scales, names, roof, choose),
    diamonds(scales, names, roof.reached),
  );
}
