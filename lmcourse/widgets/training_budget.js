// TrainingBudget: what a training run costs, in one sentence whose values move, and whether a step of it fits a card.
// The arithmetic is in rules/flops.js and rules/cures.js, what is drawn in parts/training_budget_*.js; here are the
// state, the four views, and how they are put together. Not here: communication between devices, mixture of experts.
import { frame, put } from "./lib/base.js";
import { tabs } from "./lib/controls.js";
import { h, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { bytes } from "./lib/numbers.js";
import { stepper } from "./lib/player.js";
import { asPython, movedTo } from "./lib/share.js";
import { assumptions, budgetControls } from "./parts/training_budget_assumptions.js";
import { memoryView } from "./parts/training_budget_memory.js";
import { budgetPicture, conventionPicture, momentParts, timelinePicture } from "./parts/training_budget_pictures.js";
import { sentence } from "./parts/training_budget_sentence.js";
import {
  budgetWords,
  conventionWords,
  derivation,
  memoryWords,
  timelineWords,
  warning,
} from "./parts/training_budget_words.js";
import { curesOf } from "./rules/cures.js";
import { numbers, resized } from "./rules/flops.js";

const STATE = [
  "preset",
  "shape",
  "chip",
  "devices",
  "tokens",
  "mfu",
  "price",
  "convention",
  "sparse",
  "batch",
  "seq",
  "accumulation",
  "recipe",
  "optimizer",
  "fused_attention",
  "checkpoint",
  "sharding",
  "first_step",
  "binary",
  "picture",
  "moment",
  "days",
  "tokens_per_parameter",
];
const YOURS = "your model";
const VIEWS = {
  memory: { name: "Does it fit?", words: memoryWords },
  timeline: { name: "One step", words: timelineWords },
  conventions: { name: "Five MFUs", words: conventionWords },
  budget: { name: "Budget turned round", words: budgetWords },
};

/** The reading line of a state: what a reader must know first, else what the view shows. @returns {[string, string]} */
export function reading(now, state) {
  const row = state.chips[state.chip];
  const view = VIEWS[state.picture] ?? VIEWS.memory;
  return warning(now, state, row) ?? view.words(now, state, row);
}

/** The line of Python that builds this state. */
function pythonOf(model) {
  const get = (/** @type {string} */ name) => model.get(name);
  const published = get("presets")[get("preset")];
  const { num_kv_heads, d_head, ...sizes } = get("shape");
  const named = get("preset") !== YOURS && JSON.stringify(published?.shape) === JSON.stringify(get("shape"));
  const set = (values) => Object.entries(values).map(([name, value]) => `${name}=${asPython(value)}`);
  const shape = named
    ? JSON.stringify(get("preset"))
    : `TransformerShape(${set({ ...sizes, num_kv_heads, d_head }).join(", ")})`;
  const names = ["chip", "devices", "tokens", "mfu", "price", "convention", "batch", "seq", "accumulation", "recipe"];
  names.push("optimizer", "fused_attention", "checkpoint", "sharding", "picture");
  const given = set(Object.fromEntries(names.map((name) => [name, get(name)])));
  const usual = { sparse: false, first_step: false, binary: false, moment: 0, days: 30, tokens_per_parameter: 20 };
  return `TrainingBudget(${[shape, ...given].join(", ")})${movedTo(model, usual)}`;
}

/** The model that is resized: the published one that was chosen last. */
function shapesOf(model) {
  const presets = model.get("presets");
  let last = model.get("preset");
  const base = () => {
    const name = model.get("preset");
    if (presets[name] && name !== YOURS) last = name;
    return presets[last] ? last : "GPT-2";
  };
  return {
    names: [...Object.keys(presets), ...(presets[YOURS] ? [] : [YOURS])],
    /** The traits of another model. */
    choose(name) {
      base();
      const found = presets[name];
      return found
        ? { preset: name, shape: found.shape, seq: Math.min(found.shape.context_length, 8192) }
        : { preset: name };
    },
    /** The traits of the same model with another depth or width. */
    reshape(change) {
      const { num_layers, d_model } = model.get("shape");
      return {
        shape: resized(presets[base()].shape, { layers: num_layers, width: d_model, ...change }),
        preset: YOURS,
      };
    },
    source: (state) => presets[state.preset]?.source ?? `${base()}, resized by you`,
  };
}

/** The button that weighs a step of the reader's own model; null where there is none, or no kernel to run it. */
function weigher(model, tell) {
  const ask = asker(model, {
    answered: (a) => {
      const [measured, predicted] = [bytes(a.measured), bytes(a.predicted)];
      tell(
        `Weighed here: one forward and backward pass of your model, batch ${a.batch}, ${a.seq} tokens, allocates ` +
          `${measured}; predicted ${predicted}, ratio ${(a.predicted / a.measured).toFixed(2)}.`,
      );
    },
    failed: tell,
  });
  const onclick = () => {
    tell("Weighing one step of your model…");
    ask.ask({ weigh: { batch: model.get("batch"), seq: model.get("seq") } });
  };
  const button = h("button", { type: "button", onclick }, "Weigh a step of my model");
  return { button: ask.hasKernel && model.get("has_model") ? button : null, stop: ask.stop };
}

/** The four views, of which one is shown. Each sets what stands on the stage, and the controls below it. */
function viewsOf(state, put) {
  const memory = memoryView({ press: put });
  const steps = stepper({ label: "moment", go: (k) => put({ moment: k }), every: 120 });
  const budget = budgetControls(state, put);
  const parts = h("div");
  const draw = {
    memory: (W, now, state, room) => {
      memory.draw(W, now, state, room, curesOf(state));
      return { stage: memory.els, controls: [memory.controls] };
    },
    timeline: (W, now, state, room) => {
      const at = Math.min(state.moment, now.timeline.length - 1);
      steps.set(at, now.timeline.length);
      parts.replaceChildren(momentParts(now.timeline[at], state.binary));
      return { stage: [timelinePicture(W, now, state, room), parts], controls: [steps.el] };
    },
    conventions: (_, now, state) => ({ stage: [conventionPicture(now, state)], controls: [] }),
    budget: (W, now, state) => {
      budget.set(state);
      return { stage: [budgetPicture(W, now, state)], controls: budget.els };
    },
  };
  return {
    draw: (W, now, state, room) => (draw[state.picture] ?? draw.memory)(W, now, state, room),
    stop() {
      memory.stop();
      steps.stop();
    },
  };
}

/** Put these nodes in, if others are there: what stays keeps its focus. */
function fillWith(parent, nodes) {
  if (nodes.length !== parent.children.length || nodes.some((node, k) => node !== parent.children[k]))
    parent.replaceChildren(...nodes);
}

/** The stage: the sentence, how its answer comes about, the tabs, and a place for what a view shows. */
function stageOf(view, model, shapes, set) {
  const names = ["tokens", "devices", "chip", "mfu"];
  const change = Object.fromEntries(names.map((name) => [name, (value) => set({ [name]: value })]));
  const answer = sentence({
    models: shapes.names,
    chips: Object.keys(model.get("chips")),
    change: { ...change, model: (name) => set(shapes.choose(name)) },
  });
  const how = h("p", { class: "tb-how" });
  const options = Object.entries(VIEWS).map(([key, { name }]) => [key, name]);
  const choose = (picture) => set({ picture });
  const tab = tabs({ label: "view", options, value: model.get("picture"), onchange: choose });
  const picture = h("div", { class: "tb-picture" });
  const under = h("div", { class: "tb-under" });
  const bar = h("div", { class: "tb-tabs" }, tab.el);
  view.stage.append(answer.el, how, bar, picture);
  view.controls.append(under);
  return { answer, how, tab, bar, picture, under };
}

/** Where the numbers come from. */
const sourceOf = (shape, /** @type {any} */ { chip, chips }) =>
  `Shape: ${shape}. ${chip}: ${chips[chip].source}, read ${chips[chip].date}` +
  `${chips[chip].note ? ` (${chips[chip].note})` : ""}. ` +
  "Bytes: formulas of lmcourse.flops, within a tenth of what PyTorch allocates. Price: yours.";

function render({ model, el }) {
  const state = () => Object.fromEntries([...STATE, "chips", "tables"].map((name) => [name, model.get(name)]));
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const note = { complaint: "", weighed: "" };
  const set = (changes) => put(model, changes);
  const reset = () => {
    Object.assign(note, { complaint: "", weighed: "" });
    set(first);
  };
  const view = frame({ model, el, python: () => pythonOf(model), reset });
  view.root.classList.add("tb");
  const tell = (name) => (words) => {
    note[name] = words;
    draw();
  };
  const shapes = shapesOf(model);
  const weigh = weigher(model, tell("weighed"));
  const stage = stageOf(view, model, shapes, set);
  const views = viewsOf(state(), set);
  const reshape = (changes) => set(shapes.reshape(changes));
  const rest = assumptions(state(), { put: set, reshape, complain: tell("complaint"), weigh: weigh.button });
  view.more(...rest.els);
  const more = view.root.querySelector(".lmc-more-button");
  more.textContent = "All assumptions";
  stage.bar.append(more);

  let W = 0; // pictures are drawn at their own width, so that text keeps its size
  const measure = () => Math.max(280, Math.min(926, view.stage.clientWidth || 620));
  function draw() {
    W = measure();
    const current = state();
    const now = numbers(current);
    stage.answer.set(now, current);
    write(stage.how, derivation(now, current));
    stage.tab.set(current.picture);
    const shown = views.draw(W, now, current, current.chips[current.chip].memory);
    fillWith(stage.picture, shown.stage);
    fillWith(stage.under, shown.controls);
    rest.set(current, note.complaint);
    view.title(`What it takes to train ${current.preset}`);
    view.source(sourceOf(shapes.source(current), current));
    if (note.complaint) view.say(note.complaint, "bad");
    else if (note.weighed) view.say(note.weighed);
    else view.say(...reading(now, current));
  }
  const forget = () => {
    note.weighed = "";
  };
  for (const name of STATE) model.on(`change:${name}`, forget);
  const stop = view.redraw(STATE, draw);
  const watcher = new ResizeObserver(() => {
    if (measure() !== W) draw();
  });
  watcher.observe(view.stage);
  return () => {
    watcher.disconnect();
    stop();
    views.stop();
    weigh.stop();
    for (const name of STATE) model.off(`change:${name}`, forget);
  };
}
export default { render };
