// OptimizerPaths' panels below the scale: the loss over the steps, all optimizers beside each other, and what one keeps
// inside. Each is { el, draw(scene, W) }.
import { bottomAxis, line, linear, logarithmic, logTicks, tenPower } from "../lib/charts.js";
import { check } from "../lib/controls.js";
import { change, h, s, write } from "../lib/elements.js";
import { short } from "../lib/numbers.js";
import { both, corrected, LANDSCAPES, turn } from "../rules/optimizers.js";
import { LOOKS, MINE, sample } from "./optimizer_paths_map.js";

const LEFT = 52;

/** The least and the largest power of ten around these values; what is 0 or less lies below them all. */
export function decadesOf(values) {
  const known = values.filter((v) => v > 0 && Number.isFinite(v));
  if (!known.length) return [0.1, 1];
  const first = Math.floor(Math.log10(Math.min(...known)) + 1e-9);
  const last = Math.ceil(Math.log10(Math.max(...known)) - 1e-9);
  return [first, Math.max(last, first + 1)].map((power) => Number(`1e${power}`)); // as a decimal literal is read
}

/**
 * A chart of positive values over the steps on a log axis, `W` by `H`.
 * @param {any} svg @param {number} W @param {number} H
 * @param {{ lines: { look: string, dashes: string, values: number[] }[], steps: number, step: number,
 *   level?: { value: number, words: string }, name: string }} chart
 */
function drawChart(svg, W, H, chart) {
  const { lines, steps, step, level, name } = chart;
  const [low, high] = decadesOf([...lines.flatMap((each) => each.values), ...(level ? [level.value] : [])]);
  const [top, bottom, right] = [6, H - 20, W - 12];
  const x = linear(0, steps, LEFT, right);
  const y = logarithmic(low, high, bottom, top);
  const places = (values) => values.map((v, k) => [x(k), v > 0 ? y(v) : Number.NaN]);
  const tick = (v) => [
    s("line", { class: "lmc-grid", x1: LEFT, x2: right, y1: y(v), y2: y(v) }),
    s("text", { class: "lmc-tick", x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, tenPower(v)),
  ];
  const edge = () => [
    s("line", { class: "lmc-op-edge", x1: LEFT, x2: right, y1: y(level.value), y2: y(level.value) }),
    s("text", { class: "lmc-op-over", x: LEFT + 4, y: y(level.value) - 4 }, level.words),
  ];
  change(svg, { viewBox: `0 0 ${W} ${H}` });
  svg.replaceChildren(
    ...logTicks(low, high, 4)
      .filter((v) => Number.isInteger(Math.round(1e6 * Math.log10(v)) / 1e6))
      .flatMap(tick),
    ...bottomAxis(x, [0, Math.round(steps / 2), steps], { bottom }),
    s("line", { class: "lmc-op-cursor", x1: x(step), x2: x(step), y1: top, y2: bottom }),
    ...(level ? edge() : []),
    ...lines.map(({ look, dashes, values }) =>
      s("path", { class: `lmc-op-line ${look}`, "stroke-dasharray": dashes, d: line(places(values)) }),
    ),
    s("text", { class: "lmc-op-over", x: right - 4, y: top + 8, "text-anchor": "end" }, name),
  );
}

/** The losses of the reader's own path. */
const readersLosses = ({ reader, settings }) => {
  const { loss } = LANDSCAPES[settings.landscape];
  const { back } = turn(settings.rotation);
  return (reader?.path ?? []).map((w) => {
    const [a, b] = back(w);
    return loss(a, b, settings.condition);
  });
};

/** The loss over the steps: one line for each path on the map. */
export function lossPanel() {
  const svg = s("svg", { role: "img", "aria-label": "loss over the steps" });
  return {
    el: h("div", {}, svg),
    draw(scene, W, H) {
      const { shown, records, settings, step } = scene;
      const lines = shown.map((name) => ({ ...LOOKS[name], values: records[name].map((record) => record.loss) }));
      lines.push({ ...MINE, values: readersLosses(scene) });
      drawChart(svg, W, H, { lines, steps: settings.steps, step, name: "loss (log)" });
    },
  };
}

/** What stands beside the name of the reader's class. */
function readersVerdict(reader) {
  if (reader.error) return "error";
  if (reader.away) return "no kernel";
  if (reader.waiting) return "…";
  return reader.difference ? `✗ step ${reader.difference.step}` : "✓ equal";
}

/** All optimizers: which are drawn, their lines, and their losses at this step. */
export function comparePanel({ scene, put }) {
  const rows = Object.keys(LOOKS).map((name) => {
    const onchange = (on) => {
      const { shown } = scene();
      put({ shown: Object.keys(LOOKS).filter((other) => (other === name ? on : shown.includes(other))) });
    };
    const box = check({ label: name, value: false, onchange });
    const loss = h("span", { class: "lmc-op-loss" });
    return { name, box, loss, el: h("div", { class: "lmc-op-row" }, sample(LOOKS[name]), box.el, loss) };
  });
  const mine = { name: h("span", {}), loss: h("span", { class: "lmc-op-loss" }) };
  const yours = h("div", { class: "lmc-op-row" }, sample(MINE), mine.name, mine.loss);
  const els = rows.map((row) => row.el);
  return {
    el: h(
      "div",
      { class: "lmc-op-legend", role: "group", "aria-label": "optimizers, with their loss here" },
      els,
      yours,
    ),
    draw({ shown, records, step, reader, learner }) {
      for (const { name, box, loss } of rows) {
        box.set(shown.includes(name));
        const here = shown.includes(name) ? records[name][step] : null;
        const left = () => `left at ${records[name].length}`;
        write(loss, shown.includes(name) ? (here ? short(here.loss) : left()) : "");
      }
      yours.hidden = !reader;
      if (!reader) return;
      write(mine.name, `your ${learner.name}`);
      write(mine.loss, readersVerdict(reader));
    },
  };
}

/** What divides the rate in each axis: the step a gradient of one would make, at this record. */
export function stepSizes(name, record, options) {
  const root = {
    AdaGrad: () => record.sum,
    RMSProp: () => record.square_avg,
    Adam: () => corrected(record, options.betas)[1],
    AdamW: () => corrected(record, options.betas)[1],
  }[name]?.();
  return both((i) => (root ? record.lr / (Math.sqrt(root[i]) + 1e-8) : record.lr));
}

const KEPT = {
  momentum_buffer: "buffer",
  sum: "sum of g²",
  square_avg: "average of g²",
  exp_avg: "m, exp_avg",
  exp_avg_sq: "v, exp_avg_sq",
};

/** What an optimizer holds at a step, as [{ name, values, stalled }]; the weight alone before the first. */
export function insideOf(name, records, step, options, settings) {
  const record = records[step];
  const before = records[step - 1];
  if (!record) return [];
  const cells = [{ name: "weight w", values: record.w }];
  if (!before) return cells;
  cells.push({ name: "gradient g", values: record.g });
  for (const key of Object.keys(KEPT).filter((each) => record[each])) {
    const still = (i) => before[key] && record.g[i] !== 0 && record[key][i] === before[key][i];
    const stalled = settings.precision !== "float64" && (still(0) || still(1));
    cells.push({ name: `${KEPT[key]}${stalled ? " ⚠ stalled" : ""}`, values: record[key] });
  }
  if (record.exp_avg) {
    const [mHat, vHat] = corrected(record, options.betas);
    cells.push({ name: "m̂", values: mHat }, { name: "v̂", values: vHat });
  }
  cells.push({ name: "step for g = 1", values: stepSizes(name, record, options) });
  cells.push({ name: "change of w", values: both((i) => record.w[i] - before.w[i]) });
  cells.push({ name: "lr now", values: [record.lr, record.lr] });
  return cells;
}

function insideTable(cells, step) {
  const row = (axis, k) =>
    h(
      "tr",
      {},
      h("th", {}, axis),
      cells.map(({ values }) => h("td", {}, short(values[k]))),
    );
  const head = cells.map(({ name }) => h("th", {}, name));
  const body = h("tbody", {}, row("x", 0), row("y", 1));
  return h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, `step ${step}`), head)), body);
}

/** What the chosen optimizer keeps, its other options, and how large its steps are in each axis. */
export function insidePanel(knobs) {
  const table = h("div", {
    class: "lmc-scroll lmc-op-inside",
    tabindex: "0",
    role: "group",
    "aria-label": "what it keeps",
  });
  const sizes = s("svg", { role: "img", "aria-label": "step size by axis over the steps" });
  return {
    el: h("div", {}, table, knobs.el, sizes),
    draw(scene, W, H) {
      const { selected: name, records, step, options, settings, steepest } = scene;
      const cells = insideOf(name, records[name], step, options[name], settings);
      const gone = `${name} left the map at step ${records[name].length}: nothing is kept.`;
      table.replaceChildren(cells.length ? insideTable(cells, step) : h("p", {}, gone));
      knobs.draw(scene);
      const perAxis = records[name].slice(1).map((record) => stepSizes(name, record, options[name]));
      const { look } = LOOKS[name];
      const lines = [0, 1].map((i) => ({ look, dashes: i ? "5 3" : "", values: [0, ...perAxis.map((p) => p[i])] }));
      const level = { value: 2 / steepest, words: "2/λ" };
      drawChart(sizes, W, H, {
        lines,
        steps: settings.steps,
        step,
        level,
        name: "step for g = 1, x solid, y dashed (log)",
      });
    },
  };
}
