// AxesExplorer: a pattern of named axes as chips, grids and a loop nest; hover an element to see what it meets. What a
// pattern means is in axes.js and runs here, so that nothing waits for a kernel; this file draws it.
import { bounded, frame, put, redraw } from "./lib/base.js";
import { choice, field, slider } from "./lib/controls.js";
import { stepper } from "./lib/player.js";
import { roving } from "./lib/roving.js";
import { h, s, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped } from "./lib/numbers.js";
import { movedTo } from "./lib/share.js";
import {
  UPDATES,
  agree,
  assignment,
  code,
  flops,
  fold,
  letter,
  pairwiseFlops,
  roles,
  signature,
  sources,
  steps,
  unravel,
  viewOf,
} from "./rules/axes.js";
import { chainField, chainNests } from "./rules/axes_chain.js";
import { FIRST_SIZES, axisNames, freeShapes, toldNames } from "./rules/axes_sizes.js";
import { loopNest } from "./rules/loop_nest.js";
import { PatternError, product } from "./rules/pattern.js";

const DRAWN = 320; // cells of one tensor that are drawn
const WORK = 400_000; // terms that one drawing may add up
const OPERATIONS = ["rearrange", ...Object.keys(UPDATES).map((by) => `reduce, ${by}`), "repeat", "einsum"];
const HUES = 6;
const STATE = [
  "operation",
  "reduction",
  "pattern",
  "sizes",
  "dots",
  "tensors",
  "chain",
  "current",
  "axis",
  "iteration",
  "verdict",
];

/** The picture's layout of a tensor: columns, rows, then blocks across and down; big tensors lose their far ends. */
export function layout(shape) {
  const drawn = shape.map((length) => Math.min(length, 16));
  while (product(drawn) > DRAWN) {
    const widest = drawn.indexOf(Math.max(...drawn));
    drawn[widest] = Math.ceil(drawn[widest] / 2);
  }
  const n = shape.length,
    across = [],
    down = []; // dimensions, innermost first
  shape.forEach((_, i) => {
    const depth = n - 1 - i;
    const toDown = n === 3 ? depth > 0 : depth % 2 === 1;
    (toDown ? down : across).push([depth, i]);
  });
  const order = (list) => list.sort((a, b) => a[0] - b[0]).map(([, i]) => i);
  return { drawn, across: order(across), down: order(down), cropped: product(drawn) < product(shape) };
}

/** The elements that a layout draws: their index, and their flat position in the whole tensor. */
const drawnElements = (shape, { drawn }) =>
  Array.from({ length: product(drawn) }, (_, i) => {
    const index = indexOf(drawn, i);
    return { index, flat: index.reduce((sum, at, d) => sum * shape[d] + at, 0) };
  });

/** How far along nested dimensions an element lies: cells of `size` px, blocks of the inner dimension `between` px apart. */
function edge([inner, ...outer], drawn, index, size, between) {
  if (inner === undefined) return 0;
  const block = outer.reduceRight((sum, d) => sum * drawn[d] + index[d], 0);
  return (block * drawn[inner] + index[inner]) * size + block * between;
}

/** A tensor as a map of small squares, and `light(flats)`, which fills some. Two paths, so that hundreds of squares cost no layout. */
function miniMap(shape) {
  const plan = layout(shape),
    ends = plan.drawn.map((length) => length - 1);
  const left = (index) => edge(plan.across, plan.drawn, index, 8, 4),
    top = (index) => edge(plan.down, plan.drawn, index, 8, 4);
  const squares = new Map(
    drawnElements(shape, plan).map(({ index, flat }) => [flat, `M${left(index) + 0.5} ${top(index) + 0.5}h6v6h-6z`]),
  );
  const lit = s("path", { class: "on" });
  const el = s(
    "svg",
    { class: "lmc-ax-mini", "aria-hidden": "true", width: left(ends) + 8, height: top(ends) + 8 },
    s("path", { d: [...squares.values()].join("") }),
    lit,
  );
  return { el, light: (flats) => lit.setAttribute("d", flats.map((flat) => squares.get(flat) ?? "").join("")) };
}

const shown = (value) => {
  if (typeof value === "string") return value;
  if (Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2);
};
const number = (value) => ({ nan: NaN, inf: Infinity, "-inf": -Infinity })[value] ?? value;
const indexOf = (shape, flat) => {
  const at = [];
  for (let i = shape.length - 1; i >= 0; i -= 1) {
    at[i] = flat % shape[i];
    flat = Math.floor(flat / shape[i]);
  }
  return at;
};
const short = (name) => (name.startsWith("…") ? `…${name.slice(1)}` : name[0]);

function render({ model, el }) {
  bounded(model, { dots: [0, 8] });
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const view = frame({ model, el, python: () => rebuild(), reset: () => put(model, first) });
  view.root.classList.add("lmc-axes");
  let now = null; // what the last drawing worked out: {nest, error, strides, values, ...}
  let hovered = null; // {tensor: operand number or "out", flat}
  let sliders = { by: {} };
  let maps = []; // of the chain's tensors: {name, size, light, count}
  const shows = {}; // what each part of the stage was drawn from
  const isNew = (part, ...from) => {
    const same = shows[part]?.every((value, i) => value === from[i]);
    shows[part] = from;
    return !same;
  };

  const get = (name) => model.get(name);
  const setSize = (name, size) => put(model, { sizes: { ...get("sizes"), [name]: size }, iteration: -1 });
  const editPattern = (pattern) => put(model, { pattern, current: -1, iteration: -1, axis: "" });
  const operation = choice({
    label: "Operation",
    options: OPERATIONS,
    value: "rearrange",
    onchange: (value) => {
      const [op, by] = value.split(", ");
      put(model, { operation: op, reduction: by ?? get("reduction"), current: -1, iteration: -1 });
    },
  });
  const pattern = field({ label: "Pattern", value: "", oninput: editPattern });
  pattern.el.classList.add("lmc-ax-field");
  const presets = get("presets");
  const example = choice({
    label: "Example",
    options: [["", "choose one"], ...presets.map(({ name }, i) => [String(i), name])],
    value: "",
    onchange: (i) => {
      if (i !== "") put(model, start(presets[Number(i)]));
    },
  });
  const colour = choice({
    label: "Colour by",
    options: [["", "no axis"]],
    value: "",
    onchange: (axis) => put(model, { axis: axis || "-" }),
  });
  const walk = stepper({
    label: "Step through the loops",
    go: (step) => {
      hovered = null;
      put(model, { iteration: step - 1 });
    },
    every: 600,
  });
  const top = h("div", { class: "lmc-controls" }, operation.el, pattern.el);
  const line = h("div", { class: "lmc-ax-line lmc-mono", role: "group", "aria-label": "the pattern, name by name" });
  const trouble = h("div", { class: "lmc-ax-trouble" });
  const chainRow = h("div", { class: "lmc-ax-chain" });
  const chips = h("div", { class: "lmc-ax-chips", role: "group", "aria-label": "axes and their sizes" });
  const grids = h("div", { class: "lmc-ax-grids" });
  const nestBox = h("div", { class: "lmc-ax-nest lmc-mono", role: "group", "aria-label": "the loop nest" });
  const facts = h("dl", { class: "lmc-ax-facts" });
  view.stage.append(
    chainRow,
    top,
    line,
    trouble,
    chips,
    grids,
    h(
      "div",
      { class: "lmc-ax-below" },
      h("div", { class: "lmc-scroll", tabindex: "0", role: "group", "aria-label": "loop nest" }, nestBox),
      facts,
    ),
  );
  view.controls.append(example.el, colour.el, walk.el);

  const asked = asker(model, {
    answered: (answer) => put(model, { verdict: answer }),
    failed: (message) => view.say(message, "bad"),
  });
  let lastQuestion = "";

  /** A preset as a whole state. */
  function start(preset) {
    const chain = preset.chain ?? [];
    const step = chain.length ? chain[0] : preset;
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
    };
  }

  /** Everything that the state implies; nothing is kept from the drawing before. */
  function work() {
    const state = Object.fromEntries(STATE.map((name) => [name, get(name)]));
    const bound = state.tensors.length > 0;
    const hueNames = [];
    for (const step of state.chain.length ? state.chain : [state]) {
      for (const [name] of step.pattern.matchAll(/\.\.\.|[\p{L}\p{N}_]+/gu))
        if (!hueNames.includes(name)) hueNames.push(name);
    }
    const hue = (name) => {
      const i = hueNames.indexOf(name.startsWith("…") ? "..." : name.replace(/'+$/, ""));
      return i < 0 ? HUES - 1 : i % HUES;
    };
    const result = { ...state, bound, hue, nest: null, error: null, names: [], given: { shapes: null, sizes: {} } };
    try {
      const dots = bound ? 0 : state.dots;
      result.names = axisNames(state, dots);
      const used = Object.fromEntries(Object.entries(state.sizes).filter(([name]) => result.names.includes(name)));
      result.given = bound
        ? { shapes: state.tensors.map((t) => t.shape), sizes: used }
        : freeShapes({ ...state, dots });
      result.nest = loopNest({ ...state, ...result.given });
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      result.error = error;
    }
    const { nest } = result;
    if (!nest) return result;
    result.strides = nest.shapes.map((shape, k) => (bound ? state.tensors[k].strides : rowMajor(shape)));
    result.itemsize = bound ? Math.max(...state.tensors.map((t) => t.itemsize)) : 4;
    result.values = nest.shapes.map((_, k) =>
      bound && state.tensors[k].values ? state.tensors[k].values.map(number) : null,
    );
    result.layouts = [...nest.shapes, nest.outputShape].map(layout);
    result.by = steps(nest);
    const terms = product(nest.summed.map((name) => nest.sizes[name]));
    result.countable = terms * product(result.layouts.at(-1).drawn) <= WORK;
    result.terms = terms;
    result.tint =
      state.axis === "-" ? "" : nest.kept.concat(nest.summed).includes(state.axis) ? state.axis : defaultAxis(nest);
    return result;
  }
  const rowMajor = (shape) => shape.map((_, i) => product(shape.slice(i + 1)));
  /** What the pattern does something with: it sums it up, splits it off, joins it or makes it; else what has a colour to show. */
  const defaultAxis = (nest) =>
    nest.summed[0] ??
    [nest.inputs[0], nest.output].flat().find((dim) => dim.length > 1)?.[0] ??
    nest.kept.find((name) => !nest.inputs.flat(2).includes(name)) ??
    nest.kept.find((name) => nest.sizes[name] > 1) ??
    nest.kept[0] ??
    "";
  const valueAt = (k, flat) => now.values[k]?.[flat] ?? flat;
  const termValues = (terms) => terms.map((term) => term.reduce((made, flat, k) => made * valueAt(k, flat), 1));
  function outValue(flat) {
    if (!now.countable) return "Σ";
    return fold(now.nest.reduction, termValues(sources(now.nest, flat, Infinity, now.by)));
  }

  const nameOf = (tensor) => {
    const step = now.chain[now.current];
    return tensor === "out" ? (step?.name ?? "out") : (step?.inputs[tensor] ?? letter(tensor));
  };

  // The parts of the stage

  function drawLine() {
    const { pattern: text, error, hue } = now;
    const from = error?.start ?? -1,
      to = error ? Math.max(error.end, error.start) : -1;
    const cuts = new Set([0, text.length, ...(error ? [from, to] : [])]);
    const tokens = [...text.matchAll(/\.\.\.|[\p{L}\p{N}_]+/gu)];
    tokens.forEach((found) => {
      cuts.add(found.index);
      cuts.add(found.index + found[0].length);
    });
    if (!isNew("line", text, from, to, tokens.map(([name]) => hue(name)).join())) return;
    const points = [...cuts].sort((a, b) => a - b);
    const parts = points.slice(0, -1).map((at, i) => {
      const piece = text.slice(at, points[i + 1]);
      const token = tokens.some((found) => found.index === at);
      const blamed = error && at >= from && at < to ? ` lmc-ax-blame${at === from ? " lmc-ax-first" : ""}` : "";
      const className = `${token ? `lmc-ax-name lmc-ax-hue${hue(piece)}` : "lmc-ax-mark"}${blamed}`;
      return token
        ? h(
            "button",
            {
              type: "button",
              class: className,
              "data-axis": piece,
              title: `colour by ${piece}`,
              onclick: () => put(model, { axis: piece === "..." ? "…0" : piece }),
            },
            piece,
          )
        : h("span", { class: className }, piece.replaceAll(" ", "\u00a0"));
    });
    if (error && from === to) parts.push(h("span", { class: "lmc-ax-mark lmc-ax-blame lmc-ax-first" }, "\u00a0\u00a0"));
    const at = [...line.querySelectorAll(".lmc-ax-name")].indexOf(document.activeElement);
    line.classList.toggle("has-blame", error !== null);
    line.replaceChildren(...parts);
    names.refresh(Math.max(0, at), at >= 0);
  }

  function drawTrouble() {
    const { error, verdict } = now;
    const same = verdict?.question === questionText();
    const message = (same && verdict.message) || error?.message;
    const verdictOf = same && !message ? verdict.check : null;
    trouble.dataset.tone = message || verdictOf?.wrong ? "bad" : "good";
    trouble.replaceChildren();
    if (message)
      trouble.append(
        h("p", { class: "lmc-ax-message" }, h("b", {}, "✗ einops: "), h("span", { class: "lmc-mono" }, message)),
      );
    if (error)
      trouble.append(
        h(
          "p",
          {},
          h("b", {}, "Likely fix: "),
          error.fix,
          " ",
          error.change ? h("button", { type: "button", onclick: () => repair(error) }, "Apply") : null,
        ),
      );
    if (message && now.bound)
      trouble.append(
        h(
          "p",
          {},
          h("b", {}, "Given: "),
          h(
            "span",
            { class: "lmc-mono" },
            now.tensors.map(({ shape }, k) => `${letter(k)} of shape (${shape.join(", ")})`).join(", "),
          ),
        ),
      );
    if (verdictOf)
      trouble.append(h("p", {}, h("b", {}, `${verdictOf.wrong ? "✗" : "✓"} ${verdictOf.name}: `), verdictOf.words));
    trouble.hidden = !trouble.childElementCount;
  }

  function repair({ change, start: from, end: to }) {
    const text = get("pattern");
    put(model, {
      ...(change.replace !== undefined ? { pattern: text.slice(0, from) + change.replace + text.slice(to) } : {}),
      ...(change.operation ? { operation: change.operation } : {}),
      ...(change.sizes ? { sizes: { ...get("sizes"), ...change.sizes } } : {}),
      current: -1,
      iteration: -1,
    });
    pattern.input.focus({ preventScroll: true });
  }

  function drawChips() {
    const { nest, names: all, bound, hue } = now;
    const told = !bound ? all : all.length ? toldNames(now, now.sizes) : [];
    const loose = nest ? [...nest.kept, ...nest.summed].filter((name) => !told.includes(name)) : [];
    const hasDots = !bound && get("pattern").includes("...");
    const wanted = [...told.map((name) => [name, true]), ...loose.map((name) => [name, false])];
    const limit = (name) => {
      if (!bound) return 8;
      const dim = now.tensors[0].shape.find((_, i) => nest?.inputs[0][i].includes(name));
      return Math.min(64, dim ?? Math.max(8, ...now.tensors[0].shape));
    };
    if (
      isNew("chips", hasDots, bound, JSON.stringify(wanted.map(([name, free]) => [name, free, hue(name), limit(name)])))
    ) {
      sliders = { by: {}, role: {} };
      chips.replaceChildren(
        ...wanted.map(([name, free]) => {
          const role = (sliders.role[name] = h("span", { class: "lmc-ax-role" }));
          const part = free
            ? slider({ label: name, min: 1, max: limit(name), value: 1, oninput: (size) => setSize(name, size) })
            : null;
          const fixed = part ? null : h("output", {});
          sliders.by[name] = part ?? {
            set: (size) => {
              fixed.textContent = String(size);
            },
          };
          return h(
            "div",
            { class: `lmc-ax-chip lmc-ax-hue${hue(name)}` },
            part ? part.el : h("span", {}, h("b", {}, name), " ", fixed),
            role,
          );
        }),
      );
      if (hasDots) {
        sliders.dots = slider({
          label: "dimensions in ...",
          min: 0,
          max: 3,
          value: 0,
          oninput: (dots) => put(model, { dots, iteration: -1 }),
        });
        chips.append(h("div", { class: `lmc-ax-chip lmc-ax-hue${hue("...")}` }, sliders.dots.el));
      }
    }
    const role = nest ? roles(nest) : {};
    for (const [name] of wanted) {
      const size = nest?.sizes[name] ?? now.sizes[name] ?? FIRST_SIZES[all.indexOf(name) % FIRST_SIZES.length];
      sliders.by[name].set(size);
      write(sliders.role[name], role[name] ?? "");
    }
    sliders.dots?.set(now.dots);
  }

  const caption = (name, dims, shape, arrows) =>
    h(
      "p",
      { class: "lmc-ax-caption" },
      h("b", { class: "lmc-mono" }, name),
      " ",
      shape.length
        ? shape.map((length, i) => [
            h(
              "span",
              { class: "lmc-ax-dim" },
              dims[i].length > 1
                ? ["(", dims[i].map((axis, j) => [j ? " " : "", tag(axis)]), ")"]
                : dims[i].length
                  ? tag(dims[i][0])
                  : "1",
              ` ${arrows[i]}${grouped(length)}`,
            ),
            " ",
          ])
        : "a single number",
    );
  const tag = (axis) => h("span", { class: `lmc-ax-tag lmc-ax-hue${now.hue(axis)}` }, axis);

  function drawGrid(tensor, name, dims, shape, plan) {
    const arrows = shape.map((_, i) => (plan.across.includes(i) ? "→" : "↓"));
    const total = product(plan.drawn);
    const cells = drawnElements(shape, plan).map(({ index, flat }) => {
      const here = assignment(dims, shape, now.nest.sizes, flat);
      const value = shown(tensor === "out" ? outValue(flat) : valueAt(tensor, flat));
      if (here === null || !(now.tint in here)) return { index, flat, value, part: "", level: 0 };
      const share = here[now.tint] / Math.max(1, now.nest.sizes[now.tint] - 1);
      return { index, flat, value, part: short(now.tint) + here[now.tint], level: Math.round(8 + 36 * share) };
    });
    // Every place is worked out here: letting the page measure hundreds of cells costs more than drawing them.
    const wide = Math.max(34, 10 + 8 * Math.max(0, ...cells.map(({ value }) => value.length)));
    const high = cells.some(({ part }) => part) ? 34 : 28;
    const left = (index) => edge(plan.across, plan.drawn, index, wide + 2, 10);
    const top_ = (index) => edge(plan.down, plan.drawn, index, high + 2, 10);
    const buttons = cells.map(({ index, flat, value, part, level }) =>
      h(
        "button",
        {
          type: "button",
          class: `lmc-ax-cell${part ? ` lmc-ax-hue${now.hue(now.tint)}` : ""}`,
          "data-flat": flat,
          tabindex: -1,
          style: `left:${left(index)}px;top:${top_(index)}px;width:${wide}px;height:${high}px;--level:${level}%`,
          "aria-label": `${value}${part ? ` ${part}` : ""}: ${name}[${index.join(", ")}]`,
        },
        part ? `${value}\n${part}` : value,
      ),
    );
    const ends = plan.drawn.map((length) => length - 1);
    const size = total ? `width:${left(ends) + wide}px;height:${top_(ends) + high}px` : "";
    const box = h(
      "div",
      { class: "lmc-ax-cells", role: "group", "aria-label": `elements of ${name}`, style: size },
      buttons,
    );
    box.dataset.tensor = String(tensor);
    const empty = total === 0 ? h("p", { class: "lmc-muted" }, "no elements: one axis has length 0") : null;
    return h(
      "div",
      { class: "lmc-ax-tensor" },
      caption(name, dims, shape, arrows),
      h("div", { class: "lmc-scroll" }, box),
      empty,
      plan.cropped
        ? h("p", { class: "lmc-muted" }, `the first ${plan.drawn.join(" × ")} of ${shape.map(grouped).join(" × ")}`)
        : null,
    );
  }

  /** All that a picture of the tensors follows from, as text; the reader's own tensors aside. */
  const pictured = (nest) =>
    JSON.stringify(
      nest && [
        nest.operation,
        nest.reduction,
        nest.pattern,
        nest.shapes,
        nest.sizes,
        [...nest.kept, ...nest.summed].map(now.hue),
        now.tint,
        now.current,
      ],
    );

  function drawGrids() {
    const { nest } = now;
    if (isNew("grids", now.tensors, now.chain, pictured(nest))) buildGrids(nest);
    const wrong = new Set(now.verdict?.question === questionText() ? (now.verdict.check?.places ?? []) : []);
    for (const cell of grids.querySelectorAll('[data-tensor="out"] .lmc-ax-cell'))
      cell.classList.toggle("is-wrong", wrong.has(Number(cell.dataset.flat)));
  }

  function buildGrids(nest) {
    const focused = document.activeElement?.closest?.(".lmc-ax-cell");
    const keep =
      focused && grids.contains(focused) ? [focused.parentElement.dataset.tensor, focused.dataset.flat] : null;
    grids.replaceChildren();
    if (!nest) return;
    nest.inputs.forEach((dims, k) => {
      if (k) grids.append(h("span", { class: "lmc-ax-sign", "aria-hidden": "true" }, "×"));
      grids.append(drawGrid(k, nameOf(k), dims, nest.shapes[k], now.layouts[k]));
    });
    grids.append(h("span", { class: "lmc-ax-sign", "aria-hidden": "true" }, "→"));
    grids.append(drawGrid("out", nameOf("out"), nest.output, nest.outputShape, now.layouts.at(-1)));
    for (const box of grids.querySelectorAll(".lmc-ax-cells")) {
      const cells = [...box.querySelectorAll(".lmc-ax-cell")];
      const at = keep && box.dataset.tensor === keep[0] ? cells.findIndex((cell) => cell.dataset.flat === keep[1]) : -1;
      if (cells.length) cells[Math.max(0, at)].tabIndex = 0;
      if (at >= 0) cells[at].focus({ preventScroll: true });
    }
  }

  function drawNest() {
    const { nest } = now;
    if (!isNew("nest", now.chain, pictured(nest))) return;
    nestBox.replaceChildren();
    if (!nest) return;
    const loops = [...nest.kept, ...nest.summed];
    code(nest, now.chain[now.current]).forEach((text, i) => {
      const hueClass = i < loops.length ? ` lmc-ax-hue${now.hue(loops[i])}` : "";
      nestBox.append(
        h(
          "div",
          { class: "lmc-ax-code" },
          h("span", { class: "lmc-ax-arrow", "aria-hidden": "true" }),
          h(
            "span",
            { class: `lmc-ax-text${hueClass}` },
            text.replace(/^ +/, (space) => "\u00a0".repeat(space.length / 2)),
          ),
          h("span", { class: "lmc-ax-at" }),
        ),
      );
    });
  }

  function drawFacts() {
    const { nest } = now;
    if (!isNew("facts", now.tensors, now.chain, now.sizes, pictured(nest))) return;
    facts.replaceChildren();
    if (!nest) return;
    const fact = (name, ...words) => facts.append(h("dt", {}, name), h("dd", {}, ...words));
    const sizes = [...nest.kept, ...nest.summed].map((name) => nest.sizes[name]);
    const a = nest.inputs.length - 1 + (nest.summed.length ? 1 : 0),
      all = flops(nest);
    const read = nest.shapes.map((shape) => product(shape) * now.itemsize),
      written = product(nest.outputShape) * now.itemsize;
    const seen = viewOf(nest, now.strides[0]);
    fact("Call", h("code", { class: "lmc-mono" }, call()));
    fact("Type", h("code", { class: "lmc-mono" }, signature(nest)));
    fact(
      "FLOPs",
      a ? `${a} a pass × ${sizes.join(" · ") || 1} passes = ${grouped(all)}` : "0: nothing is computed",
      nest.inputs.length > 2 ? `; in the best pairs ${grouped(pairwiseFlops(nest))}` : "",
    );
    fact(
      "Bytes",
      seen.view
        ? "0 moved"
        : `reads ${read.map(grouped).join(" + ")}, writes ${grouped(written)}${all ? `: ${(all / (read.reduce((x, y) => x + y, 0) + written)).toFixed(2)} FLOPs a byte` : ""}`,
    );
    fact(
      "Memory",
      h("b", { class: seen.view ? "lmc-ax-view" : "lmc-ax-copy" }, seen.view ? "view" : "copy"),
      `: ${seen.why}`,
    );
  }

  function call() {
    const { nest } = now,
      tensors = nest.inputs.map((_, k) => nameOf(k)).join(", ");
    const told = toldNames(nest, now.bound ? now.sizes : {})
      .map((name) => `, ${name}=${nest.sizes[name]}`)
      .join("");
    return `${nest.operation}(${tensors}, ${JSON.stringify(nest.pattern)}${nest.operation === "reduce" ? `, ${JSON.stringify(nest.reduction)}` : ""}${told})`;
  }

  function rebuild() {
    const quote = JSON.stringify,
      { nest } = now;
    const places = { axis: "", iteration: -1 }; // what no argument sets
    if (get("chain").length) {
      const { pattern, operation } = get("chain")[0];
      return (
        `AxesExplorer.attention(${quote(presets.find(({ chain }) => quote(chain) === quote(get("chain")))?.key ?? "multi_head")}${Object.entries(
          get("sizes"),
        )
          .map(([name, size]) => `, ${name}=${size}`)
          .join("")})` + movedTo(model, { ...places, current: 0, pattern, operation, reduction: "sum", dots: 2 })
      );
    }
    const sizes =
      nest && now.bound
        ? toldNames(nest, now.sizes).map((name) => [name, nest.sizes[name]])
        : now.names
            .filter((name) => !name.startsWith("…"))
            .map((name) => [name, nest?.sizes[name] ?? get("sizes")[name]]);
    return (
      `AxesExplorer(${quote(get("pattern"))}${now.bound ? now.tensors.map(({ shape }) => `, (${shape.join(", ")}${shape.length === 1 ? "," : ""})`).join("") : ""}, operation=${quote(get("operation"))}${get("operation") === "reduce" ? `, reduction=${quote(get("reduction"))}` : ""}${sizes
        .filter(([, size]) => size !== undefined)
        .map(([name, size]) => `, ${name}=${size}`)
        .join("")})` +
      movedTo(model, { ...places, dots: 2, reduction: get("operation") === "reduce" ? get("reduction") : "sum" })
    );
  }

  function drawChain() {
    chainRow.hidden = !now.chain.length;
    if (!now.chain.length) return;
    now.steps = chainNests(now.chain, now.sizes);
    if (isNew("chain", JSON.stringify([now.chain, now.sizes]))) buildChain();
    for (const card of chainRow.querySelectorAll("button"))
      card.setAttribute("aria-pressed", String(Number(card.dataset.step) === now.current));
  }

  function buildChain() {
    maps = [];
    const map = (name, shape) => {
      const { el, light } = miniMap(shape),
        count = h("span", { class: "lmc-ax-count lmc-muted" });
      maps.push({ name, size: product(shape), light, count });
      return [el, count];
    };
    const made = new Set();
    const cards = [];
    now.steps.forEach((step, i) => {
      step.inputs.forEach((name, k) => {
        if (made.has(name)) return;
        made.add(name);
        cards.push(
          h(
            "div",
            { class: "lmc-ax-card" },
            h("b", { class: "lmc-mono" }, name),
            h("span", { class: "lmc-muted" }, "given"),
            map(name, step.nest.shapes[k]),
          ),
        );
      });
      made.add(step.name);
      const title = step.operation === "softmax" ? `softmax over ${step.over}` : step.operation;
      const words = [...step.pattern.matchAll(/\.\.\.|[\p{L}\p{N}_]+|[^\p{L}\p{N}_.]+/gu)].map(([piece]) =>
        /[\p{L}\p{N}_.]/u.test(piece) ? tag(piece) : piece,
      );
      const inside = [
        h("b", { class: "lmc-mono" }, step.name),
        h("span", { class: "lmc-muted" }, title),
        h("span", { class: "lmc-ax-pattern lmc-mono" }, words),
        map(step.name, step.nest.outputShape),
      ];
      cards.push(
        step.operation === "softmax"
          ? h("div", { class: "lmc-ax-card" }, inside)
          : h(
              "button",
              {
                type: "button",
                class: "lmc-ax-card",
                "data-step": i,
                onclick: () =>
                  put(model, { current: i, operation: step.operation, pattern: step.pattern, iteration: -1 }),
              },
              inside,
            ),
      );
    });
    chainRow.replaceChildren(...cards);
  }

  // Hovering: only marks change, nothing is drawn anew

  /** The element under the pointer or the focus, or the one that the stepper stands at. */
  function mark() {
    const { nest } = now;
    if (!nest) return;
    const there =
      hovered && product(hovered.tensor === "out" ? nest.outputShape : (nest.shapes[hovered.tensor] ?? [0]));
    if (hovered && hovered.flat >= there) hovered = null; // the picture has shrunk under the pointer
    let focus = hovered,
      term = null,
      inner = null;
    if (!focus && now.iteration >= 0 && now.iteration < nest.iterations) {
      const flat = Math.floor(now.iteration / now.terms);
      inner = now.iteration % now.terms;
      focus = { tensor: "out", flat };
      term = sources(nest, flat, inner + 1, now.by).at(-1);
    }
    const dimsOf = (tensor) => (tensor === "out" ? nest.output : nest.inputs[tensor]);
    const shapeOf = (tensor) => (tensor === "out" ? nest.outputShape : nest.shapes[tensor]);
    const at = focus ? assignment(dimsOf(focus.tensor), shapeOf(focus.tensor), nest.sizes, focus.flat) : null;
    for (const box of grids.querySelectorAll(".lmc-ax-cells")) {
      const tensor = box.dataset.tensor === "out" ? "out" : Number(box.dataset.tensor);
      for (const cell of box.children) {
        const flat = Number(cell.dataset.flat);
        const own = focus !== null && tensor === focus.tensor;
        cell.classList.toggle("is-here", own && flat === focus.flat);
        cell.classList.toggle(
          "is-source",
          !own && agree(at, focus ? assignment(dimsOf(tensor), shapeOf(tensor), nest.sizes, flat) : null),
        );
        cell.classList.toggle("is-now", term !== null && tensor !== "out" && term[tensor] === flat);
      }
    }
    markNest(at, inner);
    markChain(focus);
    say(focus, at, inner);
  }

  function markNest(at, inner) {
    const { nest } = now,
      loops = [...nest.kept, ...nest.summed];
    const values = inner === null ? at : { ...at, ...unravel(nest.summed, nest.sizes, inner) };
    // The line that moved last: every loop inside it has wrapped around to 0.
    let moved = loops.length;
    if (inner !== null) while (moved > 0 && values[loops[moved - 1]] === 0) moved -= 1;
    [...nestBox.children].forEach((row, i) => {
      const name = loops[i],
        value = values?.[name];
      const body = i === loops.length;
      row.classList.toggle("is-current", inner !== null && (body || i === moved - 1));
      write(row.firstChild, inner !== null && body ? "▶" : inner !== null && i === moved - 1 ? "↻" : "");
      write(
        row.lastChild,
        body || !at ? "" : value === undefined ? `${name} = all ${nest.sizes[name]}` : `${name} = ${value}`,
      );
    });
  }

  function markChain(focus) {
    if (!now.chain.length) return;
    const step = now.chain[now.current];
    const name = focus && step ? nameOf(focus.tensor) : null;
    const fieldOf = name ? chainField(now.steps, name, focus.flat) : new Map();
    for (const { name: of, size, light, count } of maps) {
      const on = [...(fieldOf.get(of) ?? [])];
      light(on);
      write(count, fieldOf.has(of) ? `${on.length} of ${grouped(size)}` : "\u00a0");
    }
  }

  function say(focus, at, inner) {
    const { nest } = now;
    const element = (tensor, flat) =>
      `${nameOf(tensor)}[${indexOf(tensor === "out" ? nest.outputShape : nest.shapes[tensor], flat).join(", ")}]`;
    if (!focus) {
      view.say(sentence(nest));
      return;
    }
    const where = [...nest.kept, ...nest.summed]
      .filter((axis) => at && axis in at)
      .map((axis) => `${axis} = ${at[axis]}`)
      .join(", ");
    if (focus.tensor !== "out") {
      const count =
        at === null ? 0 : product(nest.kept.filter((axis) => !(axis in at)).map((axis) => nest.sizes[axis]));
      view.say(
        at === null
          ? `${element(focus.tensor, focus.flat)} lies off the diagonal: no output element reads it.`
          : `${element(focus.tensor, focus.flat)}${where ? ` at ${where}` : ""} goes into ${
              count === 1
                ? element(
                    "out",
                    nest.kept.reduce((flat, axis) => flat * nest.sizes[axis] + at[axis], 0),
                  )
                : `${grouped(count)} output elements`
            }.`,
      );
      return;
    }
    const terms = sources(nest, focus.flat, inner === null ? 6 : inner + 1, now.by);
    const words = (term) => term.map((flat, k) => element(k, flat)).join(" · ");
    if (!nest.summed.length) {
      view.say(
        `${element("out", focus.flat)}${where ? ` at ${where}` : ""} is ${words(terms[0])} = ${shown(termValues(terms)[0])}.`,
      );
    } else if (inner === null) {
      const sign = { sum: " + ", mean: " + ", prod: " · " }[nest.reduction] ?? ", ";
      const rest = now.terms > terms.length ? `${sign}… ${grouped(now.terms - terms.length)} more` : "";
      const how = nest.reduction === "sum" ? "" : `the ${nest.reduction} of `;
      view.say(
        `${element("out", focus.flat)} is ${how}${terms.map(words).join(sign)}${rest} = ${shown(outValue(focus.flat))}.`,
      );
    } else {
      const values = termValues(terms);
      view.say(
        `${element("out", focus.flat)}, term ${inner + 1} of ${grouped(now.terms)}: ${words(terms.at(-1))} = ${shown(values.at(-1))}; the ${nest.reduction} so far is ${shown(fold(nest.reduction, values))}.`,
      );
    }
  }

  function sentence(nest) {
    const shapes = nest.shapes.map((shape) => `(${shape.join(", ")})`).join(" and ");
    const out = `(${nest.outputShape.join(", ")})`;
    const how = nest.summed.length
      ? `each output element ${nest.reduction === "sum" ? "adds" : `takes the ${nest.reduction} of`} ${grouped(now.terms)} ${nest.inputs.length > 1 ? "products" : "elements"}`
      : nest.inputs.length > 1
        ? "each output element is one product"
        : "each output element is one input element";
    return `${nest.operation} makes ${out} from ${shapes}: ${how}. Point at an element to see what it meets.`;
  }

  // The kernel: einops' own word on this pattern, and the reader's own function

  function questionText() {
    const { operation: op, reduction: by, pattern: text, given } = now;
    return JSON.stringify({ operation: op, reduction: by, pattern: text, ...given });
  }
  function ask() {
    const question = questionText();
    if (question === lastQuestion || now.verdict?.question === question) return;
    lastQuestion = question;
    asked.ask({ text: question });
  }

  function draw() {
    now = work();
    operation.set(now.operation === "reduce" ? `reduce, ${now.reduction}` : now.operation);
    pattern.set(now.pattern);
    const index = presets.findIndex((preset) =>
      now.chain.length
        ? JSON.stringify(preset.chain) === JSON.stringify(now.chain)
        : !now.bound && preset.pattern === now.pattern && preset.operation === now.operation,
    );
    example.set(index < 0 ? "" : String(index));
    const axes_ = now.nest ? [...now.nest.kept, ...now.nest.summed] : [];
    if (isNew("colour", axes_.join()))
      colour.select.replaceChildren(
        ...[["", "no axis"], ...axes_.map((name) => [name, name])].map(([value, text]) => h("option", { value }, text)),
      );
    colour.set(now.tint ?? "");
    drawLine();
    drawTrouble();
    drawChips();
    drawChain();
    drawGrids();
    drawNest();
    drawFacts();
    walk.el.hidden = !now.nest || !now.nest.iterations;
    walk.set(Math.min(now.iteration, (now.nest?.iterations ?? 0) - 1) + 1, (now.nest?.iterations ?? 0) + 1);
    if (now.nest) mark();
    else view.say(`einops refuses this pattern: ${now.error.message}. ${now.error.fix}`, "bad");
    view.source(`${get("source")}${now.verdict?.question === questionText() ? " · einops itself was asked here" : ""}`);
    ask();
  }

  const locate = (event) => {
    const cell = event.target.closest?.(".lmc-ax-cell");
    if (!cell) return null;
    const { tensor } = cell.parentElement.dataset;
    return { tensor: tensor === "out" ? "out" : Number(tensor), flat: Number(cell.dataset.flat) };
  };
  const point = (event) => {
    const found = locate(event);
    if (JSON.stringify(found) === JSON.stringify(hovered)) return;
    hovered = found;
    mark();
  };
  grids.addEventListener("pointerover", point);
  grids.addEventListener("focusin", point);
  grids.addEventListener("pointerleave", () => {
    hovered = null;
    if (now.nest) mark();
  });
  grids.addEventListener("focusout", () => {
    hovered = null;
    if (now.nest) mark();
  });
  grids.addEventListener("click", (event) => {
    const found = locate(event);
    if (found?.tensor === "out") put(model, { iteration: found.flat * now.terms });
  });
  grids.addEventListener("keydown", (event) => {
    const cell = event.target.closest?.(".lmc-ax-cell");
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!cell || (!way && event.key !== "Home" && event.key !== "End")) return;
    event.preventDefault();
    const cells = [...cell.parentElement.children];
    const spot = (one) => [parseFloat(one.style.left), parseFloat(one.style.top)];
    const [x, y] = spot(cell);
    let best = event.key === "Home" ? cells[0] : event.key === "End" ? cells.at(-1) : null;
    if (way) {
      // the nearest cell in that direction, along the same row or column
      const ahead = cells
        .map((one) => [one, spot(one)])
        .filter(([, [cx, cy]]) => (way[0] ? cy === y && (cx - x) * way[0] > 0 : cx === x && (cy - y) * way[1] > 0));
      best = ahead.sort(
        (a, b) => Math.abs(a[1][0] - x) + Math.abs(a[1][1] - y) - Math.abs(b[1][0] - x) - Math.abs(b[1][1] - y),
      )[0]?.[0];
    }
    if (!best) return;
    for (const one of cells) one.tabIndex = one === best ? 0 : -1;
    best.focus();
  });
  const names = roving(line, ".lmc-ax-name");

  const stop = redraw(model, STATE, draw);
  return () => {
    stop();
    walk.stop();
    asked.stop();
  };
}

export default { render };
