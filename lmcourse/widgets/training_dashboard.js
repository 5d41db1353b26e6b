// TrainingDashboard: a training run as it goes, and afterwards. What a message holds is read in rules/runs.js; curves,
// panels, controls and words are in parts/training_dashboard_*.js; here they are put together.
import { frame, put } from "./lib/base.js";
import { nearest, placeIn } from "./lib/charts.js";
import { check, choice, slider, tabs } from "./lib/controls.js";
import { fill, h, s } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { clamp, grouped } from "./lib/numbers.js";
import { controlsOf, DEAF } from "./parts/training_dashboard_controls.js";
import { cursorOf, curvesOf, layoutOf, legendOf } from "./parts/training_dashboard_curves.js";
import { batchPanel, heatPanel, samplesPanel } from "./parts/training_dashboard_panels.js";
import { rulesPanel } from "./parts/training_dashboard_rules.js";
import { reading, STATUS, words } from "./parts/training_dashboard_words.js";
import { columns } from "./rules/runs.js";

const STATE = ["steps", "run", "live", "others", "baselines", "ghosts", "paragraph", "max_norm", "panel"];
const PANELS = [
  ["rules", "Rules learned"],
  ["samples", "Samples through time"],
  ["batches", "Jumps and batches"],
  ["tokens", "Loss of each token"],
];
const TILES = [
  { key: "loss", name: "loss", unit: "nats a token" },
  { key: "smooth", name: "average loss" },
  { key: "lr", name: "learning rate" },
  { key: "norm", name: "gradient norm" },
  { key: "rate", name: "tokens/s" },
  { key: "mfu", name: "MFU" },
];
const NO_RUN = { name: "", status: "none", words: "", origin: null, texts: {} };
const NO_ROWS = { validation: [], spikes: [], samples: [], heat: [], rules: [], copies: [], by_hand: [] };

/** All runs in the order in which they began, with their numbers; each message is decoded once. */
function runsOf(model) {
  const decoded = new Map();
  const numbersOf = (facts) => {
    const old = decoded.get(facts.index);
    if (old?.source !== facts.live) decoded.set(facts.index, { source: facts.live, c: columns(facts.live) });
    return decoded.get(facts.index).c;
  };
  return () => {
    const all = [...model.get("others")];
    if (model.get("run").name !== undefined) all.push({ ...model.get("run"), live: model.get("live") });
    return all.sort((a, b) => a.index - b.index).map((facts) => ({ facts, c: numbersOf(facts) }));
  };
}

/** All that is shown, from the state of the model and what this view alone looks at. The last message decides. */
export function sceneOf(get, all, look) {
  const newest = all.find((run) => run.facts.index === get("run").index) ?? null;
  const run = all.find((each) => each.facts.index === look.run) ?? newest;
  const shown = run ? run.c : columns([]);
  const at = look.step === null ? shown.step.length - 1 : nearest(shown.step, look.step);
  return {
    all,
    look,
    shown,
    at,
    facts: run?.facts ?? { ...NO_RUN, ...NO_ROWS },
    step: at < 0 ? 0 : look.step === null ? shown.step[at] : Math.round(look.step),
    status: get("run").status ?? "none",
    fixedRate: get("run").lr ?? null, // by hand
    newestRate: newest?.c.lr.at(-1),
    steps: get("steps"),
    ghosts: get("ghosts"),
    baselines: Object.entries(get("baselines")),
    maxNorm: get("max_norm"),
    paragraph: get("paragraph"),
  };
}

/** The status and the numbers of the step that is looked at. */
function tilesOf() {
  const status = h("p", { class: "td-status" });
  const tile = ({ name, unit }) => {
    const value = h("b", {});
    const label = h("span", {}, name);
    return {
      value,
      el: h("div", { class: "td-tile" }, value, label, unit && h("span", { class: "lmc-muted" }, ` ${unit}`)),
    };
  };
  const step = tile({ name: "step", unit: "" });
  const rest = TILES.map((each) => ({ key: each.key, ...tile({ unit: "", ...each }) }));
  return {
    el: h(
      "div",
      { class: "td-now" },
      status,
      step.el,
      rest.map((each) => each.el),
    ),
    draw({ facts, shown, at, steps, hasKernel }) {
      const [mark, word] = STATUS[facts.status];
      const stored = !hasKernel && facts.status !== "none";
      status.replaceChildren(h("span", { "aria-hidden": "true" }, mark), ` ${stored ? `stored run, ${word}` : word}`);
      status.dataset.status = facts.status;
      const of = steps ? ` of ${grouped(steps)}` : "";
      step.value.textContent = at < 0 ? "–" : `${grouped(shown.step[at])}${of}`;
      for (const { key, value } of rest)
        value.textContent = at < 0 ? "–" : words(key === "smooth" ? "loss" : key, shown[key][at]);
    },
  };
}

/** The step to look at, back to the newest, a log axis, and which run; `move` changes what is looked at. */
function chooserOf(scene, move) {
  const scrub = slider({
    label: "step",
    min: 0,
    max: 0,
    value: 0,
    format: () => "",
    oninput: (k) => move({ step: scene().shown.step[k] }),
  });
  const toNewest = () => {
    scrub.input.focus(); // the button goes once the newest step is looked at
    move({ step: null });
  };
  const latest = h("button", { type: "button", onclick: toNewest }, "Newest step");
  const logSteps = check({ label: "log steps", value: false, onchange: (log) => move({ log }) });
  const run = choice({
    label: "run",
    options: [],
    value: "",
    onchange: (v) => move({ run: Number(v), step: null }),
  });
  return {
    el: h("div", { class: "td-scrub" }, scrub.el, latest, run.el),
    rest: [logSteps.el],
    draw({ shown, at, look, all, facts }) {
      scrub.set(Math.max(0, at), Math.max(0, shown.step.length - 1));
      const said = at < 0 ? "no step yet" : `step ${shown.step[at]}, loss ${words("loss", shown.loss[at])}`;
      scrub.input.setAttribute("aria-valuetext", said);
      latest.style.visibility = look.step === null || at < 0 ? "hidden" : "";
      run.el.style.display = all.length > 1 ? "" : "none";
      const names = all.map((each) => each.facts.name);
      if ([...run.select.options].map((o) => o.textContent).join() !== names.join())
        run.select.replaceChildren(...all.map((each) => h("option", { value: each.facts.index }, each.facts.name)));
      run.set(facts.index ?? "");
    },
  };
}

/** The curves: drawn anew when a message brought something or the axis changed; a move along the steps is one line. */
function curvesPanel(root, choose) {
  const curves = s("g");
  const cursor = s("g");
  const svg = s("svg", { class: "td-svg", role: "img" }, curves, cursor);
  const legend = h("p", { class: "td-legend" });
  let drawn = [];
  let made = null;
  const pointed = (event) => {
    if (made) choose(made.x.invert(placeIn(svg, event)[0]));
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    pointed(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (event.buttons) pointed(event);
  });
  const drawAll = (scene, layout) => {
    made = curvesOf(scene, layout);
    root.classList.toggle("td-big", layout.big);
    svg.setAttribute("viewBox", `0 0 ${layout.wide} ${layout.bottom + (layout.roomy ? 26 : 42)}`);
    const names = scene.all.map((run) => run.facts.name).join(", ") || "No run yet";
    const what = "loss, learning rate, gradient norm, tokens/s and MFU";
    svg.setAttribute("aria-label", `Curves over ${grouped(made.last)} steps: ${what}. ${names}.`);
    curves.replaceChildren(...made.nodes.flat(Infinity).filter(Boolean));
    legend.replaceChildren(...(layout.roomy ? [] : legendOf(scene)));
  };
  return {
    els: [svg, legend],
    draw(scene, wide) {
      const layout = layoutOf(wide);
      const now = dependencies(scene, wide);
      if (now.length !== drawn.length || now.some((each, k) => each !== drawn[k])) drawAll(scene, layout);
      drawn = now;
      cursor.replaceChildren(...cursorOf(scene, layout, made).flat(Infinity).filter(Boolean));
    },
  };
}

/** What the curves depend on; arrays of numbers are compared by identity, since a message brings new ones. */
const dependencies = (scene, wide) => [
  wide,
  scene.look.log,
  scene.steps,
  scene.ghosts,
  JSON.stringify(scene.baselines),
  scene.maxNorm,
  scene.facts.index,
  String(scene.facts.copies),
  ...scene.all.flatMap((run) => [run.c, JSON.stringify([run.facts.validation, run.facts.by_hand])]),
];

/** Space pauses where there is something to pause, and arrows choose steps, wherever no control needs them. */
function keysOf(scene, choose, pause) {
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    const kind = target.tagName;
    if (key === " " && pause.isConnected && kind !== "BUTTON" && kind !== "SELECT" && target.type !== "checkbox") {
      event.preventDefault();
      pause.click();
      return;
    }
    const { shown, at } = scene();
    const all = shown.step;
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -all.length, End: all.length }[key];
    const inGroup = target.closest(".td-film, .td-spikes, .td-heat");
    if (kind !== "BUTTON" || inGroup || move === undefined || !all.length) return;
    event.preventDefault();
    choose(all[clamp(at + move, 0, all.length - 1)]);
  };
}

/** Talking to the kernel; `note` keeps what it said of a batch, and what went wrong. */
function kernelOf(model, note, draw, settled) {
  const complain = (words) => {
    note.trouble = words.replace(/^\w*Error: /, "");
    draw();
  };
  const kernel = asker(model, {
    answered: (a) => {
      if ("texts" in a) note.heard = a;
      settled();
      draw();
    },
    obeyed: () => {
      if (note.trouble === DEAF) note.trouble = "";
    },
    failed: (error) => {
      settled();
      complain(error);
    },
    unheard: () => complain(DEAF),
  });
  return { kernel, complain };
}

/** The panels below the reading line, of which a tab shows one; none where there is nothing to show. */
function panelsOf(model, { move, choose, askForBatch }) {
  const panels = {
    rules: rulesPanel(),
    samples: samplesPanel((step) => move({ step })),
    batches: batchPanel(choose, askForBatch),
    tokens: heatPanel(),
  };
  const tab = tabs({
    label: "what to look at",
    options: PANELS,
    value: "samples",
    onchange: (panel) => put(model, { panel }),
  });
  const place = h("div", { class: "td-panels" });
  const el = h("div", {}, tab.el, place);
  return {
    el,
    draw(scene) {
      const name = panels[model.get("panel")] ? model.get("panel") : "samples";
      el.hidden = scene.at < 0;
      tab.set(name);
      fill(place, [panels[name].el]);
      panels[name].draw(scene);
    },
  };
}

const WORDS = {
  "a nat": "The unit of the loss: 1 nat less means that the model gave the right token e ≈ 2.72 times the probability.",
  "the gradient norm": "The length of all gradients taken as one long vector: how steep the loss is here.",
  clipping:
    "A gradient that is longer than the limit is shortened to it, so that one bad batch cannot throw the model far.",
  MFU: "The share of the machine's peak arithmetic that goes into the model.",
};

function render({ model, el }) {
  const get = (/** @type {string} */ name) => model.get(name);
  const look = { step: null, run: null, log: false }; // null: the newest
  const note = { trouble: "", heard: null, asked: "", announced: "" };
  const view = frame({ model, el });
  view.root.classList.add("td");
  const runs = runsOf(model);
  const { kernel, complain } = kernelOf(model, note, draw, () => controls.settle());
  const scene = () => ({ ...sceneOf(get, runs(), look), heard: note.heard, hasKernel: kernel.hasKernel });
  const move = (changes) => {
    note.trouble = "";
    Object.assign(look, changes);
    draw();
  };
  const choose = (step) => {
    const { shown } = scene();
    if (shown.step.length) move({ step: shown.step[nearest(shown.step, step)] });
  };
  const askForBatch = (step, run) => {
    if (note.asked === `${run}:${step}`) return;
    note.asked = `${run}:${step}`;
    kernel.ask({ batch: step, run });
  };
  const tiles = tilesOf();
  const curves = curvesPanel(view.root, choose);
  const chooser = chooserOf(scene, move);
  const controls = controlsOf({ scene, kernel, complain });
  const panels = panelsOf(model, { move, choose, askForBatch });
  view.stage.append(tiles.el, ...curves.els, chooser.el);
  view.controls.append(...controls.main);
  view.more(...chooser.rest, ...controls.rest);
  if (!kernel.hasKernel) chooser.el.append(view.root.querySelector(".lmc-more-button"));
  view.below.append(panels.el);
  view.words(WORDS);
  view.root.addEventListener("keydown", keysOf(scene, choose, controls.pause));

  const measure = () => Math.max(280, Math.round(view.stage.clientWidth) || 640);
  let wide = 0;
  function draw() {
    wide = measure();
    const now = scene();
    curves.draw(now, wide);
    for (const part of [tiles, chooser, panels, controls]) part.draw(now);
    speak(now);
  }
  /** While it trains the words change ten times a second for the eye, and once a tenth of the run for the ear. */
  function speak(now) {
    const [sentence, tone, landmark] = note.trouble ? [note.trouble, "bad", note.trouble] : reading(now);
    view.say(sentence, tone, landmark === note.announced);
    note.announced = landmark;
  }
  const stopDrawing = view.redraw(STATE, draw);
  const resized = new ResizeObserver(() => {
    if (measure() !== wide) draw();
  });
  resized.observe(view.root);
  return () => {
    stopDrawing();
    resized.disconnect();
    kernel.stop();
  };
}

export default { render };
