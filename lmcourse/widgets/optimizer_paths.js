// OptimizerPaths: optimizers walking over a landscape of two weights. The arithmetic is in rules/optimizers.js and runs
// here; a class of the reader's own is run by Python (optimizer_paths.py). What is drawn: parts/optimizer_paths_*.js.
import { frame, put } from "./lib/base.js";
import { check, choice, slider, tabs } from "./lib/controls.js";
import { h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { still } from "./lib/motion.js";
import { clamp, short } from "./lib/numbers.js";
import { stepper } from "./lib/player.js";
import { asPython, movedTo } from "./lib/share.js";
import { LOOKS, mapOf } from "./parts/optimizer_paths_map.js";
import { momentumPanel } from "./parts/optimizer_paths_momentum.js";
import { comparePanel, insidePanel, lossPanel } from "./parts/optimizer_paths_panels.js";
import { knobsOf, rateScale, withOption } from "./parts/optimizer_paths_scale.js";
import { reading } from "./parts/optimizer_paths_words.js";
import { LANDSCAPES, run, turn } from "./rules/optimizers.js";

const STATE = ["settings", "options", "shown", "selected", "step", "ghost", "panel"];
const FIRST_STEPS = 12; // that are walked when the widget comes into view
const PANELS = [
  ["walk", "Loss"],
  ["compare", "Compare optimizers"],
  ["inside", "Inside"],
];
const MOMENTUM = ["momentum", "Momentum map"];

/** A value kept until its key changes. */
function memo(make) {
  let key = null;
  let value;
  return (...given) => {
    const now = JSON.stringify(given);
    if (now !== key) {
      key = now;
      value = make(...given);
    }
    return value;
  };
}

/** The run of each optimizer, computed anew when its settings or options change. */
const runsOf = () =>
  Object.fromEntries(
    Object.keys(LOOKS).map((name) => [name, memo((settings, options) => run(name, settings, options))]),
  );

/** The panel that is shown: the map of momentum belongs to momentum alone. */
export function panelOf(panel, selected) {
  if (panel === "momentum") return selected === "Momentum" ? panel : "walk";
  return PANELS.some(([key]) => key === panel) ? panel : "walk";
}

/** The traits of another chosen optimizer: alone it is replaced, among several it is added. */
export function choosing(name, { shown, panel }) {
  const next = shown.length <= 1 ? [name] : shown.includes(name) ? shown : [...shown, name];
  const turned = name === "Momentum" ? "momentum" : panelOf(panel, name);
  return { selected: name, shown: next, panel: turned };
}

/** The reader's class: what Python said last, and for which settings. `seen` asks anew where they have changed. */
function readerOf(model, draw) {
  const { name, reference, run: first } = model.get("learner");
  const keyOf = (state) => JSON.stringify({ settings: state.settings, options: state.options[reference] });
  const now = () => ({ settings: model.get("settings"), options: model.get("options") });
  // a link changes the settings, not the run that was stored with the page's own
  let told = name ? { key: keyOf(model.get("_share")?.first ?? now()), run: first } : null;
  let asked = told?.key;
  const tell = (run) => {
    told = { key: asked, run };
    draw();
  };
  const kernel = asker(model, {
    answered: tell,
    failed: (words) => tell({ error: words, path: [], difference: null }),
  });
  return {
    stop: kernel.stop,
    seen() {
      if (!told) return null;
      const key = keyOf(now());
      if (key !== asked) {
        asked = key;
        kernel.ask({ settings: now().settings, options: now().options[reference] });
      }
      if (key === told.key) return told.run;
      return kernel.hasKernel
        ? { ...told.run, waiting: true, difference: null }
        : { path: [], difference: null, error: "", away: true };
    },
  };
}

/** The first steps are walked when the widget comes into view, and anew where another walk begins. */
function walker(root, target, draw) {
  const walk = { step: null };
  let timer = 0;
  const end = () => {
    clearInterval(timer);
    walk.step = null;
    root.removeAttribute("aria-busy");
  };
  const tick = () => {
    walk.step += 1;
    if (walk.step >= target()) end();
    draw();
  };
  const begin = () => {
    end();
    if (still() || target() > FIRST_STEPS || target() < 1) return;
    walk.step = 0;
    root.setAttribute("aria-busy", "true");
    timer = setInterval(tick, 120);
    draw();
  };
  for (const event of ["pointerdown", "keydown", "input"]) root.addEventListener(event, end, true);
  const watcher = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    watcher.disconnect();
    begin();
  });
  watcher.observe(root);
  const stop = () => {
    watcher.disconnect();
    end();
  };
  return { walk, begin, stop };
}

/** All that is shown now. */
function sceneOf(model, runs, flat, reader, step) {
  const get = (/** @type {string} */ name) => model.get(name);
  const [settings, options, shown, selected] = ["settings", "options", "shown", "selected"].map(get);
  const { out } = turn(settings.rotation);
  const level = { ...settings, rotation: 0 };
  const names = [...new Set([...shown, selected])];
  const ghosts = get("ghost") ? shown : [];
  return {
    settings,
    options,
    shown,
    selected,
    panel: panelOf(get("panel"), selected),
    ghost: get("ghost"),
    learner: get("learner"),
    step: clamp(step, 0, settings.steps),
    records: Object.fromEntries(names.map((name) => [name, runs[name](settings, options[name])])),
    ghosts: Object.fromEntries(ghosts.map((name) => [name, flat[name](level, options[name]).map((r) => out(r.w))])),
    reader: reader.seen(),
    steepest: LANDSCAPES[settings.landscape].curvatures(settings.condition)[1],
  };
}

/** The controls behind More: the landscape in numbers, schedule, storage and steps. */
function moreControls(model, change) {
  const { settings } = { settings: model.get("settings") };
  const landscape = choice({
    label: "Landscape",
    options: [
      ["quadratic", "quadratic"],
      ["ravine", "curved ravine"],
      ["saddle", "saddle"],
      ["noisy", "quadratic, noisy gradients"],
    ],
    value: settings.landscape,
    onchange: (name) => change({ landscape: name, start: LANDSCAPES[name].start }),
  });
  let condition = settings.condition;
  const squeeze = slider({
    label: "Condition number",
    min: 0,
    max: 2,
    step: 0.005,
    value: 0,
    format: () => short(condition),
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
    value: model.get("ghost"),
    onchange: (on) => put(model, { ghost: on }),
  });
  const rest = planControls(model, change);
  return {
    els: [landscape.el, squeeze.el, rotation.el, ghost.el, ...rest.els],
    set(scene) {
      condition = scene.settings.condition;
      landscape.set(scene.settings.landscape);
      squeeze.set(Math.log10(condition));
      rotation.set(scene.settings.rotation);
      ghost.set(scene.ghost);
      rest.set(scene.settings);
    },
  };
}

function planControls(model, change) {
  const schedule = choice({
    label: "Schedule",
    options: [
      ["constant", "constant"],
      ["cosine", "warm-up, cosine"],
      ["wsd", "warm-up, stable, decay"],
    ],
    value: model.get("settings").schedule,
    onchange: (v) => change({ schedule: v }),
  });
  const precision = choice({
    label: "Stored in",
    options: [
      ["float64", "float64"],
      ["bfloat16 state", "bfloat16: state"],
      ["bfloat16 state and weights", "bfloat16: state and weights"],
    ],
    value: model.get("settings").precision,
    onchange: (v) => change({ precision: v }),
  });
  const steps = slider({ label: "Steps", min: 1, max: 200, value: 60, oninput: (v) => change({ steps: v }) });
  return {
    els: [schedule.el, precision.el, steps.el],
    set(settings) {
      schedule.set(settings.schedule);
      precision.set(settings.precision);
      steps.set(settings.steps);
    },
  };
}

/** The optimizer that is looked at, the tabs, More at their end, and the panel that they choose. */
function panelsOf(model, scene, selected, more) {
  const set = (changes) => put(model, changes);
  const panels = {
    walk: { ...lossPanel(), high: 116 },
    compare: { ...comparePanel({ scene, put: set }), high: 0 },
    inside: { ...insidePanel(knobsOf({ scene, put: set })), high: 50 },
    momentum: { ...momentumPanel({ scene, put: set, knobs: knobsOf({ scene, put: set }) }), high: 0 },
  };
  const choose = (panel) => set({ panel });
  const bar = (options) => tabs({ label: "what to look at", options, value: "walk", onchange: choose });
  const [plain, withMap] = [bar(PANELS), bar([...PANELS, MOMENTUM])];
  const top = h("div", { class: "lmc-op-tabs" }, selected.el, more);
  const place = h("div", { class: "lmc-op-panel" });
  return {
    el: h("div", { class: "lmc-op-lower" }, top, place),
    draw(now, W) {
      const tab = now.selected === "Momentum" ? withMap : plain;
      tab.set(now.panel);
      if (!tab.el.isConnected) {
        (tab === plain ? withMap : plain).el.remove();
        top.firstChild.after(tab.el);
      }
      const panel = panels[now.panel];
      panel.draw(now, W, panel.high);
      if (place.firstChild !== panel.el) place.replaceChildren(panel.el);
    },
  };
}

function pythonOf(model) {
  const get = (/** @type {string} */ name) => model.get(name);
  const { landscape, condition, rotation, start, steps, schedule, precision } = get("settings");
  const { name, reference } = get("learner");
  const quoted = JSON.stringify;
  const words = [
    ...(name ? [name] : []),
    `landscape=${quoted(landscape)}`,
    `condition=${condition}`,
    `rotation=${rotation}`,
    `start=(${start.map((x) => Number(x.toFixed(4))).join(", ")})`,
    `show=${quoted(get("shown"))}`,
    `steps=${steps}`,
  ];
  if (schedule !== "constant") words.push(`schedule=${quoted(schedule)}`);
  if (precision !== "float64") words.push(`precision=${quoted(precision)}`);
  if (name && reference !== name) words.push(`reference=${quoted(reference)}`);
  if (get("ghost")) words.push("ghost=True");
  words.push(`options=${asPython(get("options"))}`);
  const selected = name ? reference : (get("shown")[0] ?? "SGD");
  const panel = selected === "Momentum" ? "momentum" : "walk";
  const usual = { step: Math.min(FIRST_STEPS, steps), selected, panel };
  return `OptimizerPaths(${words.join(", ")})${movedTo(model, usual)}`;
}

function render({ model, el }) {
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const set = (changes) => put(model, changes);
  const view = frame({ model, el, python: () => pythonOf(model), reset: () => set(first) });
  view.root.classList.add("lmc-optimizers");
  const reader = readerOf(model, draw);
  const [runs, flat] = [runsOf(), runsOf()];
  const steps = walker(view.root, () => model.get("step"), draw);
  const scene = () => sceneOf(model, runs, flat, reader, steps.walk.step ?? model.get("step"));
  const change = (settings) => {
    set({ settings: { ...model.get("settings"), ...settings } });
    if (settings.landscape) steps.begin();
  };
  const map = mapOf({ settings: () => model.get("settings"), change });
  const selected = choice({
    label: "Optimizer",
    options: Object.keys(LOOKS),
    value: model.get("selected"),
    onchange: (name) => {
      set(choosing(name, { shown: model.get("shown"), panel: model.get("panel") }));
      steps.begin();
    },
  });
  const rate = rateScale({
    set: (lr) => set({ options: withOption(model.get("options"), model.get("selected"), { key: "lr" }, lr) }),
  });
  const player = stepper({ label: "Step", every: 90, go: (step) => set({ step }) });
  const goThere = h("button", { type: "button" }, "Go to the first difference");
  goThere.addEventListener("click", () => set({ step: scene().reader?.difference?.step ?? model.get("step") }));
  const more = moreControls(model, change);
  view.stage.append(map.el);
  view.controls.classList.add("lmc-op-controls");
  view.controls.append(rate.el, player.el, goThere);
  view.more(...more.els);
  const panels = panelsOf(model, scene, selected, view.root.querySelector(".lmc-more-button"));
  view.controls.append(panels.el);

  let W = 0;
  const measure = () => Math.max(280, view.stage.clientWidth || 620);
  function draw() {
    W = measure();
    const now = scene();
    map.draw(W, now);
    panels.draw(now, W);
    rate.draw(now);
    more.set(now);
    selected.set(now.selected);
    player.set(now.step, now.settings.steps + 1);
    goThere.hidden = !now.reader?.difference;
    view.say(...reading(now));
  }
  const stop = view.redraw(STATE, draw);
  const watcher = new ResizeObserver(() => {
    if (measure() !== W) draw();
  });
  watcher.observe(view.stage);
  return () => {
    stop();
    watcher.disconnect();
    steps.stop();
    player.stop();
    reader.stop();
  };
}

export default { render };
