// Optimizers walking over a landscape of two weights. The arithmetic is in optimizers.js and runs here; a class of the reader's
// own is run by Python (optimizer_paths.py). This file draws.
import { frame, put, redraw } from "./lib/base.js";
import { check, choice, slider } from "./lib/controls.js";
import { stepper } from "./lib/player.js";
import { h, s, uid } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { raised } from "./lib/numbers.js";
import { best, both, contours, corrected, LANDSCAPES, phase, run, stableRate, turn } from "./rules/optimizers.js";
import { asPython, movedTo } from "./lib/share.js";

const SIDE = 360,
  REACH = 2.6,
  SCALE = SIDE / 2 / REACH,
  RIM = 2.35;
const onMap = ([x, y]) => [SIDE / 2 + SCALE * x, SIDE / 2 - SCALE * y];
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
const short = (x, digits = 3) => {
  if (!x) return x === 0 ? "0" : "";
  const rounded = Number(x.toPrecision(digits)),
    small = Math.abs(rounded) < 1e-3;
  return (small ? rounded.toExponential() : String(rounded)).replaceAll("-", "−");
};
const pair = (p) => `(${p.map((x) => short(x, 3)).join(", ")})`;

// Line, dashes and marker of each: colour is never alone.
const LOOKS = {
  SGD: ["lmc-op-sgd", "", "circle"],
  Momentum: ["lmc-op-momentum", "7 3", "square"],
  AdaGrad: ["lmc-op-adagrad", "2 3", "triangle"],
  RMSProp: ["lmc-op-rmsprop", "9 3 2 3", "diamond"],
  Adam: ["lmc-op-adam", "", "square"],
  AdamW: ["lmc-op-adamw", "5 2", "triangle"],
  Muon: ["lmc-op-muon", "1 3", "diamond"],
};
const MARKERS = {
  circle: "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z",
  square: "M-5 -5H5V5H-5Z",
  triangle: "M0 -6L6 5H-6Z",
  diamond: "M0 -6L6 0L0 6L-6 0Z",
};
const line = (points) => points.map((p, k) => `${k ? "L" : "M"}${p.map((x) => x.toFixed(2))}`).join("");

// The sliders of each optimizer: option, index within it, label, least and most; lr runs over powers of ten.
const LR = ["lr", null, "lr", -3, 0.5];
const BETAS = [
  ["betas", 0, "β₁", 0, 0.99],
  ["betas", 1, "β₂", 0.5, 0.999],
];
const DECAY = ["weight_decay", null, "weight decay", 0, 1];
const KNOBS = {
  SGD: [LR],
  Momentum: [LR, ["momentum", null, "momentum β", 0, 0.99]],
  AdaGrad: [LR],
  RMSProp: [LR, ["alpha", null, "α of the average", 0, 0.999]],
  Adam: [LR, ...BETAS, DECAY],
  AdamW: [LR, ...BETAS, DECAY],
  Muon: [LR, ["momentum", null, "momentum", 0, 0.99], DECAY],
};
const withOption = (options, name, [key, index], value) => {
  const old = options[name][key];
  const next = index === null ? value : old.map((x, k) => (k === index ? value : x));
  return { ...options, [name]: { ...options[name], [key]: next } };
};

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

const VIRIDIS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];
function viridis(t) {
  const at = clamp(t, 0, 1) * 4,
    k = Math.min(3, Math.floor(at));
  return `rgb(${VIRIDIS[k].map((low, i) => Math.round(low + (at - k) * (VIRIDIS[k + 1][i] - low)))})`;
}

/** A value kept until its key changes. */
function memo(make) {
  let key = null,
    value;
  return (...given) => {
    const now = JSON.stringify(given);
    if (now !== key) {
      key = now;
      value = make(...given);
    }
    return value;
  };
}

/** Put a slider of powers of ten near a value, and write the value itself beside it. */
function setLog(control, value) {
  control.set(Math.log10(Math.max(value, 1e-3)));
  const text = short(value);
  control.el.querySelector("output").textContent = text;
  control.input.setAttribute("aria-valuetext", text);
}

/** Something on an SVG that is dragged by pointer and moved by arrows; `moved(x, y)` in the SVG's units, `nudged(dx, dy)`. */
function handle(svg, { label, title, moved, nudged, mark }) {
  const el = s(
    "g",
    { class: "lmc-op-handle", tabindex: 0, role: "slider", "aria-label": label, "aria-valuenow": 0 },
    s("circle", { r: 13, fill: "transparent" }),
    mark,
    s("title", {}, title),
  );
  el.addEventListener("pointerdown", (event) => {
    el.setPointerCapture(event.pointerId);
    event.preventDefault();
    event.stopPropagation();
    el.focus();
  });
  el.addEventListener("pointermove", (event) => {
    if (el.hasPointerCapture(event.pointerId)) moved(...unitsOf(svg, event));
  });
  el.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 5 : 1;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (!by) return;
    event.preventDefault();
    nudged(...by);
  });
  return {
    el,
    at([x, y], value, text) {
      el.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
      el.setAttribute("aria-valuenow", value);
      el.setAttribute("aria-valuetext", text);
    },
  };
}

function unitsOf(svg, event) {
  const box = svg.getBoundingClientRect(),
    view = svg.viewBox.baseVal;
  return [
    ((event.clientX - box.left) / box.width) * view.width,
    ((event.clientY - box.top) / box.height) * view.height,
  ];
}

// Axes of the small charts
const CHART = { left: 34, right: 290, top: 8, bottom: 86, view: "0 0 300 104" };

/** A chart of positive values over the steps, on a log axis: lines are [class, dashes, values]. */
function chart(group, { lines, steps, step, level, levelText, floor = 1e-9 }) {
  const all = lines.flatMap(([, , values]) => values.filter((v) => v > 0)).concat(level ? [level] : []);
  const low = Math.floor(Math.log10(Math.max(floor, Math.min(...all, 1)))),
    high = Math.ceil(Math.log10(Math.max(...all, floor * 10)) + 1e-9);
  const x = (k) => CHART.left + ((CHART.right - CHART.left) * k) / steps;
  const y = (v) =>
    CHART.bottom - ((CHART.bottom - CHART.top) * (Math.log10(Math.max(v, 10 ** low)) - low)) / Math.max(1, high - low);
  const every = Math.max(1, Math.ceil((high - low) / 3)),
    ticks = [];
  for (let k = low; k <= high; k += every)
    ticks.push(
      s("line", { x1: CHART.left, x2: CHART.right, y1: y(10 ** k), y2: y(10 ** k), class: "lmc-op-grid" }),
      s("text", { x: CHART.left - 4, y: y(10 ** k) + 4, "text-anchor": "end" }, `10${raised(k)}`),
    );
  group.replaceChildren(
    ...ticks,
    ...[0, Math.round(steps / 2), steps].map((k) =>
      s("text", { x: x(k), y: CHART.bottom + 16, "text-anchor": "middle" }, String(k)),
    ),
    s("line", { x1: x(step), x2: x(step), y1: CHART.top, y2: CHART.bottom, class: "lmc-op-cursor" }),
    ...(level
      ? [
          s("line", { x1: CHART.left, x2: CHART.right, y1: y(level), y2: y(level), class: "lmc-op-edge" }),
          s("text", { x: CHART.left + 4, y: y(level) + (y(level) < CHART.top + 12 ? 14 : -4) }, levelText),
        ]
      : []),
    ...lines.map(([look, dashes, values]) =>
      s("path", {
        class: `lmc-op-line ${look}`,
        "stroke-dasharray": dashes,
        d: line(values.flatMap((v, k) => (v > 0 ? [[x(k), y(v)]] : []))),
      }),
    ),
  );
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const first = Object.fromEntries(
    ["settings", "options", "shown", "selected", "step", "ghost"].map((name) => [name, get(name)]),
  );
  const change = (settings) => put(model, { settings: { ...get("settings"), ...settings } });
  const part = frame({ model, el, python, reset: () => put(model, first) });

  // The reader's class: what Python said last, and for which settings.
  const questionNow = () => ({ settings: get("settings"), options: get("options")[get("learner").reference] });
  const began = get("_share")?.first ?? { settings: get("settings"), options: get("options") }; // a link changes these, not the run
  let told = get("learner").name
    ? {
        key: JSON.stringify({ settings: began.settings, options: began.options[get("learner").reference] }),
        run: get("learner").run,
      }
    : null;
  let asked = told?.key;
  const kernel = asker(model, {
    answered: (run) => {
      told = { key: asked, run };
      draw();
    },
    failed: (words) => {
      told = { key: asked, run: { error: words, path: [], difference: null } };
      draw();
    },
  });
  function learnerRun() {
    if (!told) return null;
    const key = JSON.stringify(questionNow());
    if (key !== asked) {
      asked = key;
      kernel.ask(questionNow());
    }
    if (key === told.key) return told.run;
    return kernel.hasKernel
      ? { ...told.run, waiting: true, difference: null }
      : { path: [], difference: null, error: "", away: true };
  }

  // Map
  const clip = uid();
  const ground = s("rect", { x: 0, y: 0, width: SIDE, height: SIDE, fill: "transparent" });
  const rings = s("g", { class: "lmc-op-rings" }),
    paths = s("g", {}),
    marks = s("g", {});
  const map = s(
    "svg",
    { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "lmc-op-map", role: "group" },
    s("defs", {}, s("clipPath", { id: clip }, s("rect", { width: SIDE, height: SIDE }))),
    ground,
    s("g", { "clip-path": `url(#${clip})` }, rings, paths, marks),
  );
  const world = (x, y) => [(x - SIDE / 2) / SCALE, (SIDE / 2 - y) / SCALE];
  const turned = () => turn(get("settings").rotation);
  const toStart = (x, y) =>
    change({
      start: turned()
        .back(world(x, y))
        .map((v) => clamp(v, -3.6, 3.6)),
    });
  ground.addEventListener("pointerdown", (event) => {
    ground.setPointerCapture(event.pointerId);
    toStart(...unitsOf(map, event));
  });
  ground.addEventListener("pointermove", (event) => {
    if (ground.hasPointerCapture(event.pointerId)) toStart(...unitsOf(map, event));
  });
  const start = handle(map, {
    label: "start",
    title: "Drag the start, or move it with the arrow keys",
    mark: s("circle", { r: 6, class: "lmc-op-start" }),
    moved: toStart,
    nudged: (dx, dy) => {
      const [x, y] = turned().out(get("settings").start);
      toStart(...onMap([x + 0.05 * dx, y + 0.05 * dy]));
    },
  });
  const turner = handle(map, {
    label: "rotation",
    title: "Drag to turn the landscape",
    mark: s("path", { d: MARKERS.square, class: "lmc-op-knob" }),
    moved: (x, y) => {
      const [a, b] = world(x, y);
      change({ rotation: clamp(Math.round((Math.atan2(b, a) * 180) / Math.PI), -90, 90) });
    },
    nudged: (dx, dy) => change({ rotation: clamp(get("settings").rotation + dx + dy, -90, 90) }),
  });
  const squeezer = handle(map, {
    label: "condition number",
    title: "Drag to squeeze the landscape",
    mark: s("path", { d: MARKERS.diamond, class: "lmc-op-knob" }),
    moved: (x, y) => {
      const [, b] = turned().back(world(x, y));
      change({ condition: clamp((RIM / Math.max(Math.abs(b), 0.01)) ** 2, 1, 100) });
    },
    nudged: (dx, dy) => change({ condition: clamp(get("settings").condition * 1.1 ** (dx - dy), 1, 100) }),
  });
  map.append(turner.el, squeezer.el, start.el);

  // Legend, state, phase diagram, charts
  const rows = Object.fromEntries(
    Object.keys(LOOKS).map((name) => {
      const box = check({
        label: name,
        value: false,
        onchange: (on) =>
          put(model, {
            shown: Object.keys(LOOKS).filter((other) => (other === name ? on : get("shown").includes(other))),
          }),
      });
      const loss = h("td", {});
      return [
        name,
        {
          box,
          loss,
          row: h("tr", {}, h("td", {}, sample(...LOOKS[name])), h("td", { class: "lmc-op-name" }, box.el), loss),
        },
      ];
    }),
  );
  const mine = { loss: h("td", {}), name: h("td", { class: "lmc-op-name" }) };
  mine.row = h("tr", { hidden: !told }, h("td", {}, sample("lmc-op-mine", "", "circle")), mine.name, mine.loss);
  const legend = h(
    "table",
    { class: "lmc-op-legend" },
    h(
      "thead",
      {},
      h("tr", {}, h("th", {}, "line"), h("th", { class: "lmc-op-name" }, "optimizer"), h("th", {}, "loss here")),
    ),
    h(
      "tbody",
      {},
      Object.values(rows).map((r) => r.row),
      mine.row,
    ),
  );
  const stateTitle = h("p", { class: "lmc-op-heading" }),
    stateBody = h("tbody", {});
  const state = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("th", { class: "lmc-op-name" }, "quantity"), h("th", {}, "x"), h("th", {}, "y"))),
    stateBody,
  );

  const COLUMNS = 32,
    ROWS = 16,
    P = { left: 34, right: 290, top: 6, bottom: 152 };
  const betas = Array.from({ length: ROWS }, (_, k) => (k + 0.5) / ROWS);
  const cells = s("g", {}),
    theory = s("g", {});
  const wide = (P.right - P.left) / COLUMNS,
    tall = (P.bottom - P.top) / ROWS;
  for (let r = 0; r < ROWS; r += 1)
    for (let c = 0; c < COLUMNS; c += 1)
      cells.append(
        s("rect", { x: P.left + c * wide, y: P.bottom - (r + 1) * tall, width: wide + 0.3, height: tall + 0.3 }),
      );
  const diagram = s(
    "svg",
    {
      viewBox: "0 0 300 190",
      class: "lmc-op-phase",
      role: "group",
      "aria-label": "How fast momentum falls, by learning rate and momentum",
    },
    cells,
    theory,
  );
  const steepest = () => {
    const { landscape, condition } = get("settings");
    return LANDSCAPES[landscape].curvatures(condition)[1];
  };
  const widest = () => 4.4 / steepest();
  const onDiagram = (lr, beta) => [P.left + ((P.right - P.left) * lr) / widest(), P.bottom - (P.bottom - P.top) * beta];
  const setMomentum = (lr, beta) => {
    const options = withOption(
      withOption(get("options"), "Momentum", ["lr", null], clamp(lr, 0.001, widest())),
      "Momentum",
      ["momentum", null],
      clamp(beta, 0, 0.99),
    );
    put(model, {
      options,
      selected: "Momentum",
      shown: get("shown").includes("Momentum") ? get("shown") : [...get("shown"), "Momentum"],
    });
  };
  const dot = handle(diagram, {
    label: "learning rate and momentum",
    title: "Drag to choose learning rate and momentum",
    mark: s("circle", { r: 6, class: "lmc-op-start" }),
    moved: (x, y) => setMomentum(((x - P.left) / (P.right - P.left)) * widest(), (P.bottom - y) / (P.bottom - P.top)),
    nudged: (dx, dy) => {
      const { lr, momentum } = get("options").Momentum;
      setMomentum(lr + (dx * widest()) / 88, momentum + dy / 50);
    },
  });
  diagram.append(dot.el);
  cells.addEventListener("click", (event) => {
    const [x, y] = unitsOf(diagram, event);
    setMomentum(((x - P.left) / (P.right - P.left)) * widest(), (P.bottom - y) / (P.bottom - P.top));
  });

  const losses = s("g", {}),
    sizes = s("g", {});
  const sized = (group, label) => s("svg", { viewBox: CHART.view, role: "img", "aria-label": label }, group);
  const sizesTitle = h("p", { class: "lmc-op-heading" });
  part.stage.append(
    h(
      "div",
      { class: "lmc-op" },
      h("div", {}, map, h("p", { class: "lmc-op-hint" }, "● start   ■ turn   ◆ squeeze")),
      h("div", { class: "lmc-op-tables" }, legend, h("div", {}, stateTitle, state)),
      h(
        "div",
        { class: "lmc-op-charts" },
        h("div", {}, h("p", { class: "lmc-op-heading" }, "Momentum: yellow falls fastest, grey grows"), diagram),
        h(
          "div",
          {},
          h("p", { class: "lmc-op-heading" }, "Loss over the steps (log)"),
          sized(losses, "loss over the steps"),
        ),
        h("div", {}, sizesTitle, sized(sizes, "step size by axis over the steps")),
      ),
    ),
  );

  // Controls
  const landscape = choice({
    label: "Landscape",
    options: [
      ["quadratic", "quadratic"],
      ["ravine", "curved ravine"],
      ["saddle", "saddle"],
      ["noisy", "quadratic, noisy gradients"],
    ],
    value: get("settings").landscape,
    onchange: (name) => change({ landscape: name, start: LANDSCAPES[name].start }),
  });
  const condition = slider({
    label: "Condition number",
    min: 0,
    max: 2,
    step: 0.005,
    value: 0,
    format: (v) => short(10 ** v),
    oninput: (v) => change({ condition: Number((10 ** v).toPrecision(3)) }),
  });
  const rotation = slider({
    label: "Rotation",
    min: -90,
    max: 90,
    value: 0,
    format: (v) => `${short(v)}°`,
    oninput: (v) => change({ rotation: v }),
  });
  const ghost = check({
    label: "Show the path at 0°, turned along",
    value: get("ghost"),
    onchange: (on) => put(model, { ghost: on }),
  });
  const selected = choice({
    label: "Adjust",
    options: Object.keys(LOOKS),
    value: get("selected"),
    onchange: (name) => put(model, { selected: name }),
  });
  const knobs = h("div", { class: "lmc-controls lmc-op-knobs" });
  let knobsOf = null,
    knobSliders = [];
  function showKnobs(name) {
    if (knobsOf === name) return;
    knobsOf = name;
    knobSliders = KNOBS[name].map((knob) => {
      const [key, , label, min, max] = knob,
        log = key === "lr";
      return {
        knob,
        log,
        ...slider({
          label,
          min,
          max,
          step: log ? 0.005 : 0.001,
          value: min,
          format: (v) => short(log ? 10 ** v : v),
          oninput: (v) =>
            put(model, {
              options: withOption(get("options"), knobsOf, knob, log ? Number((10 ** v).toPrecision(3)) : v),
            }),
        }),
      };
    });
    knobs.replaceChildren(...knobSliders.map((k) => k.el));
  }
  const schedule = choice({
    label: "Schedule",
    options: [
      ["constant", "constant"],
      ["cosine", "warm-up, cosine"],
      ["wsd", "warm-up, stable, decay"],
    ],
    value: get("settings").schedule,
    onchange: (v) => change({ schedule: v }),
  });
  const precision = choice({
    label: "Stored in",
    options: [
      ["float64", "float64"],
      ["bfloat16 state", "bfloat16: state"],
      ["bfloat16 state and weights", "bfloat16: state and weights"],
    ],
    value: get("settings").precision,
    onchange: (v) => change({ precision: v }),
  });
  const steps = slider({
    label: "Steps",
    min: 1,
    max: 200,
    value: 60,
    oninput: (v) => {
      put(model, { settings: { ...get("settings"), steps: v }, step: v });
    },
  });
  const player = stepper({ label: "Step", every: 90, go: (k) => put(model, { step: k }) });
  const goThere = h(
    "button",
    {
      type: "button",
      hidden: true,
      onclick: () => {
        const found = learnerRun()?.difference;
        if (found) put(model, { step: found.step });
      },
    },
    "Go to the first difference",
  );
  part.controls.append(
    player.el,
    goThere,
    landscape.el,
    condition.el,
    rotation.el,
    ghost.el,
    selected.el,
    knobs,
    schedule.el,
    precision.el,
    steps.el,
  );

  // What is computed, each kept until what it depends on changes
  const runs = Object.fromEntries(
    Object.keys(LOOKS).map((name) => [name, memo((settings, options) => run(name, settings, options))]),
  );
  const flat = Object.fromEntries(
    Object.keys(LOOKS).map((name) => [name, memo((settings, options) => run(name, settings, options))]),
  );
  const ringsOf = memo((name, c) => drawRings(rings, name, c));
  const cellsOf = memo((name, c, begin) => {
    const values = phase(
      { landscape: name, condition: c, start: begin },
      Array.from({ length: COLUMNS }, (_, k) => ((k + 0.5) / COLUMNS) * widest()),
      betas,
    ).flat();
    const fastest = Math.min(-1, ...values); // null, where it grows, counts as 0
    values.forEach((v, k) =>
      cells.children[k].setAttribute("fill", v === null ? "var(--lmc-op-grows)" : viridis(v / fastest)),
    );
  });

  function draw() {
    const settings = get("settings"),
      options = get("options"),
      name = get("selected"),
      { out } = turned();
    const step = clamp(get("step"), 0, settings.steps),
      shown = get("shown"),
      reader = learnerRun();
    const records = Object.fromEntries([...new Set([...shown, name])].map((n) => [n, runs[n](settings, options[n])]));
    const ghosts = get("ghost")
      ? Object.fromEntries(
          shown.map((n) => [n, flat[n]({ ...settings, rotation: 0 }, options[n]).map((r) => out(r.w))]),
        )
      : {};

    // map
    ringsOf(settings.landscape, settings.condition);
    rings.setAttribute(
      "transform",
      `translate(${SIDE / 2} ${SIDE / 2}) scale(${SCALE} ${-SCALE}) rotate(${settings.rotation})`,
    );
    map.setAttribute("aria-label", `The ${settings.landscape} landscape and the paths over it`);
    paths.replaceChildren(
      ...shown.flatMap((n) =>
        drawPath(
          LOOKS[n],
          records[n].map((r) => r.w),
          step,
          ghosts[n],
        ),
      ),
      ...(reader ? drawPath(["lmc-op-mine", "", "circle"], reader.path, step) : []),
    );
    marks.replaceChildren(
      ...LANDSCAPES[settings.landscape].minima.map((p) =>
        s("path", { class: "lmc-op-minimum", d: "M-5 0H5M0 -5V5", transform: `translate(${onMap(out(p))})` }),
      ),
      ...(reader?.difference && reader.path[reader.difference.step] ? drawDifference(reader) : []),
    );
    start.at(
      onMap(out(settings.start)),
      short(settings.start[0], 3).replace("−", "-"),
      `start at ${pair(out(settings.start))}`,
    );
    turner.at(onMap(out([RIM, 0])), settings.rotation, `${settings.rotation}°`);
    squeezer.el.toggleAttribute("hidden", !["quadratic", "noisy"].includes(settings.landscape));
    squeezer.at(
      onMap(out([0, RIM / Math.sqrt(settings.condition)])),
      settings.condition,
      `condition number ${short(settings.condition, 3)}`,
    );

    // tables
    for (const [n, { box, loss }] of Object.entries(rows)) {
      box.set(shown.includes(n));
      const here = shown.includes(n) ? records[n][step] : null;
      loss.textContent = !shown.includes(n) ? "" : here ? short(here.loss, 3) : `left at ${records[n].length}`;
    }
    if (reader) {
      mine.name.textContent = `your ${get("learner").name}`;
      mine.loss.textContent = reader.error
        ? "error"
        : reader.away
          ? "no kernel"
          : reader.waiting
            ? "…"
            : reader.difference
              ? `✗ step ${reader.difference.step}`
              : "✓ equal";
    }
    stateTitle.textContent = `Inside ${name} at step ${step}`;
    stateBody.replaceChildren(...stateRows(name, records[name], step, options[name], settings));

    // phase diagram
    cellsOf(settings.landscape, settings.condition, settings.start);
    drawTheory(theory, settings, onDiagram, widest(), P);
    const { lr, momentum } = options.Momentum;
    dot.at(
      onDiagram(Math.min(lr, widest()), momentum),
      short(lr, 3),
      `learning rate ${short(lr, 3)}, momentum ${short(momentum, 3)}`,
    );

    // charts
    const { loss } = LANDSCAPES[settings.landscape],
      readers = (reader?.path ?? []).map((w) => loss(...turned().back(w), settings.condition));
    chart(losses, {
      steps: settings.steps,
      step,
      lines: [
        ...shown.map((n) => [LOOKS[n][0], LOOKS[n][1], records[n].map((r) => r.loss)]),
        ["lmc-op-mine", "", readers],
      ],
    });
    sizesTitle.textContent = `${name}: step for g = 1, x solid, y dashed (log)`;
    const perAxis = records[name].slice(1).map((r) => stepSizes(name, r, options[name]));
    chart(sizes, {
      steps: settings.steps,
      step,
      level: 2 / steepest(),
      levelText: "2/λ",
      floor: 1e-5,
      lines: [0, 1].map((i) => [LOOKS[name][0], i ? "5 3" : "", [0, ...perAxis.map((p) => p[i])]]),
    });

    // controls
    landscape.set(settings.landscape);
    setLog(condition, settings.condition);
    rotation.set(settings.rotation);
    ghost.set(get("ghost"));
    selected.set(name);
    schedule.set(settings.schedule);
    precision.set(settings.precision);
    steps.set(settings.steps);
    player.set(step, settings.steps + 1);
    showKnobs(name);
    for (const control of knobSliders) {
      const [key, index] = control.knob,
        value = index === null ? options[name][key] : options[name][key][index];
      if (control.log) setLog(control, value);
      else control.set(value);
    }
    goThere.hidden = !reader?.difference;
    part.say(...reading({ settings, shown, records, ghosts, step, reader, learner: get("learner") }));
  }

  function python() {
    const {
      landscape: scape,
      condition: c,
      rotation: r,
      start: at,
      steps: n,
      schedule: plan,
      precision: kept,
    } = get("settings");
    const name = get("learner").name,
      q = JSON.stringify,
      words = [];
    if (name) words.push(name);
    words.push(
      `landscape=${q(scape)}`,
      `condition=${c}`,
      `rotation=${r}`,
      `start=(${at.map((x) => Number(x.toFixed(4))).join(", ")})`,
      `show=${q(get("shown"))}`,
      `steps=${n}`,
    );
    if (plan !== "constant") words.push(`schedule=${q(plan)}`);
    if (kept !== "float64") words.push(`precision=${q(kept)}`);
    if (name && get("learner").reference !== name) words.push(`reference=${q(get("learner").reference)}`);
    if (get("ghost")) words.push("ghost=True");
    words.push(`options=${asPython(get("options"))}`);
    const usual = name ? get("learner").reference : (get("shown")[0] ?? "SGD");
    return `OptimizerPaths(${words.join(", ")})${movedTo(model, { step: n, selected: usual })}`;
  }

  const stop = redraw(model, ["settings", "options", "shown", "selected", "step", "ghost"], draw);
  return () => {
    stop();
    player.stop();
    kernel.stop();
  };
}

function sample(look, dashes, marker) {
  return s(
    "svg",
    { viewBox: "0 0 44 16", width: 44, height: 16, "aria-hidden": "true" },
    s("path", { class: `lmc-op-line ${look}`, "stroke-dasharray": dashes, d: "M2 8H42" }),
    s("path", { class: `lmc-op-marker ${look}`, d: MARKERS[marker], transform: "translate(22 8)" }),
  );
}

function drawRings(group, name, condition) {
  const top = 0.5 * condition * 7,
    levels = [];
  for (let level = 0.03; level < Math.max(top, 8); level *= 2.6) levels.push(level);
  const bent = name === "ravine" || name === "saddle";
  group.replaceChildren(
    ...(bent
      ? contours(name, condition, levels).map((d) => s("path", { d }))
      : levels.map((level) => s("ellipse", { rx: Math.sqrt(2 * level), ry: Math.sqrt((2 * level) / condition) }))),
  );
}

function drawPath([look, dashes, marker], points, step, ghost) {
  if (!points.length) return [];
  const at = points.map(onMap),
    here = Math.min(step, at.length - 1),
    now = at.slice(0, here + 1);
  const dots = now.map((p) => `M${p.map((x) => x.toFixed(2))}h0`).join("");
  return [
    ghost && s("path", { class: `lmc-op-ghost ${look}`, d: line(ghost.map(onMap)) }),
    s("path", { class: `lmc-op-line lmc-op-later ${look}`, d: line(at.slice(here)) }),
    s("path", { class: `lmc-op-line ${look}`, "stroke-dasharray": dashes, d: line(now) }),
    s("path", { class: `lmc-op-dots ${look}`, d: dots }),
    s("path", {
      class: `lmc-op-marker ${look}`,
      d: MARKERS[marker],
      transform: `translate(${now.at(-1).map((x) => x.toFixed(2))})`,
    }),
  ].filter(Boolean);
}

function drawDifference({ path, difference }) {
  const [x, y] = onMap(path[difference.step]);
  return [
    s("circle", { cx: x, cy: y, r: 12, class: "lmc-op-difference" }),
    s(
      "text",
      { x: clamp(x, 4, SIDE - 60), y: clamp(y - 16, 12, SIDE), class: "lmc-op-difference-text" },
      `✗ step ${difference.step}`,
    ),
  ];
}

function drawTheory(group, { landscape, condition }, onDiagram, widest, P) {
  const curvatures = LANDSCAPES[landscape].curvatures(condition),
    edge = [0, 1].map((b) => onDiagram(Math.min(widest, stableRate(b, curvatures[1])), b));
  const star = best(curvatures),
    [sx, sy] = onDiagram(star.lr, star.momentum);
  const exact = landscape === "quadratic" || landscape === "noisy";
  group.replaceChildren(
    s("path", { class: "lmc-op-halo", d: line(edge) }),
    s("path", { class: "lmc-op-edge", d: line(edge) }),
    s(
      "text",
      { x: P.right - 2, y: P.bottom - 8, "text-anchor": "end" },
      exact ? "lr = (2 + 2β)/λ" : "(2 + 2β)/λ at the minimum",
    ),
    ...(exact
      ? [
          s(
            "path",
            { class: "lmc-op-best", d: "M-6 0H6M0 -6V6M-4 -4L4 4M-4 4L4 -4", transform: `translate(${sx} ${sy})` },
            s("title", {}, "best rate and momentum"),
          ),
        ]
      : []),
    ...[0, 0.5, 1].map((b) => s("text", { x: P.left - 4, y: onDiagram(0, b)[1] + 4, "text-anchor": "end" }, String(b))),
    ...[0, 0.25, 0.5, 0.75].map((t) =>
      s("text", { x: onDiagram(t * widest, 0)[0], y: P.bottom + 15, "text-anchor": "middle" }, short(t * widest, 2)),
    ),
    s("text", { x: P.right, y: P.bottom + 31, "text-anchor": "end" }, "learning rate lr →"),
    s("text", { x: 2, y: P.bottom + 31 }, "↑ momentum β"),
  );
}

const NAMES = {
  momentum_buffer: "buffer",
  sum: "sum of g²",
  square_avg: "average of g²",
  exp_avg: "m, exp_avg",
  exp_avg_sq: "v, exp_avg_sq",
};
function stateRows(name, records, step, options, settings) {
  const record = records[step],
    before = records[step - 1];
  if (!record) return [h("tr", {}, h("td", { colspan: 3 }, `the path left the map at step ${records.length}`))];
  const row = (label, values) =>
    h(
      "tr",
      {},
      h("th", { class: "lmc-op-name" }, label),
      values.map((v) => h("td", {}, typeof v === "string" ? v : short(v))),
    );
  const rows = [row("weight w", record.w)];
  if (!before) return [...rows, row("(no step taken yet)", ["", ""])];
  rows.push(row("gradient g", record.g));
  for (const key of Object.keys(NAMES))
    if (record[key]) {
      const stuck = both(
        (i) =>
          settings.precision !== "float64" && before[key] && record.g[i] !== 0 && record[key][i] === before[key][i],
      );
      rows.push(row(NAMES[key], record[key]));
      if (stuck[0] || stuck[1])
        rows.push(
          row(
            "  ⚠ stalled",
            both((i) => (stuck[i] ? "no change" : "")),
          ),
        );
    }
  if (record.exp_avg) {
    const [mHat, vHat] = corrected(record, options.betas);
    rows.push(row("m̂", mHat), row("v̂", vHat));
  }
  rows.push(
    row("step for g = 1", stepSizes(name, record, options)),
    row(
      "change of w",
      both((i) => record.w[i] - before.w[i]),
    ),
    row("lr now", [record.lr, record.lr]),
  );
  return rows;
}

/** One sentence or two: the reader's class first, then rotation, then the losses; and its tone. */
export function reading({ settings, shown, records, ghosts, step, reader, learner }) {
  if (reader?.error) return [`Your ${learner.name} raised ${reader.error}`, "bad"];
  const words = [];
  let tone = "";
  if (reader?.difference) {
    const { step: at, quantity, axis, got, want } = reader.difference,
      of = axis ? `${quantity} along ${axis}` : quantity;
    words.push(
      got === null
        ? `Your ${learner.name} leaves the map, the reference does not (step ${at}).`
        : `Your ${learner.name} leaves the reference at step ${at}: ${of} is ${short(got)}, the reference has ${short(want)}.`,
    );
    tone = "bad";
  } else if (reader?.away) words.push(`Your ${learner.name} needs a kernel to run on these settings.`);
  else if (reader && !reader.waiting) {
    words.push(`Your ${learner.name} equals the reference in every step.`);
    tone = "good";
  }
  const here = shown.filter((n) => records[n][step]),
    gone = shown.filter((n) => !records[n][step]);
  if (!shown.length) words.push("Tick an optimizer to see its path.");
  else if (settings.rotation && here.some((n) => ghosts[n]?.[step])) {
    words.push(
      `Turned by ${short(settings.rotation)}°, at step ${step}: ` +
        here
          .filter((n) => ghosts[n][step])
          .map((n) => {
            const away = Math.hypot(...both((i) => ghosts[n][step][i] - records[n][step].w[i]));
            return away < 1e-6
              ? `${n} walks the turned path exactly`
              : `${n} is ${short(away, 2)} away from its turned path`;
          })
          .join(", ") +
        ".",
    );
  } else if (here.length)
    words.push(`Step ${step}: ` + here.map((n) => `${n} is at loss ${short(records[n][step].loss)}`).join(", ") + ".");
  if (gone.length) words.push(gone.map((n) => `${n} left the map at step ${records[n].length}`).join(", ") + ".");
  return [words.join(" "), tone];
}

export default { render };
