// AxesExplorer: everything that a state implies, worked out anew for each drawing. Nothing here draws.
import { fold, sources, steps } from "../rules/axes.js";
import { chainNests } from "../rules/axes_chain.js";
import { huesOf } from "../rules/axes_hues.js";
import { axisNames, freeShapes } from "../rules/axes_sizes.js";
import { loopNest } from "../rules/loop_nest.js";
import { PatternError, product } from "../rules/pattern.js";

export const HUES = 6;
const DRAWN = 320; // cells of one tensor that are drawn
const WORK = 400_000; // terms that one drawing may add up
const NAMES = /\.\.\.|[\p{L}\p{N}_]+/gu;

export const STATE = [
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
  "made",
  "panel",
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
  for (let depth = 0; depth < n; depth += 1) {
    const toDown = n === 3 ? depth > 0 : depth % 2 === 1;
    (toDown ? down : across).push(n - 1 - depth);
  }
  return { drawn, across, down, cropped: product(drawn) < product(shape) };
}

export const indexOf = (shape, flat) => {
  const at = [];
  let rest = flat;
  for (let i = shape.length - 1; i >= 0; i -= 1) {
    at[i] = rest % shape[i];
    rest = Math.floor(rest / shape[i]);
  }
  return at;
};

const rowMajor = (shape) => shape.map((_, i) => product(shape.slice(i + 1)));
/** JSON has no NaN and no infinities: they come as words. */
const number = (value) => ({ nan: Number.NaN, inf: Infinity, "-inf": -Infinity })[value] ?? value;

/**
 * What a pattern does something with: it sums it up, splits it off, joins it or makes it; else what has a colour to
 * show.
 */
const defaultAxis = (nest) =>
  nest.summed[0] ??
  [nest.inputs[0], nest.output].flat().find((dim) => dim.length > 1)?.[0] ??
  nest.kept.find((name) => !nest.inputs.flat(2).includes(name)) ??
  nest.kept.find((name) => nest.sizes[name] > 1) ??
  nest.kept[0] ??
  "";

/** The hue of a name: one for the whole chain, and for a name with primes or a dimension of "..." that of its root. */
function hueOf(state) {
  const patterns = (state.chain.length ? state.chain : [state]).map((step) => step.pattern);
  const hues = huesOf(
    patterns.flatMap((pattern) => pattern.match(NAMES) ?? []),
    HUES,
  );
  return (name) => hues.get(name.startsWith("…") ? "..." : name.replace(/'+$/, "")) ?? HUES - 1;
}

/** Shapes and sizes of a state: those of the reader's tensors, or what the sliders say. */
function givenBy(state, bound, dots, names) {
  if (!bound) return freeShapes({ ...state, dots });
  const used = Object.entries(state.sizes).filter(([name]) => names.includes(name));
  return { shapes: state.tensors.map((tensor) => tensor.shape), sizes: Object.fromEntries(used) };
}

/**
 * Everything that the state implies: names, hues, and either a loop nest with its layouts and values, or the error.
 * @param {Record<string, any>} state
 * @returns {any}
 */
export function work(state) {
  const bound = state.tensors.length > 0,
    dots = bound ? 0 : state.dots;
  const now = {
    ...state,
    bound,
    hue: hueOf(state),
    nest: null,
    error: null,
    names: [],
    given: { shapes: null, sizes: {} },
  };
  try {
    now.names = axisNames(/** @type {any} */ (state), dots);
    now.given = givenBy(state, bound, dots, now.names);
    now.nest = loopNest(/** @type {any} */ ({ ...state, ...now.given }));
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return { ...now, error };
  }
  return { ...now, ...pictured(state, now.nest, bound) };
}

/** What the picture of a loop nest needs: strides, values, layouts, the axis that tints. */
function pictured(state, nest, bound) {
  const layouts = [...nest.shapes, nest.outputShape].map(layout),
    terms = product(nest.summed.map((name) => nest.sizes[name])),
    axes = [...nest.kept, ...nest.summed];
  return {
    axes,
    layouts,
    terms,
    strides: nest.shapes.map((shape, k) => (bound ? state.tensors[k].strides : rowMajor(shape))),
    itemsize: bound ? Math.max(...state.tensors.map((tensor) => tensor.itemsize)) : 4,
    values: nest.shapes.map((_, k) => (bound && state.tensors[k].values ? state.tensors[k].values.map(number) : null)),
    by: steps(nest),
    countable: terms * product(layouts.at(-1).drawn) <= WORK,
    tint: state.axis === "-" ? "" : axes.includes(state.axis) ? state.axis : defaultAxis(nest),
    steps: state.chain.length ? chainNests(state.chain, state.sizes) : [],
  };
}

export const valueAt = (now, k, flat) => now.values[k]?.[flat] ?? flat;

/** The products that an output element adds up. */
export const termValues = (now, terms) =>
  terms.map((term) => term.reduce((made, flat, k) => made * valueAt(now, k, flat), 1));

/** The value of an output element; "Σ" where that is too much work for a drawing. */
export const outValue = (now, flat) =>
  now.countable ? fold(now.nest.reduction, termValues(now, sources(now.nest, flat, Infinity, now.by))) : "Σ";

/** What a tensor is called: by the step of the chain, or by a letter. */
export const nameOf = (now, tensor, letter) => {
  const step = now.chain[now.current];
  return tensor === "out" ? (step?.name ?? "out") : (step?.inputs[tensor] ?? letter(tensor));
};

/** The question to the kernel that belongs to this state, as Python asks it too. */
export const questionOf = ({ operation, reduction, pattern, given }) =>
  JSON.stringify({ operation, reduction, pattern, ...given });

/** A number as a cell has room for it. */
export function shown(value) {
  if (typeof value === "string") return value;
  if (Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2);
}

/**
 * Where the reader's own function leaves einops' result: { name, wrong, places, words }, or null without one. What it
 * made of these tensors and sizes does not depend on the pattern, so the page compares it with any pattern by itself.
 */
export function compared(now) {
  if (!now.nest) return null;
  const { name, shape, shapes, values, sizes } = now.made ?? {},
    known = values && now.values.every((each) => each !== null || !now.bound);
  if (!known) return now.verdict?.question === questionOf(now) ? now.verdict.check : null;
  const same =
    JSON.stringify(shapes) === JSON.stringify(now.nest.shapes) &&
    Object.entries(sizes).every(([axis, size]) => (now.nest.sizes[axis] ?? size) === size);
  if (!same)
    return { name, wrong: 0, places: [], words: "was not run for these sizes: that needs the kernel", open: true };
  const theirs = now.nest.outputShape,
    tuple = (numbers) => `(${numbers.join(", ")}${numbers.length === 1 ? "," : ""})`;
  if (shape.join() !== theirs.join())
    return { name, wrong: -1, places: [], words: `gives ${tuple(shape)}, einops ${tuple(theirs)}` };
  const places = values.flatMap((value, flat) => (close(number(value), outValue(now, flat)) ? [] : [flat]));
  if (!places.length) return { name, wrong: 0, places, words: "every element equals einops'" };
  const [flat] = places,
    first = `[${indexOf(theirs, flat).join(", ")}]`;
  const words =
    `${places.length} of ${values.length} elements differ, first out${first}: ` +
    `yours ${shown(number(values[flat]))}, einops ${shown(outValue(now, flat))}`;
  return { name, wrong: places.length, places, words };
}

const close = (a, b) => Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-7 + 1e-5 * Math.abs(b);
