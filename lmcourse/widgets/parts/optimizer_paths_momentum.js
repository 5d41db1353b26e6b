// OptimizerPaths' map of momentum: how far the loss falls in 80 steps for every pair of learning rate and momentum. Its
// dot, the sliders and the path on the landscape are one and the same pair.
import { handle, line, linear, placeIn } from "../lib/charts.js";
import { change, h, s } from "../lib/elements.js";
import { clamp, short } from "../lib/numbers.js";
import { best, LANDSCAPES, phase, stableRate } from "../rules/optimizers.js";
import { withOption } from "./optimizer_paths_scale.js";

const COLUMNS = 32;
const ROWS = 16;
const WIDE = 420;
const PLOT = { left: 34, right: 412, top: 6, bottom: 114 };
const BETAS = Array.from({ length: ROWS }, (_, k) => (k + 0.5) / ROWS);
const VIRIDIS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

function viridis(share) {
  const at = clamp(share, 0, 1) * 4;
  const k = Math.min(3, Math.floor(at));
  return `rgb(${VIRIDIS[k].map((low, i) => Math.round(low + (at - k) * (VIRIDIS[k + 1][i] - low)))})`;
}

/** The scales: rates up to a little beyond the limit of β = 1, momentum from 0 to 1. */
function scalesOf({ steepest }) {
  const most = 4.4 / steepest;
  return { most, x: linear(0, most, PLOT.left, PLOT.right), y: linear(0, 1, PLOT.bottom, PLOT.top) };
}

/** A grid of empty cells, the row of the smallest momentum at the bottom. */
function emptyCells() {
  const [wide, tall] = [(PLOT.right - PLOT.left) / COLUMNS, (PLOT.bottom - PLOT.top) / ROWS];
  return BETAS.flatMap((_, r) =>
    Array.from({ length: COLUMNS }, (_, c) => {
      const at = { x: PLOT.left + c * wide, y: PLOT.bottom - (r + 1) * tall, width: wide + 0.3, height: tall + 0.3 };
      return s("rect", at);
    }),
  );
}

/** Colour each cell: yellow where the loss falls farthest, grey where it grows. */
function colour(cells, { settings, steepest }) {
  const rates = Array.from({ length: COLUMNS }, (_, k) => ((k + 0.5) / COLUMNS) * (4.4 / steepest));
  const falls = phase(settings, rates, BETAS).flat();
  const fastest = Math.min(-1, ...falls); // null, where it grows, counts as 0
  for (const [k, fall] of falls.entries())
    cells[k].setAttribute("fill", fall === null ? "var(--lmc-op-grows)" : viridis(fall / fastest));
}

/** The limit that theory knows, the best pair, and the axes. */
function theoryNodes({ settings, steepest }, { most, x, y }) {
  const curvatures = LANDSCAPES[settings.landscape].curvatures(settings.condition);
  const exact = settings.landscape === "quadratic" || settings.landscape === "noisy";
  const edge = line([0, 1].map((b) => [x(Math.min(most, stableRate(b, steepest))), y(b)]));
  const star = best(curvatures);
  const [sx, sy] = [x(star.lr), y(star.momentum)];
  const words = exact ? "lr = (2 + 2β)/λ" : "(2 + 2β)/λ at the minimum";
  const cross = { class: "lmc-op-best", d: "M-6 0H6M0 -6V6M-4 -4L4 4M-4 4L4 -4", transform: `translate(${sx} ${sy})` };
  const text = (at, words) => s("text", at, words);
  return [
    s("path", { class: "lmc-op-halo", d: edge }),
    s("path", { class: "lmc-op-edge", d: edge }),
    text({ x: PLOT.right - 2, y: PLOT.bottom - 8, "text-anchor": "end" }, words),
    exact ? s("path", cross, s("title", {}, "best rate and momentum")) : null,
    [0, 0.5, 1].map((b) => text({ x: PLOT.left - 4, y: y(b) + 4, "text-anchor": "end" }, String(b))),
    [0, 0.25, 0.5, 0.75].map((share) =>
      text({ x: x(share * most), y: PLOT.bottom + 15, "text-anchor": "middle" }, short(share * most, 2)),
    ),
    text({ x: PLOT.right, y: PLOT.bottom + 15, "text-anchor": "end" }, "lr →"),
    text({ x: 0, y: PLOT.top + 22 }, "β ↑"),
  ].flat();
}

/** @param {{ scene: () => any, put: (changes: any) => void, knobs: any }} options */
export function momentumPanel({ scene, put, knobs }) {
  const cells = emptyCells();
  const ground = s("g", {}, cells);
  const theory = s("g", {});
  const svg = s("svg", {
    viewBox: `0 0 ${WIDE} 132`,
    class: "lmc-op-phase",
    role: "group",
    "aria-label": "How fast momentum falls, by learning rate and momentum",
  });
  svg.append(ground, theory);
  const setPair = (lr, beta) => {
    const { options, steepest } = scene();
    const rate = clamp(Number(lr.toPrecision(4)), 0.001, 4.4 / steepest);
    const withRate = withOption(options, "Momentum", { key: "lr" }, rate);
    put({ options: withOption(withRate, "Momentum", { key: "momentum" }, clamp(Number(beta.toFixed(3)), 0, 0.99)) });
  };
  const moved = (px, py) => {
    const { x, y } = scalesOf(scene());
    setPair(x.invert(px), y.invert(py));
  };
  const dot = handle(svg, {
    label: "learning rate and momentum",
    title: "Drag to choose learning rate and momentum",
    mark: s("circle", { r: 6, class: "lmc-op-start" }),
    moved,
    nudged: (dx, dy) => {
      const { options, steepest } = scene();
      setPair(options.Momentum.lr + (dx * 4.4) / steepest / 88, options.Momentum.momentum + dy / 50);
    },
  });
  svg.append(dot.el);
  ground.addEventListener("click", (event) => {
    const [x, y] = placeIn(svg, event);
    moved(x, y);
  });
  const words = "Each cell was run for 80 steps: yellow falls fastest, grey grows; ✳ is the best pair of theory.";
  let coloured = "";
  return {
    el: h("div", { class: "lmc-op-momentum-panel" }, svg, h("div", {}, h("p", {}, words), knobs.el)),
    draw(now) {
      const { settings, options } = now;
      const key = JSON.stringify([settings.landscape, settings.condition, settings.start]);
      if (key !== coloured) colour(cells, now);
      coloured = key;
      const scales = scalesOf(now);
      theory.replaceChildren(...theoryNodes(now, scales).filter(Boolean));
      const { lr, momentum } = options.Momentum;
      const place = [scales.x(Math.min(lr, scales.most)), scales.y(momentum)];
      dot.at(place, Number(lr.toPrecision(3)), `learning rate ${short(lr)}, momentum ${short(momentum)}`);
      change(svg, { "data-lr": String(lr) });
      knobs.draw(now);
    },
  };
}
