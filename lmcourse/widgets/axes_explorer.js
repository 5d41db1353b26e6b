// AxesExplorer: a pattern of named axes as a line of names, grids and a loop nest; point at an element to see what it
// meets. What a pattern means is in rules/ and runs here, so that nothing waits for a kernel. This file wires the
// parts.
import { bounded, frame, put } from "./lib/base.js";
import { choice, field, tabs } from "./lib/controls.js";
import { h } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { stepper } from "./lib/player.js";
import { chainRow } from "./parts/axes_explorer_chain.js";
import { buildGrids, cellTowards, markCells } from "./parts/axes_explorer_grid.js";
import { drawFacts, drawTrouble, memory, nestCode, patternLine, sizeSliders } from "./parts/axes_explorer_panels.js";
import { pythonOf, sayFocus, sentence } from "./parts/axes_explorer_words.js";
import { questionOf, STATE, work } from "./parts/axes_explorer_work.js";
import { assignment, sources, UPDATES } from "./rules/axes.js";
import { product } from "./rules/pattern.js";

const OPERATIONS = ["rearrange", ...Object.keys(UPDATES).map((by) => `reduce, ${by}`), "repeat", "einsum"];
const PANELS = [
  ["nest", "Loop nest"],
  ["sizes", "Sizes"],
  ["facts", "Call, type and cost"],
];
const WORDS = {
  kept: "An axis that input and output both have.",
  contracted: "Two inputs have it and the output does not: products along it are summed.",
  batch: "Every input and the output have it: the same is done for each place along it.",
  free: "One input and the output have it.",
  view: "The result reads the input's memory with other strides; no element is copied.",
};

/** A preset as a whole state. */
function startOf(preset) {
  const chain = preset.chain ?? [],
    step = chain[0] ?? preset;
  return {
    operation: step.operation,
    reduction: preset.reduction ?? "sum",
    pattern: step.pattern,
    sizes: preset.sizes ?? {},
    dots: preset.dots ?? 2,
    tensors: [],
    chain,
    current: chain.length ? 0 : -1,
    axis: preset.axis ?? "",
    iteration: -1,
    verdict: {},
    made: {},
  };
}

/** One widget: its state worked out, its parts, and the element that is pointed at. */
class Explorer {
  now = null;
  hovered = null; // { tensor: operand number or "out", flat }
  isNew = memory();
  pattern = null; // the field
  #asked = "";

  constructor(model, view) {
    this.model = model;
    this.view = view;
    this.chain = chainRow(model);
    this.line = patternLine(model);
    this.sizes = sizeSliders(model);
    this.nest = nestCode();
    this.trouble = h("div", { class: "lmc-ax-trouble" });
    this.grids = h("div", { class: "lmc-ax-grids" });
    this.facts = h("dl", { class: "lmc-ax-facts" });
    this.kernel = asker(model, {
      answered: ({ made, ...verdict }) => put(model, { verdict, made }),
      failed: (message) => view.say(message, "bad"),
    });
  }

  /** Colour stays with the axis that has it, if the new pattern has that too. */
  edit(pattern) {
    put(this.model, { pattern, current: -1, iteration: -1, axis: this.now?.tint || this.model.get("axis") });
  }

  repair({ change, start, end }) {
    const text = this.model.get("pattern");
    put(this.model, {
      ...(change.replace === undefined ? {} : { pattern: text.slice(0, start) + change.replace + text.slice(end) }),
      ...(change.operation ? { operation: change.operation } : {}),
      ...(change.sizes ? { sizes: { ...this.model.get("sizes"), ...change.sizes } } : {}),
      current: -1,
      iteration: -1,
    });
    this.pattern.input.focus({ preventScroll: true });
  }

  draw() {
    this.now = work(Object.fromEntries(STATE.map((name) => [name, this.model.get(name)])));
    const { now } = this;
    this.line.draw(now);
    this.chain.draw(now);
    this.sizes.draw(now);
    const wrong = drawTrouble(this.trouble, now, (error) => this.repair(error));
    const picture = now.nest && this.pictureOf(now);
    if (this.isNew("picture", now.tensors, now.chain, picture)) {
      buildGrids(this.grids, now);
      this.nest.draw(now);
      drawFacts(this.facts, now);
    }
    for (const cell of this.grids.querySelectorAll('[data-tensor="out"] .lmc-ax-cell'))
      cell.classList.toggle("is-wrong", wrong.has(Number(cell.dataset.flat)));
    if (now.nest) this.mark();
    else this.view.say(`einops refuses this pattern: ${now.error.message}. ${now.error.fix}`, "bad");
    this.ask();
  }

  /** All that a picture of the tensors follows from, as text; the reader's own tensors aside. */
  pictureOf({ nest, axes, hue, tint, current, sizes }) {
    const { operation, reduction, pattern, shapes } = nest;
    return JSON.stringify([operation, reduction, pattern, shapes, nest.sizes, axes.map(hue), tint, current, sizes]);
  }

  /** Mark the element under the pointer or the focus, or the one that the player stands at. */
  mark() {
    const { nest, iteration, terms } = this.now,
      dimsOf = (tensor) => (tensor === "out" ? nest.output : nest.inputs[tensor]),
      shapeOf = (tensor) => (tensor === "out" ? nest.outputShape : (nest.shapes[tensor] ?? [0]));
    // the picture may have shrunk under the pointer
    if (this.hovered && this.hovered.flat >= product(shapeOf(this.hovered.tensor))) this.hovered = null;
    const steps = !this.hovered && iteration >= 0 && iteration < nest.iterations,
      inner = steps ? iteration % terms : null,
      focus = steps ? { tensor: "out", flat: Math.floor(iteration / terms) } : this.hovered;
    const term = steps ? sources(nest, focus.flat, inner + 1, this.now.by).at(-1) : null;
    const at = focus ? assignment(dimsOf(focus.tensor), shapeOf(focus.tensor), nest.sizes, focus.flat) : null;
    markCells(this.grids, this.now, focus, at, term);
    this.nest.mark(this.now, at, inner);
    this.chain.mark(this.now, focus);
    this.view.say(focus ? sayFocus(this.now, focus, at, inner) : sentence(this.now));
  }

  hover(found) {
    if (JSON.stringify(found) === JSON.stringify(this.hovered)) return;
    this.hovered = found;
    if (this.now.nest) this.mark();
  }

  /** einops' own word on this pattern, and the reader's own function. */
  ask() {
    const question = questionOf(this.now);
    if (question === this.#asked || this.now.verdict?.question === question) return;
    this.#asked = question;
    this.kernel.ask({ text: question });
  }
}

/** Operation and pattern: what the widget is about. */
function mainControls(explorer) {
  const { model } = explorer;
  const operation = choice({
    label: "Operation",
    options: OPERATIONS,
    value: "rearrange",
    onchange(value) {
      const [op, by] = value.split(", ");
      put(model, { operation: op, reduction: by ?? model.get("reduction"), current: -1, iteration: -1 });
    },
  });
  const pattern = field({ label: "Pattern", value: "", oninput: (text) => explorer.edit(text) });
  pattern.el.classList.add("lmc-ax-field");
  explorer.pattern = pattern;
  return {
    nodes: [pattern.el, operation.el],
    draw(now) {
      operation.set(now.operation === "reduce" ? `reduce, ${now.reduction}` : now.operation);
      pattern.set(now.pattern);
    },
  };
}

/** Examples, and the axis that gives the colour: behind More. */
function moreControls({ model, isNew }) {
  const presets = model.get("presets");
  const example = choice({
    label: "Example",
    options: [["", "choose one"], ...presets.map(({ name }, i) => [String(i), name])],
    value: "",
    onchange: (i) => {
      if (i !== "") put(model, startOf(presets[Number(i)]));
    },
  });
  const colour = choice({
    label: "Colour by",
    options: [["", "no axis"]],
    value: "",
    onchange: (axis) => put(model, { axis: axis || "-" }),
  });
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  return {
    nodes: [example.el, colour.el],
    draw(now) {
      const index = presets.findIndex((preset) =>
        now.chain.length
          ? same(preset.chain, now.chain)
          : !now.bound && preset.pattern === now.pattern && preset.operation === now.operation,
      );
      example.set(index < 0 ? "" : String(index));
      const axes = now.axes ?? [];
      if (isNew("colour", axes.join())) {
        const options = [["", "no axis"], ...axes.map((name) => [name, name])];
        colour.select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
      }
      colour.set(now.tint ?? "");
    },
  };
}

/** The tabs and what they show. */
function panels(explorer) {
  const { model } = explorer;
  const chosen = tabs({
    label: "what is shown below",
    options: PANELS,
    value: model.get("panel") ?? "nest",
    onchange: (panel) => put(model, { panel }),
  });
  const nest = h(
    "div",
    { class: "lmc-scroll", tabindex: "0", role: "group", "aria-label": "loop nest" },
    explorer.nest.el,
  );
  const boxes = { nest, sizes: explorer.sizes.el, facts: explorer.facts };
  return {
    nodes: [chosen.el, ...Object.values(boxes)],
    draw() {
      const wanted = model.get("panel"),
        panel = wanted in boxes ? wanted : "nest";
      chosen.set(panel);
      for (const [name, box] of Object.entries(boxes)) box.hidden = name !== panel;
    },
  };
}

/** Pointing, clicking and arrows on the cells. */
function linkCells(explorer) {
  const { grids, model } = explorer;
  const locate = (event) => {
    const cell = event.target.closest?.(".lmc-ax-cell");
    if (!cell) return null;
    const { tensor } = cell.parentElement.dataset;
    return { tensor: tensor === "out" ? "out" : Number(tensor), flat: Number(cell.dataset.flat) };
  };
  for (const event of ["pointerover", "focusin"]) grids.addEventListener(event, (e) => explorer.hover(locate(e)));
  for (const event of ["pointerleave", "focusout"]) grids.addEventListener(event, () => explorer.hover(null));
  grids.addEventListener("click", (event) => {
    const found = locate(event);
    if (found?.tensor === "out") put(model, { iteration: found.flat * explorer.now.terms });
  });
  grids.addEventListener("keydown", (event) => {
    const cell = event.target.closest?.(".lmc-ax-cell"),
      next = cell && cellTowards(cell, event.key);
    if (!next) return;
    event.preventDefault();
    for (const one of cell.parentElement.children) one.tabIndex = one === next ? 0 : -1;
    next.focus();
  });
}

function render({ model, el }) {
  bounded(model, { dots: [0, 8] });
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const view = frame({ model, el, python: () => pythonOf(model, explorer.now), reset: () => put(model, first) });
  view.root.classList.add("lmc-axes");
  const explorer = new Explorer(model, view),
    main = mainControls(explorer),
    below = panels(explorer),
    more = moreControls(explorer);
  const go = (step) => {
    explorer.hovered = null;
    put(model, { iteration: step - 1 });
  };
  const walk = stepper({ label: "loop step", go, every: 600 });
  const body = h("div", { class: "lmc-ax-body" }, explorer.trouble, explorer.grids);
  view.stage.append(explorer.chain.el, explorer.line.el, body);
  view.controls.append(walk.el, ...main.nodes);
  view.more(...more.nodes);
  view.below.append(...below.nodes);
  view.words(WORDS);
  linkCells(explorer);
  const stop = view.redraw(STATE, () => {
    explorer.draw();
    const { now } = explorer;
    for (const part of [main, more, below]) part.draw(now);
    const length = now.nest?.iterations ?? 0;
    walk.el.classList.toggle("lmc-ax-idle", !length);
    walk.set(Math.min(now.iteration, length - 1) + 1, length + 1);
    const asked = now.verdict?.question === questionOf(now);
    view.source(`${model.get("source")}${asked ? " · einops itself was asked here" : ""}`);
  });
  return () => {
    stop();
    walk.stop();
    explorer.kernel.stop();
  };
}

export default { render };
