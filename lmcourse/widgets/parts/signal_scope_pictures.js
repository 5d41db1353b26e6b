// The pictures of SignalScope, one for each view: nodes from what a view shows (`scene`), nothing else.
import { area, line, linear, placeIn } from "../lib/charts.js";
import { change, h, s } from "../lib/elements.js";
import { clamp, percent, raised, short } from "../lib/numbers.js";
import { density, place } from "../rules/signals.js";

const LEFT = 72;

/** Blue (small), white (std 1), orange (large), the same in both themes: the number is in the reading line. */
export function tone(std) {
  if (std === null || std === undefined) return "none";
  const p = place(std);
  const end = p < 0 ? [0, 92, 160] : [180, 84, 0];
  return `rgb(${end.map((to) => Math.round(250 + (to - 250) * Math.abs(p))).join(",")})`;
}

const caption = (/** @type {string} */ text) => h("p", { class: "sig-caption" }, text);

/** A table; its first column is text, the others are numbers. */
function tableOf(head, rows) {
  const cells = head.map((name, k) => h("th", { class: k ? null : "sig-head" }, name));
  return h("table", {}, h("thead", {}, h("tr", {}, cells)), h("tbody", {}, rows));
}

// Depth × width

const TALL = 20;

/** The cells and names of a table of stds; they stay, and `colour` brings them up to date. */
function stripOf(W, depth, names, title, look) {
  const cell = (W - LEFT) / depth;
  const high = names.length * TALL;
  const cells = names.map((_, r) =>
    Array.from({ length: depth }, (_, k) =>
      s("rect", {
        x: LEFT + k * cell,
        y: r * TALL,
        width: Math.max(1, cell - 0.5),
        height: TALL - 1,
        onpointermove: () => look(k),
      }),
    ),
  );
  // black and white, so that it shows on any cell in either theme
  const here = [
    ["#000", 4],
    ["#fff", 1.5],
  ].map(([stroke, wide]) => s("rect", { height: high, fill: "none", stroke, "stroke-width": wide }));
  const words = (k) => (k === depth - 1 ? `layer ${depth}` : String(k + 1));
  const svg = s(
    "svg",
    { viewBox: `0 0 ${W} ${high + 18}`, role: "img", "aria-label": title },
    names.map((name, r) => s("text", { x: LEFT - 6, y: r * TALL + 14, "text-anchor": "end" }, name)),
    s("g", { class: "sig-cells" }, cells),
    here,
    [0, Math.floor(depth / 2), depth - 1].map((k) => {
      const anchor = k === depth - 1 ? "end" : "middle";
      return s("text", { x: LEFT + (k + 0.5) * cell, y: high + 13, "text-anchor": anchor }, words(k));
    }),
  );
  return {
    els: [caption(title), svg],
    colour(rows, layer) {
      for (const [r, row] of rows.entries())
        for (const [k, rect] of cells[r].entries()) {
          const kind = row[k] === undefined ? "sig-wait" : row[k] === null ? "sig-none" : "";
          change(rect, { fill: tone(row[k]), class: kind });
        }
      for (const rect of here) change(rect, { x: LEFT + layer * cell, y: 0, width: Math.max(2, cell) });
    },
  };
}

function mapLegend() {
  const ramp = [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((d) => h("span", { style: `background:${tone(10 ** d)}` }));
  const words = ["std 10⁻⁴ or less", "10⁴ or more; white is 1; red edge: not finite"].map((text) =>
    h("span", {}, text),
  );
  return h("div", { class: "sig-legend" }, words[0], h("span", { class: "sig-ramp" }, ramp), words[1]);
}

/** Forward and backward: a row for each width, and theory below where there is one. */
export function mapView(look) {
  let made = "";
  let strips = [];
  let els = [];
  const make = ({ W, depth, residual, measured, theory }) => {
    const names = [...measured.widths.map((width) => `width ${width}`), ...(theory ? ["theory"] : [])];
    const forward = residual ? "Forward: std of the stream after each layer" : "Forward: std entering each activation";
    strips = [forward, "Backward: std of the gradient there"].map((title) => stripOf(W, depth, names, title, look));
    els = [...strips.flatMap((strip) => strip.els), mapLegend()];
  };
  return (scene) => {
    const { W, depth, residual, measured, theory, layer } = scene;
    const key = JSON.stringify([W, depth, residual, Boolean(theory)]);
    if (key !== made) make(scene);
    made = key;
    for (const [k, name] of ["forward", "backward"].entries())
      strips[k].colour([...measured[name], ...(theory ? [theory[name]] : [])], layer);
    return els;
  };
}

// Magnitudes

const LOWEST = -40;

/** The values of each layer by their power of two, darker where there are more. */
function histogramCells(histogram, x, tall) {
  return histogram.flatMap((row, r) => {
    const all = Math.max(
      1,
      row.reduce((a, b) => a + b, 0),
    );
    return row.flatMap((n, b) => {
      if (!n) return [];
      const at = { x: x(b + LOWEST), y: r * tall, width: x(1) - x(0), height: tall - 0.5 };
      return [s("rect", { ...at, fill: "var(--lmc-a)", "fill-opacity": Math.min(1, 0.12 + (4 * n) / all) })];
    });
  });
}

/** Grounds over what the format makes 0 of, and what overflows it. */
function formatGrounds({ format }, bins, x, W, bottom) {
  const ground = (/** @type {number} */ from, /** @type {number} */ to) =>
    s("rect", {
      class: "sig-fill-b",
      "fill-opacity": 0.35,
      x: from,
      y: 0,
      width: Math.max(0, to - from),
      height: bottom,
    });
  const least = Math.max(LOWEST, Math.log2(format.tiny) - 1);
  const most = Math.min(bins + LOWEST, Math.log2(format.max));
  return [ground(LEFT, x(least)), ground(x(most), W)];
}

function lostTable({ widest, at }) {
  const row = (name, [under, over]) =>
    h("tr", {}, h("th", { class: "sig-head" }, name), h("td", {}, percent(under)), h("td", {}, percent(over)));
  return tableOf(
    [`layer ${at + 1}`, "becomes 0", "overflows"],
    [row("activations", widest.lost[at] ?? [0, 0]), row("gradients", widest.gradientLost[at] ?? [0, 0])],
  );
}

/** Where the values of the widest network lie, over what a format can hold; `look` is told where the pointer is. */
export function magnitudesPicture(scene, look) {
  const { W, depth, measured, widest, formatName, at } = scene;
  const bins = 64;
  const tall = Math.max(2.4, Math.min(12, 160 / depth));
  const bottom = depth * tall;
  const x = linear(LOWEST, LOWEST + bins, LEFT, W);
  const exponents = W < 500 ? [-40, -20, 0, 20] : [-40, -30, -20, -10, 0, 10, 20];
  const label = "How large the values are, layer by layer, over what the format can hold";
  const onpointermove = (event) => {
    const [, y] = placeIn(event.currentTarget, event);
    look(clamp(Math.floor(y / tall), 0, depth - 1));
  };
  return [
    caption(`Width ${measured.widths.at(-1)}: where the values lie, against what ${formatName} can hold`),
    s(
      "svg",
      { viewBox: `0 0 ${W} ${bottom + 34}`, role: "img", "aria-label": label, onpointermove },
      histogramCells(widest.histogram, x, tall),
      formatGrounds(scene, bins, x, W, bottom),
      s("rect", { class: "sig-here", x: LEFT, y: at * tall, width: W - LEFT, height: tall }),
      exponents.map((e) => s("text", { x: x(e), y: bottom + 14, "text-anchor": "middle" }, `2${raised(e)}`)),
      s("text", { x: LEFT - 6, y: 12, "text-anchor": "end" }, "layer 1"),
      s("text", { x: LEFT - 6, y: bottom, "text-anchor": "end" }, `layer ${depth}`),
      s("text", { x: W, y: bottom + 30, "text-anchor": "end" }, "size of the value"),
    ),
    h("p", { class: "lmc-muted" }, `Orange grounds: on the left ${formatName} gives 0, on the right it overflows.`),
    lostTable(scene),
  ];
}

// Truncation

const FARTHEST = 13; // σ: a bound beyond it is named at the edge

/** The normal density, and where it is cut. The axis reaches as far as the bound, so that it is seen to walk in. */
export function truncationPicture({ W, local, sigma, inSigma }) {
  const tall = 180;
  const half = Math.min(FARTHEST, Math.max(4.5, 1.15 * inSigma));
  const x = linear(-half, half, 0, W);
  const y = linear(0, 0.41, tall - 24, tall - 24 - 0.41 * 330);
  const curve = (/** @type {number} */ to) =>
    Array.from({ length: 241 }, (_, k) => -to + (k / 240) * 2 * to).map((z) => [x(z), y(density(z))]);
  const inside = inSigma <= half;
  const bound = `± ${local.bound.toFixed(1)}${local.absolute ? "" : "σ"}`;
  const every = half > 7 ? 4 : 2;
  const marks = Array.from({ length: 7 }, (_, k) => every * (k - 3)).filter((z) => Math.abs(z) < half);
  return [
    caption(`Weights of std σ = 1/√${local.d} = ${short(sigma)}, cut at ${bound}`),
    s(
      "svg",
      { viewBox: `0 0 ${W} ${tall}`, role: "img", "aria-label": "The normal density and where it is cut" },
      s("path", { class: "sig-fill-a", d: area(curve(Math.min(half, inSigma)), y(0)) }),
      s("path", { class: "sig-a", d: line(curve(half)) }),
      s("path", { class: "sig-axis", d: `M0 ${y(0)} H${W}` }),
      inside ? [-inSigma, inSigma].map((z) => s("path", { class: "sig-b", d: `M${x(z)} 10 V${y(0)}` })) : null,
      inside ? null : s("text", { x: W, y: 16, "text-anchor": "end" }, `the bound lies at ${short(inSigma)}σ →`),
      marks.map((z) => s("text", { x: x(z), y: tall - 6, "text-anchor": "middle" }, z === 0 ? "0" : `${z}σ`)),
    ),
  ];
}

// The residual stream

/** Std of the stream after each branch, plain and scaled. */
export function streamPicture({ W, depth }) {
  const branches = 2 * depth;
  const top = Math.sqrt(1 + branches);
  const [left, right, tall] = [40, W - 90, 220];
  const x = linear(0, branches, left, right);
  const y = linear(0, top, tall - 24, 20);
  const all = Array.from({ length: branches + 1 }, (_, k) => k);
  const curve = (f) => line(all.map((k) => [x(k), y(f(k))]));
  return [
    caption("Std of the residual stream after each branch, where a branch adds a variance of 1, or of 1/(2L)"),
    s(
      "svg",
      { viewBox: `0 0 ${W} ${tall}`, role: "img", "aria-label": "Residual stream with and without scaling" },
      s("path", { class: "sig-axis", d: `M${left} 8 V${y(0)} H${right}` }),
      s("path", { class: "sig-b", d: curve((k) => Math.sqrt(1 + k)) }),
      s("path", { class: "sig-a", d: curve((k) => Math.sqrt(1 + k / branches)) }),
      s("text", { x: right + 6, y: y(top) + 4 }, `plain ${short(top)}`),
      s("text", { x: right + 6, y: y(Math.SQRT2) + 4 }, `1/√(2L) ${short(Math.SQRT2)}`),
      s("text", { x: left - 6, y: y(1) + 4, "text-anchor": "end" }, "1"),
      s("text", { x: right, y: tall - 6, "text-anchor": "end" }, `${branches} branches of ${depth} layers`),
    ),
  ];
}

// The first loss

/** ln V, and what too wide a head adds to it. */
export function lossPicture({ vocabSize, zero, first }) {
  const row = (name, value) => h("tr", {}, h("th", { class: "sig-head" }, name), h("td", {}, value.toFixed(3)));
  return [
    h("p", {}, h("span", { class: "sig-badge" }, `ln ${vocabSize} = ${zero.toFixed(2)}`)),
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        row("loss of a model that knows nothing", zero),
        row("expected, with logits of that std", first),
        row("too much by s²/2", first - zero),
      ),
    ),
  ];
}

// Your module

function bar(std) {
  if (std === null) return "";
  const end = place(std) * 58;
  return s(
    "svg",
    { viewBox: "0 0 120 14", class: "sig-bar", "aria-hidden": "true" },
    s("path", { class: "sig-axis", d: "M60 0 V14" }),
    s("rect", {
      class: end < 0 ? "sig-fill-a" : "sig-fill-b",
      x: 60 + Math.min(0, end),
      y: 2,
      width: Math.max(1, Math.abs(end)),
      height: 10,
    }),
  );
}

const MODULE_COLUMNS = [
  { head: "std", cell: (row) => short(row.std) },
  { head: "log10 std", cell: (row) => bar(row.std) },
  { head: "exact zeros", cell: (row) => percent(row.zero ?? 0) },
  { head: "gradient std", cell: (row) => (row.grad === null ? "none" : short(row.grad)) },
  { head: "grad / weight", cell: (row) => (row.ratio === null ? "" : short(row.ratio)) },
];

/** The part of a module at which the std changes most: its place, and the factor. */
export function worstOf(mine) {
  const ratios = mine.map((row, k) => (k && row.std > 0 && mine[k - 1].std > 0 ? row.std / mine[k - 1].std : 1));
  const jumps = ratios.map((ratio) => Math.abs(Math.log(ratio)));
  const at = jumps.indexOf(Math.max(...jumps));
  return { at, ratio: ratios[at] };
}

/** What hooks saw in the reader's module; a long table scrolls in its box, to where the largest change is. */
export function modulePicture({ mine }) {
  if (!mine.length)
    return [
      h("p", {}, "Give your own network: SignalScope(model, x). It is watched through hooks, and left as it was."),
    ];
  const { at } = worstOf(mine);
  const rows = mine.map((row, k) =>
    h(
      "tr",
      k === at ? { class: "sig-worst" } : {},
      h("th", { class: "sig-head" }, `${row.name || "(itself)"} ${row.kind}`),
      MODULE_COLUMNS.map(({ cell }) => h("td", {}, cell(row))),
    ),
  );
  const table = tableOf(["module", ...MODULE_COLUMNS.map((column) => column.head)], rows);
  const box = h(
    "div",
    { class: "lmc-scroll sig-module", tabindex: "0", role: "group", "aria-label": "your module" },
    table,
  );
  requestAnimationFrame(() => {
    box.scrollTop = rows[at].offsetTop - box.clientHeight / 2;
  });
  return [box];
}
