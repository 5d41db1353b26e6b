// AxesExplorer: a pattern of named axes as chips, grids and a loop nest; hover an element to see what it meets.
// First the meaning of a pattern, as pure functions that node tests hold against lmcourse.axes and einops' own messages
// (tests/golden/axes_explorer.json); then the drawing.
import {
  asker, check, choice, field, frame, grouped, h, put, redraw, roving, slider, stepper,
} from "./base.js";

const DRAWN = 320;       // cells of one tensor that are drawn
const WORK = 400_000;    // terms that one drawing may add up
const LETTERS = "xyzuvw";

// Reading a pattern: einops.parsing.ParsedExpression, with the place of every name

/** What einops refuses: its message, the part of the pattern that is to blame, and what would probably help. */
export class PatternError extends Error {
  constructor(message, [start, end], fix, change = null) {
    super(message);
    Object.assign(this, { start, end, fix, change });
  }
}

/** Names as Python prints a set of them. */
const pySet = (names) => `{${names.map((name) => (typeof name === "string" ? `'${name}'` : `${name.value}-axis`)).join(", ")}}`;
const key = (axis) => axis.label ?? axis.name;
const place = (axis) => [axis.start, axis.end];
const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/**
 * One side of a pattern, or one operand of an einsum. A dimension is "…" or a list of axes {name, start, end, value?};
 * `at` is where the text starts in the whole pattern.
 */
export function parseSide(text, at, { underscore = false, duplicates = false } = {}) {
  const composition = [], axes = [], names = new Set();
  let group = null, groupStart = 0, ellipsis = null, parenthesized = false;
  const whole = [at, at + text.length];
  if (text.includes(".")) {
    const dots = [at + text.indexOf("."), at + text.lastIndexOf(".") + 1];
    if (!text.includes("...")) throw new PatternError("Expression may contain dots only inside ellipsis (...)", dots, "An ellipsis is three dots with spaces around it: write ... here.");
    if (text.split("...").length !== 2 || text.split(".").length !== 4) throw new PatternError("Expression may contain dots only inside ellipsis (...); only one ellipsis for tensor ", dots, "Keep one ellipsis of three dots a tensor.");
  }
  const add = (name, start, end) => {
    const where = [start, end];
    if (names.has(name) && !(underscore && name === "_") && !duplicates) {
      throw new PatternError(`Indexing expression contains duplicate dimension "${name}"`, where,
        `Use each name once a side. Only einsum takes ${name} twice: it reads the diagonal.`, { operation: "einsum" });
    }
    if (name === "…") {
      names.add(name);
      ellipsis = { name, start, end };
      if (group === null) composition.push("…");
      else { group.push(ellipsis); parenthesized = true; }
      return;
    }
    const number = /^\p{Nd}+$/u.test(name);
    if (number && Number(name) === 1) { if (group === null) composition.push([]); return; }
    if (!number) checkName(name, where, underscore);
    if (number && Number(name) === 0) throw new PatternError("Anonymous axis should have positive length, not 0", where, "An axis without a name needs a length of 1 or more.");
    const axis = number ? { name, start, end, value: Number(name) } : { name, start, end };
    if (!number) names.add(name);
    axes.push(axis);
    if (group === null) composition.push([axis]); else group.push(axis);
  };
  let from = null;
  const chars = [...text.matchAll(/\.\.\.|[^]/gu)].map((match) => ({ text: match[0] === "..." ? "…" : match[0], at: at + match.index, wide: match[0].length }));
  const word = (end) => { if (from !== null) { const start = from; from = null; add(text.slice(start - at, end - at).replace("...", "…"), start, end); } };
  for (const { text: char, at: here, wide } of chars) {
    if (char === "(" || char === ")" || char === " ") {
      word(here);
      if (char === "(") {
        if (group !== null) throw new PatternError("Axis composition is one-level (brackets inside brackets not allowed)", [here, here + 1], "Remove the inner parentheses: (a (b c)) is (a b c).");
        group = []; groupStart = here;
      } else if (char === ")") {
        if (group === null) throw new PatternError("Brackets are not balanced", [here, here + 1], "Remove this parenthesis or open one before it.");
        composition.push(group); group = null;
      }
    } else if (/[\p{L}\p{N}_…]/u.test(char)) from ??= here;
    else {
      throw new PatternError(`Unknown character '${char}'`, [here, here + wide], char === ","
        ? "A comma separates tensors, and only einsum takes several." : "Names are letters, digits and _, separated by spaces.",
      char === "," ? { operation: "einsum" } : null);
    }
  }
  if (group !== null) throw new PatternError(`Imbalanced parentheses in expression: "${text.replace("...", "…")}"`, [groupStart, groupStart + 1], "Close this parenthesis.");
  word(at + text.length);
  return { composition, axes, names, ellipsis, parenthesized, whole };
}

function checkName(name, where, underscore) {
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) {
    const spaced = name.startsWith("…") ? `... ${name.slice(1)}` : null;
    throw new PatternError(`Invalid axis identifier: ${name}\nnot a valid python identifier`, where, spaced
      ? `Put a space after the dots: ${spaced}` : "A name starts with a letter, and the dots of an ellipsis stand alone.",
    spaced ? { replace: spaced } : null);
  }
  if ((name.startsWith("_") || name.endsWith("_")) && !(name === "_" && underscore)) {
    throw new PatternError(`Invalid axis identifier: ${name}\naxis name should should not start or end with underscore`, where,
      "Underscores may stand inside a name, not at its ends.", name.replaceAll("_", "") ? { replace: name.replace(/^_+|_+$/g, "") } : null);
  }
}

/** Both sides of a pattern: {operands: [side], output: side}. Throws what einops says first. */
export function parse(operation, pattern) {
  const end = [pattern.length, pattern.length];
  if (operation === "einsum" && !pattern.includes("->")) throw new PatternError("Einsum pattern must contain '->'.", end, "Write what goes in, then ->, then what comes out.");
  const sides = pattern.split("->");
  if (sides.length === 1) throw new PatternError("not enough values to unpack (expected 2, got 1)", end, "Write what goes in, then ->, then what comes out.");
  if (sides.length > 2) {
    const second = sides[0].length + sides[1].length + 2;
    throw new PatternError("too many values to unpack (expected 2)", [second, second + 2], "Keep one arrow: a pattern is one step.");
  }
  const [left, right] = sides, after = left.length + 2;
  if (operation !== "einsum") return { operands: [parseSide(left, 0)], output: parseSide(right, after) };
  let at = 0;
  const operands = left.split(",").map((text) => {
    const side = parseSide(text, at, { underscore: true, duplicates: true });
    at += text.length + 1;
    return side;
  });
  return { operands, output: parseSide(right, after, { underscore: true }) };
}

// From a pattern to its loop nest: einops.einops._prepare_transformation_recipe, and torch.einsum's checks

/**
 * @param {{operation, reduction?, pattern, shapes, sizes?}} question; shapes holds one shape an operand
 * @returns the loop nest as lmcourse.axes.loop_nest has it, with `places` for the parts of the pattern
 */
export function loopNest({ operation, reduction = "sum", pattern, shapes, sizes = {} }) {
  const sides = parse(operation, pattern);
  const rules = operation === "einsum" ? einsumRules : transformRules;
  const solved = rules(sides, { operation, reduction, pattern, shapes, sizes });
  const kept = solved.output.flat();
  const summed = [...new Set(solved.inputs.flat(2))].filter((name) => !kept.includes(name));
  const lengths = (dims) => dims.map((dim) => product(dim.map((name) => solved.sizes[name])));
  return {
    operation, reduction: operation === "reduce" ? reduction : "sum", pattern, shapes, kept, summed, ...solved,
    outputShape: lengths(solved.output), iterations: product([...kept, ...summed].map((name) => solved.sizes[name])),
  };
}

const isName = (axis) => axis.value === undefined;
const only = (side, other) => side.axes.filter((axis) => !isName(axis) || !other.names.has(axis.name));

function transformRules({ operands: [left], output: right }, { operation, reduction, pattern, shapes: [shape], sizes }) {
  const fail = (...parts) => { throw new PatternError(...parts); };
  const asSet = (axes) => pySet(axes.map((axis) => (isName(axis) ? axis.name : axis)));
  if (!left.ellipsis && right.ellipsis) fail(`Ellipsis found in right side, but not left side of a pattern ${pattern}`, place(right.ellipsis), "Add ... on the left too: it stands for dimensions that the input has.");
  if (left.ellipsis && left.parenthesized) fail(`Ellipsis inside parenthesis in the left side is not allowed: ${pattern}`, place(left.ellipsis), "Take the ... out of the parentheses.");
  const dotsLost = operation !== "reduce" && left.ellipsis && !right.ellipsis;
  const gone = only(left, right), fresh = only(right, left);
  if (operation === "rearrange") {
    const numbers = [...left.axes, ...right.axes].filter((axis) => !isName(axis));
    if (numbers.length) fail("Non-unitary anonymous axes are not supported in rearrange (exception is length 1)", place(numbers[0]), "Give this axis a name, and its size as an argument.");
    const alone = [...gone, ...fresh, ...(dotsLost ? [left.ellipsis] : [])];
    if (alone.length) {
      const [first] = alone, both = gone.length === 1 && fresh.length === 1;
      fail(`Identifiers only on one side of expression (should be on both): ${asSet(alone)}`, place(both ? fresh[0] : first),
        both ? `Are ${gone[0].name} and ${fresh[0].name} one axis? Then give them one name.`
          : gone.length || dotsLost ? `Keep ${first.name.replace("…", "...")} on the right, or use reduce, which says how to combine along it.`
            : `Use repeat to make a new axis ${first.name}.`,
        both ? { replace: gone[0].name } : { operation: gone.length || dotsLost ? "reduce" : "repeat" });
    }
  } else if (operation === "repeat") {
    const lost = [...gone, ...(dotsLost ? [left.ellipsis] : [])];
    if (lost.length) fail(`Unexpected identifiers on the left side of repeat: ${asSet(lost)}`, place(lost[0]), "repeat drops no axis: keep it on the right, or use reduce.", { operation: "reduce" });
    const unsized = fresh.filter((axis) => isName(axis) && !(axis.name in sizes));
    if (unsized.length) fail(`Specify sizes for new axes in repeat: ${asSet(unsized)}`, place(unsized[0]), `Say how often: ${unsized[0].name}=2.`, { sizes: { [unsized[0].name]: 2 } });
  } else if (fresh.length) {
    fail(`Unexpected identifiers on the right side of reduce ${reduction}: ${asSet(fresh)}`, place(fresh[0]), "reduce makes no new axis: use repeat, or take the name away.", { operation: "repeat" });
  }

  const named = left.composition.length - (left.ellipsis ? 1 : 0);
  const received = `Received ${shape.length}-dim tensor.`;
  if (left.ellipsis && shape.length < named) fail(`Wrong shape: expected >=${named} dims. ${received}`, left.whole, `The shape has ${shape.length} numbers: name at most as many axes.`);
  if (!left.ellipsis && shape.length !== named) fail(`Wrong shape: expected ${named} dims. ${received}`, left.whole, `The shape (${shape.join(", ")}) needs ${shape.length} names, or ... for the ones that stay as they are.`);
  const dots = Array.from({ length: shape.length - named }, (_, i) => `…${i}`);
  const labels = { ...label(left, right) };
  const inputs = [spread(left, dots, dots)], output = spread(right, dots, dots);
  const known = { ...labels };
  const all = new Set([...inputs[0].flat(), ...output.flat()]);
  for (const [name, size] of Object.entries(sizes)) {
    if (!all.has(name)) fail(`Axis ${name} is not used in transform`, [pattern.length, pattern.length], `Take the size of ${name} away, or use the name.`);
    known[name] = size;
  }
  const where = (name) => place([...left.axes, ...right.axes].find((axis) => key(axis) === name) ?? { start: left.whole[0], end: left.whole[1] });
  for (const dim of inputs[0]) {
    const unknown = dim.filter((name) => !(name in known));
    if (unknown.length > 1) fail(`Could not infer sizes for ${pySet(unknown)}`, where(unknown[0]), `One product cannot tell two sizes: give one of them, such as ${unknown[0]}=2.`, { sizes: { [unknown[0]]: 2 } });
  }
  inputs[0].forEach((dim, i) => {
    const length = shape[i], unknown = dim.filter((name) => !(name in known));
    const chunk = product(dim.filter((name) => name in known).map((name) => known[name]));
    const culprit = dim.find((name) => name in known);
    const span = culprit ? where(culprit) : left.whole;
    if (!unknown.length && length !== chunk) fail(`Shape mismatch, ${length} != ${chunk}`, span, `These sizes multiply to ${chunk}, and the tensor has ${length} there.`);
    if (unknown.length && dim.length > 1 && length % chunk !== 0) {
      const divisors = Array.from({ length }, (_, k) => k + 1).filter((k) => length % k === 0).slice(0, 12);
      const nearest = divisors.reduce((a, b) => (Math.abs(b - chunk) < Math.abs(a - chunk) ? b : a));
      fail(`Shape mismatch, can't divide axis of length ${length} in chunks of ${chunk}`, span, `${length} divides by ${divisors.join(", ")}.`, dim.length === 2 ? { sizes: { [culprit]: nearest } } : null);
    }
    if (unknown.length) known[unknown[0]] = dim.length === 1 ? length : length / chunk;
  });
  return { inputs, output, sizes: known };
}

function einsumRules({ operands, output: right }, { pattern, shapes }) {
  const fail = (...parts) => { throw new PatternError(...parts); };
  const letters = new Map(), alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const checkAxis = (dim, side) => {
    const span = dim[0] ? [dim[0].start, dim.at(-1).end] : side.whole;
    if (!dim.length) fail("Singleton () axes are not yet supported in einsum.", span, "Insert or drop the 1 with rearrange, before or after.");
    if (dim.length > 1) fail("Shape rearrangement is not yet supported in einsum.", span, "Split or join with rearrange, before or after.");
    if (!isName(dim[0])) fail("Anonymous axes are not yet supported in einsum.", span, "Give this axis a name.");
  };
  for (const side of operands) {
    for (const dim of side.composition) {
      if (dim === "…") continue;
      checkAxis(dim, side);
      if (!letters.has(dim[0].name)) letters.set(dim[0].name, alphabet[letters.size]);
    }
  }
  for (const dim of right.composition) {
    if (dim === "…") continue;
    checkAxis(dim, right);
    if (!letters.has(dim[0].name)) fail(`Unknown axis ${dim[0].name} on right side of einsum ${pattern}.`, place(dim[0]), "Every output axis comes from an input: remove it, or correct the name.");
  }
  if (shapes.length < operands.length) fail("einsum(): fewer operands were provided than specified in the equation", operands[shapes.length].whole, `${shapes.length} tensor(s) given: name as many.`);
  if (shapes.length > operands.length) fail("einsum(): more operands were provided than specified in the equation", operands.at(-1).whole, "Add a comma and the axes of the next tensor.");
  operands.forEach((side, k) => {
    const dots = side.composition.includes("…"), count = side.composition.length - (dots ? 1 : 0), ndim = shapes[k].length;
    if (!dots && count !== ndim) fail(`einsum(): the number of subscripts in the equation (${count}) does not match the number of dimensions (${ndim}) for operand ${k} and no ellipsis was given`, side.whole, `Shape (${shapes[k].join(", ")}) needs ${ndim} names.`);
    if (dots && count > ndim) fail(`einsum(): the number of subscripts in the equation (${count}) is more than the number of dimensions (${ndim}) for operand ${k}`, side.whole, `Shape (${shapes[k].join(", ")}) has ${ndim} dimensions.`);
  });
  const hiddenOf = (side, k) => shapes[k].length - side.composition.length + 1;
  const hidden = Math.max(0, ...operands.map((side, k) => (side.composition.includes("…") ? hiddenOf(side, k) : 0)));
  const range = (n) => Array.from({ length: n }, (_, i) => `…${hidden - n + i}`);
  const inputs = operands.map((side, k) => spread(side, side.composition.includes("…") ? range(hiddenOf(side, k)) : []));
  const sizes = {};
  inputs.forEach((dims, k) => dims.forEach(([name], i) => {
    const length = shapes[k][i], seen = sizes[name];
    if (seen !== undefined && seen !== 1 && length !== 1 && seen !== length) {
      const axis = operands[k].axes.find((other) => other.name === name);
      fail(`einsum(): subscript ${letters.get(name) ?? name} has size ${length} for operand ${k} which does not broadcast with previously seen size ${seen}`, axis ? place(axis) : operands[k].whole,
        `${name} is ${seen} in one tensor and ${length} in another: one name has one size.`);
    }
    if (seen === undefined || length !== 1) sizes[name] = length;
  }));
  return { inputs, output: spread(right, right.composition.includes("…") ? range(hidden) : []), sizes };
}

/** Give axes that are numbers a label of their own ("2", "2'"), and return the sizes that this fixes. */
function label(...sides) {
  const fixed = {};
  for (const axis of sides.flatMap((side) => side.axes).filter((one) => !isName(one))) {
    axis.label = String(axis.value);
    while (axis.label in fixed) axis.label += "'";
    fixed[axis.label] = axis.value;
  }
  return fixed;
}

/** A side's dimensions as lists of names; `...` becomes `dots`, and `(...)` holds `inside` (einsum takes it for one axis). */
const spread = (side, dots, inside = ["…"]) => side.composition.flatMap((dim) => (
  dim === "…" ? dots.map((name) => [name]) : [dim.flatMap((axis) => (axis.name === "…" ? inside : [key(axis)]))]));

// What follows from a loop nest

/** The loop variables at a flat position in these dimensions: {name: value}, or null where two disagree (off a diagonal). */
export function assignment(dims, shape, sizes, flat) {
  const at = {};
  for (let i = dims.length - 1; i >= 0; i -= 1) {
    let position = flat % shape[i];
    flat = Math.floor(flat / shape[i]);
    const stretched = shape[i] === 1 && product(dims[i].map((name) => sizes[name])) !== 1;
    for (const name of stretched ? [] : [...dims[i]].reverse()) {
      const value = position % sizes[name];
      position = Math.floor(position / sizes[name]);
      if (name in at && at[name] !== value) return null;
      at[name] = value;
    }
  }
  return at;
}

/** Two elements meet in the loop nest exactly when they agree on every axis that both have. */
export const agree = (a, b) => a !== null && b !== null && Object.keys(a).every((name) => !(name in b) || a[name] === b[name]);

/** For every operand: how far one step of each axis moves its flat index. */
export function steps(nest) {
  return nest.inputs.map((dims, k) => {
    const by = {};
    let stride = 1;
    for (let i = dims.length - 1; i >= 0; i -= 1) {
      let inner = stride;
      for (const name of [...dims[i]].reverse()) {
        if (nest.shapes[k][i] > 1) by[name] = (by[name] ?? 0) + inner;
        inner *= nest.sizes[name];
      }
      stride *= nest.shapes[k][i];
    }
    return by;
  });
}

/** The loop variables of `names` at position `flat` of their loops, the last one fastest. */
export function unravel(names, sizes, flat) {
  const at = {};
  for (const name of [...names].reverse()) { at[name] = flat % sizes[name]; flat = Math.floor(flat / sizes[name]); }
  return at;
}

/** All terms of one output element, each a list of one flat index an operand (at most `limit` of them). */
export function sources(nest, flat, limit = Infinity, by = steps(nest)) {
  const start = unravel(nest.kept, nest.sizes, flat);
  const count = Math.min(limit, product(nest.summed.map((name) => nest.sizes[name])));
  const base = by.map((step) => nest.kept.reduce((sum, name) => sum + start[name] * (step[name] ?? 0), 0));
  const terms = [];
  for (let i = 0; i < count; i += 1) {
    const inner = unravel(nest.summed, nest.sizes, i);
    terms.push(by.map((step, k) => nest.summed.reduce((sum, name) => sum + inner[name] * (step[name] ?? 0), base[k])));
  }
  return terms;
}

const KEYWORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from "
  + "global if import in is lambda nonlocal not or pass raise return try while with yield").split(" "));
function variable(name) {
  if (name.startsWith("…")) return `dots${name.slice(1)}`;
  if (/^\p{Nd}/u.test(name)) return `n${name.replaceAll("'", "_")}`;
  return KEYWORDS.has(name) ? `${name}_` : name;
}
const letter = (k) => LETTERS[k] ?? `x${k}`;

/** Python names for axes, operands and the output, all different; a step of a chain has titles for its tensors. */
export function variables(nest, titles = {}) {
  const names = {}, taken = new Set();
  const wanted = [...nest.kept, ...nest.summed].map((name) => [name, variable(name)]);
  wanted.push(...nest.inputs.map((_, k) => [`operand ${k}`, titles.inputs?.[k] ?? letter(k)]), ["the output", titles.name ?? "out"]);
  for (let [wish, name] of wanted) {
    while (taken.has(name)) name += "_";
    taken.add(name);
    names[wish] = name;
  }
  return names;
}

const UPDATES = {
  sum: (out, term) => `${out} += ${term}`, mean: (out, term, n) => `${out} += ${term} / ${n}`,
  prod: (out, term) => `${out} *= ${term}`, max: (out, term) => `${out} = max(${out}, ${term})`,
  min: (out, term) => `${out} = min(${out}, ${term})`, any: (out, term) => `${out} |= ${term} != 0`,
  all: (out, term) => `${out} &= ${term} != 0`,
};

/** The loop nest as lines of Python, the same text as LoopNest.code(). */
export function code(nest, titles) {
  const names = variables(nest, titles), loops = [...nest.kept, ...nest.summed];
  const element = (tensor, dims, shape) => {
    const positions = dims.map((dim, i) => (dim.length === 0 || shape[i] === 1 ? "0" : dim.slice(1).reduce(
      (text, name) => `${text.includes("+") ? `(${text})` : text} * ${nest.sizes[name]} + ${names[name]}`, names[dim[0]])));
    return `${tensor}[${positions.join(", ") || "()"}]`;
  };
  const out = element(names["the output"], nest.output, nest.outputShape);
  const term = nest.inputs.map((dims, k) => element(names[`operand ${k}`], dims, nest.shapes[k])).join(" * ");
  const count = product(nest.summed.map((name) => nest.sizes[name]));
  const body = nest.summed.length ? UPDATES[nest.reduction](out, term, count) : `${out} = ${term}`;
  return [...loops.map((name) => `for ${names[name]} in range(${nest.sizes[name]}):`), body].map((line, depth) => "    ".repeat(depth) + line);
}

/** Operations as the one loop nest counts them: n − 1 products a pass, and one addition where something is summed. */
export const flops = (nest) => nest.iterations * (nest.inputs.length - 1 + (nest.summed.length ? 1 : 0));

/** FLOPs of the cheapest order of pairs, for three operands or more: what a library would choose. */
export function pairwiseFlops(nest) {
  const cost = (operands) => {
    if (operands.length < 2) return 0;
    let best = Infinity;
    operands.forEach((a, i) => operands.slice(i + 1).forEach((b, j) => {
      const rest = operands.filter((_, k) => k !== i && k !== i + 1 + j);
      const union = [...new Set([...a, ...b])];
      const left = union.filter((name) => nest.kept.includes(name) || rest.some((other) => other.includes(name)));
      const here = product(union.map((name) => nest.sizes[name])) * (left.length < union.length ? 2 : 1);
      best = Math.min(best, here + cost([...rest, left]));
    }));
    return best;
  };
  return cost(nest.inputs.map((dims) => [...new Set(dims.flat())]));
}

/** Whether the result shares the input's storage, and the sentence that says why. */
export function viewOf(nest, strides) {
  if (nest.operation === "einsum" && nest.inputs.length > 1) return { view: false, why: "a product of tensors is a new tensor" };
  if (nest.summed.length) return { view: false, why: "a reduction writes new numbers" };
  const stride = {};
  nest.inputs[0].forEach((dim, i) => {
    let step = strides[i];
    for (const name of [...dim].reverse()) { stride[name] = (stride[name] ?? 0) + step; step *= nest.sizes[name]; }
  });
  const at = (name) => stride[name] ?? 0, result = [];
  for (const dim of nest.output) {
    const real = dim.filter((name) => nest.sizes[name] !== 1);
    for (let i = 0; i + 1 < real.length && nest.iterations; i += 1) {
      const [slow, fast] = [real[i], real[i + 1]], run = nest.sizes[fast] * at(fast);
      if (at(slow) !== run) return { view: false, why: `(${dim.join(" ")}) would need one stride: a step of ${slow} is ${at(slow)} elements, all of ${fast} together ${run}` };
    }
    result.push(real.length ? at(real.at(-1)) : 1);
  }
  const fresh = nest.kept.filter((name) => !nest.inputs[0].flat().includes(name));
  return { view: true, why: `only the strides change, to (${result.join(", ")})${fresh.length ? `; ${fresh.join(" and ")} repeats with stride 0` : ""}`, strides: result };
}

/** What each axis does: the Venn diagram of operands and output in words. */
export function roles(nest) {
  const inside = nest.inputs.map((dims) => new Set(dims.flat()));
  return Object.fromEntries([...nest.kept, ...nest.summed].map((name) => {
    const holders = inside.flatMap((names, k) => (names.has(name) ? [letter(k)] : []));
    if (nest.summed.includes(name)) return [name, nest.operation === "reduce" ? nest.reduction : holders.length > 1 ? "contracted" : "summed"];
    if (!holders.length) return [name, "new"];
    if (nest.inputs.length === 1) return [name, "kept"];
    return [name, holders.length === nest.inputs.length ? "batch" : `free in ${holders.join(", ")}`];
  }));
}

/** The pattern as a type in jaxtyping's notation, the same text as lmcourse.axes.signature. */
export function signature(nest) {
  const word = (dim) => (!dim.length ? "1" : dim[0].startsWith("…") ? "..." : dim[0].replace(/'+$/, ""));
  const joined = (dim) => dim.map(variable).join("_");
  const line = (words) => words.filter((one, i) => one !== "..." || words[i - 1] !== "...").join(" ");
  const bound = new Set();
  const types = nest.inputs.map((dims, k) => {
    const words = dims.map((dim) => (dim.length > 1 ? joined(dim) : word(dim)));
    words.forEach((one) => bound.add(one));
    return `${letter(k)}: Float[Tensor, "${line(words)}"]`;
  });
  const result = nest.output.map((dim) => {
    if (dim.length < 2) return word(dim);
    if (!bound.has(joined(dim)) && dim.every((name) => bound.has(word([name])))) return dim.join("*");
    return dim.some((name) => name.startsWith("…")) ? "_" : joined(dim);
  });
  return `f(${types.join(", ")}) -> Float[Tensor, "${line(result)}"]`;
}

/** The value of every term folded as the reduction says. `terms` are products already. */
export function fold(reduction, terms) {
  switch (reduction) {
    case "prod": return terms.reduce((a, b) => a * b, 1);
    case "max": return Math.max(...terms);
    case "min": return Math.min(...terms);
    case "any": return Number(terms.some((term) => term !== 0));
    case "all": return Number(terms.every((term) => term !== 0));
    default: { const sum = terms.reduce((a, b) => a + b, 0); return reduction === "mean" ? sum / terms.length : sum; }
  }
}

// Chains: each step's output is a later step's input, and one name keeps one size and one colour throughout

/** A step that is no einops call: softmax makes every element depend on its whole row along `over`. */
const softmaxNest = (nest, over) => ({
  ...nest, inputs: [nest.inputs[0].map((dim) => dim.map((name) => (name === over ? `${name} before` : name)))],
  sizes: { ...nest.sizes, [`${over} before`]: nest.sizes[over] }, summed: [`${over} before`],
  iterations: nest.iterations * nest.sizes[over],
});

/** The loop nests of all steps for these sizes: [{...step, nest}]. */
export function chainNests(chain, sizes) {
  return chain.map((step) => {
    const operation = step.operation === "softmax" ? "rearrange" : step.operation;
    const nest = freeNest({ ...step, operation, sizes, dots: 0 });
    return { ...step, nest: step.operation === "softmax" ? softmaxNest(nest, step.over) : nest };
  });
}

/** Which elements of every tensor of a chain feed, or are fed by, element `flat` of tensor `name`: Map name → Set. */
export function chainField(steps_, name, flat) {
  const touched = new Map([[name, new Set([flat])]]);
  const mark = (tensor, i) => { if (!touched.has(tensor)) touched.set(tensor, new Set()); touched.get(tensor).add(i); };
  const at = steps_.findIndex((step) => step.name === name);
  for (let i = at; i >= 0; i -= 1) {  // upstream
    const { nest, inputs, name: made } = steps_[i], by = steps(nest);
    for (const out of touched.get(made) ?? []) for (const term of sources(nest, out, 4096, by)) term.forEach((from, k) => mark(inputs[k], from));
  }
  const down = new Set([name]);
  for (const { nest, inputs, name: made } of steps_.slice(at + 1)) {  // downstream
    inputs.forEach((input, k) => {
      if (!down.has(input)) return;
      down.add(made);
      const size = product(nest.outputShape);
      for (const from of touched.get(input) ?? []) {
        const here = assignment(nest.inputs[k], nest.shapes[k], nest.sizes, from);
        for (let out = 0; out < size; out += 1) {
          if (agree(here, assignment(nest.output, nest.outputShape, nest.sizes, out))) mark(made, out);
        }
      }
    });
  }
  return touched;
}

// Sizes that nobody gave: in a free pattern every axis has a slider, and the shapes follow

const FIRST_SIZES = [2, 3, 4, 2, 3, 2];

/** The axes that a pattern names, in order of appearance, numbers left out. */
export function axisNames({ operation, pattern }, dots = 0) {
  const { operands, output } = parse(operation, pattern);
  const names = [...operands, output].flatMap((side) => [...(side.ellipsis ? Array.from({ length: dots }, (_, i) => `…${i}`) : []), ...side.axes.filter(isName).map((axis) => axis.name)]);
  return [...new Set(names)];
}

/** Shapes and sizes for a pattern without tensors: sizes come from `sizes`, or from a short list of small numbers. */
export function freeShapes({ operation, pattern, sizes = {}, dots = 1 }) {
  const names = axisNames({ operation, pattern }, dots), { operands, output } = parse(operation, pattern);
  const size = (name) => sizes[name] ?? FIRST_SIZES[names.indexOf(name) % FIRST_SIZES.length];
  const length = (dim) => product(dim.map((axis) => axis.value ?? size(axis.name)));
  const shapes = operands.map((side) => side.composition.flatMap((dim) => (dim === "…" ? Array.from({ length: dots }, (_, i) => size(`…${i}`)) : length(dim))));
  const named = [...operands, output].flatMap((side) => side.axes.filter(isName).map((axis) => axis.name));
  return { shapes, sizes: operation === "einsum" ? {} : Object.fromEntries(named.map((name) => [name, size(name)])) };
}

/** The loop nest of a pattern without tensors. */
export const freeNest = (question) => loopNest({ ...question, ...freeShapes(question) });

/**
 * The axes whose size einops has to be told: of a group on the left all but one (the last, or the one that `sizes`
 * leaves out), and new axes on the right.
 */
export function toldNames({ operation, pattern }, sizes = {}) {
  if (operation === "einsum") return [];
  const { operands: [left], output } = parse(operation, pattern);
  const groups = left.composition.filter((dim) => dim !== "…" && dim.length > 1).map((dim) => dim.filter((axis) => isName(axis) && axis.name !== "…").map((axis) => axis.name));
  const split = groups.flatMap((names) => {
    const given = names.filter((name) => name in sizes);
    return given.length >= names.length - 1 && given.length ? given : names.slice(0, -1);
  });
  return [...split, ...output.axes.filter((axis) => isName(axis) && !left.names.has(axis.name)).map((axis) => axis.name)];
}

// Drawing

const OPERATIONS = ["rearrange", ...Object.keys(UPDATES).map((by) => `reduce, ${by}`), "repeat", "einsum"];
const HUES = 6;
const STATE = ["operation", "reduction", "pattern", "sizes", "dots", "tensors", "chain", "current", "axis", "iteration", "verdict"];

/** The picture's layout of a tensor: columns, rows, then blocks across and down; big tensors lose their far ends. */
export function layout(shape) {
  const drawn = shape.map((length) => Math.min(length, 16));
  while (product(drawn) > DRAWN) {
    const widest = drawn.indexOf(Math.max(...drawn));
    drawn[widest] = Math.ceil(drawn[widest] / 2);
  }
  const n = shape.length, across = [], down = [];  // dimensions, innermost first
  shape.forEach((_, i) => {
    const depth = n - 1 - i;
    const toDown = n === 3 ? depth > 0 : depth % 2 === 1;
    (toDown ? down : across).push([depth, i]);
  });
  const order = (list) => list.sort((a, b) => a[0] - b[0]).map(([, i]) => i);
  return { drawn, across: order(across), down: order(down), cropped: product(drawn) < product(shape) };
}

const shown = (value) => {
  if (typeof value === "string") return value;
  if (Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2);
};
const number = (value) => ({ nan: NaN, inf: Infinity, "-inf": -Infinity }[value] ?? value);
const indexOf = (shape, flat) => { const at = []; for (let i = shape.length - 1; i >= 0; i -= 1) { at[i] = flat % shape[i]; flat = Math.floor(flat / shape[i]); } return at; };
const short = (name) => (name.startsWith("…") ? `…${name.slice(1)}` : name[0]);

function render({ model, el }) {
  const first = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
  const view = frame({ model, el, python: () => rebuild(), reset: () => put(model, first) });
  view.root.classList.add("lmc-axes");
  let now = null;      // what the last drawing worked out: {nest, error, strides, values, ...}
  let hovered = null;  // {tensor: operand number or "out", flat}
  let sliders = { key: "", by: {} };

  const get = (name) => model.get(name);
  const setSize = (name, size) => put(model, { sizes: { ...get("sizes"), [name]: size }, iteration: -1 });
  const editPattern = (pattern) => put(model, { pattern, current: -1, iteration: -1, axis: "" });
  const operation = choice({
    label: "Operation", options: OPERATIONS, value: "rearrange",
    onchange: (value) => { const [op, by] = value.split(", "); put(model, { operation: op, reduction: by ?? get("reduction"), current: -1, iteration: -1 }); },
  });
  const pattern = field({ label: "Pattern", value: "", oninput: editPattern });
  pattern.el.classList.add("lmc-ax-field");
  const presets = get("presets");
  const example = choice({
    label: "Example", options: [["", "choose one"], ...presets.map(({ name }, i) => [String(i), name])], value: "",
    onchange: (i) => { if (i !== "") put(model, start(presets[Number(i)])); },
  });
  const colour = choice({ label: "Colour by", options: [["", "no axis"]], value: "", onchange: (axis) => put(model, { axis: axis || "-" }) });
  const walk = stepper({ label: "Step through the loops", go: (step) => { hovered = null; put(model, { iteration: step - 1 }); }, every: 600 });
  const top = h("div", { class: "lmc-controls" }, operation.el, pattern.el);
  const line = h("div", { class: "lmc-ax-line lmc-mono", role: "group", "aria-label": "the pattern, name by name" });
  const trouble = h("div", { class: "lmc-ax-trouble" });
  const chainRow = h("div", { class: "lmc-ax-chain" });
  const chips = h("div", { class: "lmc-ax-chips", role: "group", "aria-label": "axes and their sizes" });
  const grids = h("div", { class: "lmc-ax-grids" });
  const nestBox = h("div", { class: "lmc-ax-nest lmc-mono", role: "group", "aria-label": "the loop nest" });
  const facts = h("dl", { class: "lmc-ax-facts" });
  view.stage.append(chainRow, top, line, trouble, chips, grids, h("div", { class: "lmc-ax-below" }, h("div", { class: "lmc-scroll", tabindex: "0", role: "region", "aria-label": "loop nest" }, nestBox), facts));
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
      operation: step.operation, reduction: preset.reduction ?? "sum", pattern: step.pattern, sizes: preset.sizes ?? {},
      dots: preset.dots ?? 2, tensors: [], chain, current: chain.length ? 0 : -1, axis: preset.axis ?? "", iteration: -1,
    };
  }

  /** Everything that the state implies; nothing is kept from the drawing before. */
  function work() {
    const state = Object.fromEntries(STATE.map((name) => [name, get(name)]));
    const bound = state.tensors.length > 0;
    const hueNames = [];
    for (const step of state.chain.length ? state.chain : [state]) {
      for (const [name] of step.pattern.matchAll(/\.\.\.|[\p{L}\p{N}_]+/gu)) if (!hueNames.includes(name)) hueNames.push(name);
    }
    const hue = (name) => { const i = hueNames.indexOf(name.startsWith("…") ? "..." : name.replace(/'+$/, "")); return i < 0 ? HUES - 1 : i % HUES; };
    const result = { ...state, bound, hue, nest: null, error: null, names: [], given: { shapes: null, sizes: {} } };
    try {
      const dots = bound ? 0 : state.dots;
      result.names = axisNames(state, dots);
      const used = Object.fromEntries(Object.entries(state.sizes).filter(([name]) => result.names.includes(name)));
      result.given = bound ? { shapes: state.tensors.map((t) => t.shape), sizes: used } : freeShapes({ ...state, dots });
      result.nest = loopNest({ ...state, ...result.given });
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      result.error = error;
    }
    const { nest } = result;
    if (!nest) return result;
    result.strides = nest.shapes.map((shape, k) => (bound ? state.tensors[k].strides : rowMajor(shape)));
    result.itemsize = bound ? Math.max(...state.tensors.map((t) => t.itemsize)) : 4;
    result.values = nest.shapes.map((_, k) => (bound && state.tensors[k].values ? state.tensors[k].values.map(number) : null));
    result.layouts = [...nest.shapes, nest.outputShape].map(layout);
    result.by = steps(nest);
    const terms = product(nest.summed.map((name) => nest.sizes[name]));
    result.countable = terms * product(result.layouts.at(-1).drawn) <= WORK;
    result.terms = terms;
    result.tint = state.axis === "-" ? "" : nest.kept.concat(nest.summed).includes(state.axis) ? state.axis : defaultAxis(nest);
    return result;
  }
  const rowMajor = (shape) => shape.map((_, i) => product(shape.slice(i + 1)));
  const defaultAxis = (nest) => nest.summed[0] ?? nest.inputs[0].find((dim) => dim.length > 1)?.[0] ?? nest.kept.find((name) => !nest.inputs.flat(2).includes(name)) ?? nest.kept[0] ?? "";
  const valueAt = (k, flat) => now.values[k]?.[flat] ?? flat;
  const termValues = (terms) => terms.map((term) => term.reduce((made, flat, k) => made * valueAt(k, flat), 1));
  function outValue(flat) {
    if (!now.countable) return "Σ";
    return fold(now.nest.reduction, termValues(sources(now.nest, flat, Infinity, now.by)));
  }

  const nameOf = (tensor) => {
    const step = now.chain[now.current];
    return tensor === "out" ? step?.name ?? "out" : step?.inputs[tensor] ?? letter(tensor);
  };

  // The parts of the stage

  function drawLine() {
    const { pattern: text, error, hue } = now;
    const from = error?.start ?? -1, to = error ? Math.max(error.end, error.start) : -1;
    const cuts = new Set([0, text.length, ...(error ? [from, to] : [])]);
    const tokens = [...text.matchAll(/\.\.\.|[\p{L}\p{N}_]+/gu)];
    tokens.forEach((found) => { cuts.add(found.index); cuts.add(found.index + found[0].length); });
    const points = [...cuts].sort((a, b) => a - b);
    const parts = points.slice(0, -1).map((at, i) => {
      const piece = text.slice(at, points[i + 1]);
      const token = tokens.some((found) => found.index === at);
      const blamed = error && at >= from && at < to ? ` lmc-ax-blame${at === from ? " lmc-ax-first" : ""}` : "";
      const className = `${token ? `lmc-ax-name lmc-ax-hue${hue(piece)}` : "lmc-ax-mark"}${blamed}`;
      return token ? h("button", { type: "button", class: className, "data-axis": piece, title: `colour by ${piece}`, onclick: () => put(model, { axis: piece === "..." ? "…0" : piece }) }, piece)
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
    if (message) trouble.append(h("p", { class: "lmc-ax-message" }, h("b", {}, "✗ einops: "), h("span", { class: "lmc-mono" }, message)));
    if (error) trouble.append(h("p", {}, h("b", {}, "Likely fix: "), error.fix, " ", error.change ? h("button", { type: "button", onclick: () => repair(error) }, "Apply") : null));
    if (message && now.bound) trouble.append(h("p", {}, h("b", {}, "Given: "), h("span", { class: "lmc-mono" }, now.tensors.map(({ shape }, k) => `${letter(k)} of shape (${shape.join(", ")})`).join(", "))));
    if (verdictOf) trouble.append(h("p", {}, h("b", {}, `${verdictOf.wrong ? "✗" : "✓"} ${verdictOf.name}: `), verdictOf.words));
    trouble.hidden = !trouble.childElementCount;
  }

  function repair({ change, start: from, end: to }) {
    const text = get("pattern");
    put(model, {
      ...(change.replace !== undefined ? { pattern: text.slice(0, from) + change.replace + text.slice(to) } : {}),
      ...(change.operation ? { operation: change.operation } : {}),
      ...(change.sizes ? { sizes: { ...get("sizes"), ...change.sizes } } : {}), current: -1, iteration: -1,
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
    const key_ = JSON.stringify([wanted, hasDots, bound, wanted.map(([name]) => hue(name)), wanted.map(([name]) => limit(name))]);
    if (key_ !== sliders.key) {
      sliders = { key: key_, by: {}, role: {} };
      chips.replaceChildren(...wanted.map(([name, free]) => {
        const role = sliders.role[name] = h("span", { class: "lmc-ax-role" });
        const part = free ? slider({ label: name, min: 1, max: limit(name), value: 1, oninput: (size) => setSize(name, size) }) : null;
        const fixed = part ? null : h("output", {});
        sliders.by[name] = part ?? { set: (size) => { fixed.textContent = String(size); } };
        return h("div", { class: `lmc-ax-chip lmc-ax-hue${hue(name)}` }, part ? part.el : h("span", {}, h("b", {}, name), " ", fixed), role);
      }));
      if (hasDots) {
        sliders.dots = slider({ label: "dimensions in ...", min: 0, max: 3, value: 0, oninput: (dots) => put(model, { dots, iteration: -1 }) });
        chips.append(h("div", { class: `lmc-ax-chip lmc-ax-hue${hue("...")}` }, sliders.dots.el));
      }
    }
    const role = nest ? roles(nest) : {};
    for (const [name] of wanted) {
      const size = nest?.sizes[name] ?? now.sizes[name] ?? FIRST_SIZES[all.indexOf(name) % FIRST_SIZES.length];
      sliders.by[name].set(size);
      sliders.role[name].textContent = role[name] ?? "";
    }
    sliders.dots?.set(now.dots);
  }

  const caption = (name, dims, shape, arrows) => h("p", { class: "lmc-ax-caption" }, h("b", { class: "lmc-mono" }, name), " ",
    shape.length ? shape.map((length, i) => [h("span", { class: "lmc-ax-dim" }, (dims[i].length > 1 ? ["(", dims[i].map((axis, j) => [j ? " " : "", tag(axis)]), ")"] : dims[i].length ? tag(dims[i][0]) : "1"), ` ${arrows[i]}${grouped(length)}`), " "]) : "a single number");
  const tag = (axis) => h("span", { class: `lmc-ax-tag lmc-ax-hue${now.hue(axis)}` }, axis);

  function drawGrid(tensor, name, dims, shape, plan) {
    const arrows = shape.map((_, i) => (plan.across.includes(i) ? "→" : "↓"));
    const cells = [], total = product(plan.drawn);
    for (let i = 0; i < total; i += 1) {
      const index = indexOf(plan.drawn, i);
      const flat = index.reduce((sum, at, d) => sum * shape[d] + at, 0);
      const here = assignment(dims, shape, now.nest.sizes, flat);
      const value = shown(tensor === "out" ? outValue(flat) : valueAt(tensor, flat));
      const tinted = here !== null && now.tint in here;
      const part = tinted ? short(now.tint) + here[now.tint] : "";
      const level = tinted ? Math.round(8 + (36 * here[now.tint]) / Math.max(1, now.nest.sizes[now.tint] - 1)) : 0;
      cells.push({ index, flat, value, part, level });
    }
    // Every place is worked out here: letting the page measure hundreds of cells costs more than drawing them.
    const wide = Math.max(34, 10 + 8 * Math.max(0, ...cells.map(({ value }) => value.length)));
    const high = cells.some(({ part }) => part) ? 34 : 28;
    const spot = (list, index, size) => {
      const [inner, ...outer] = list;
      if (inner === undefined) return 0;
      const block = outer.reduceRight((sum, d) => sum * plan.drawn[d] + index[d], 0);
      return (block * plan.drawn[inner] + index[inner]) * (size + 2) + block * 10;
    };
    const ends = plan.drawn.map((length) => length - 1);
    const buttons = cells.map(({ index, flat, value, part, level }) => h("button", {
      type: "button", class: `lmc-ax-cell${part ? ` lmc-ax-hue${now.hue(now.tint)}` : ""}`, "data-flat": flat, tabindex: -1,
      style: `left:${spot(plan.across, index, wide)}px;top:${spot(plan.down, index, high)}px;width:${wide}px;height:${high}px;--level:${level}%`,
      "aria-label": `${value}${part ? ` ${part}` : ""}: ${name}[${index.join(", ")}]`,
    }, part ? `${value}\n${part}` : value));
    const size = total ? `width:${spot(plan.across, ends, wide) + wide}px;height:${spot(plan.down, ends, high) + high}px` : "";
    const box = h("div", { class: "lmc-ax-cells", role: "group", "aria-label": `elements of ${name}`, style: size }, buttons);
    box.dataset.tensor = String(tensor);
    const empty = total === 0 ? h("p", { class: "lmc-muted" }, "no elements: one axis has length 0") : null;
    return h("div", { class: "lmc-ax-tensor" }, caption(name, dims, shape, arrows), h("div", { class: "lmc-scroll" }, box), empty,
      plan.cropped ? h("p", { class: "lmc-muted" }, `the first ${plan.drawn.join(" × ")} of ${shape.map(grouped).join(" × ")}`) : null);
  }

  function drawGrids() {
    const { nest } = now;
    const focused = document.activeElement?.closest?.(".lmc-ax-cell");
    const keep = focused && grids.contains(focused) ? [focused.parentElement.dataset.tensor, focused.dataset.flat] : null;
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
    const wrong = new Set(now.verdict?.question === questionText() ? now.verdict.check?.places ?? [] : []);
    for (const cell of grids.querySelectorAll('[data-tensor="out"] .lmc-ax-cell')) cell.classList.toggle("is-wrong", wrong.has(Number(cell.dataset.flat)));
  }

  function drawNest() {
    const { nest } = now;
    nestBox.replaceChildren();
    if (!nest) return;
    const loops = [...nest.kept, ...nest.summed];
    code(nest, now.chain[now.current]).forEach((text, i) => {
      const hueClass = i < loops.length ? ` lmc-ax-hue${now.hue(loops[i])}` : "";
      nestBox.append(h("div", { class: "lmc-ax-code" }, h("span", { class: "lmc-ax-arrow", "aria-hidden": "true" }), h("span", { class: `lmc-ax-text${hueClass}` }, text.replace(/^ +/, (space) => "\u00a0".repeat(space.length / 2))), h("span", { class: "lmc-ax-at" })));
    });
  }

  function drawFacts() {
    const { nest } = now;
    facts.replaceChildren();
    if (!nest) return;
    const fact = (name, ...words) => facts.append(h("dt", {}, name), h("dd", {}, ...words));
    const sizes = [...nest.kept, ...nest.summed].map((name) => nest.sizes[name]);
    const a = nest.inputs.length - 1 + (nest.summed.length ? 1 : 0), all = flops(nest);
    const read = nest.shapes.map((shape) => product(shape) * now.itemsize), write = product(nest.outputShape) * now.itemsize;
    const seen = viewOf(nest, now.strides[0]);
    fact("Call", h("code", { class: "lmc-mono" }, call()));
    fact("Type", h("code", { class: "lmc-mono" }, signature(nest)));
    fact("FLOPs", a ? `${a} a pass × ${sizes.join(" · ") || 1} passes = ${grouped(all)}` : "0: nothing is computed", nest.inputs.length > 2 ? `; in the best pairs ${grouped(pairwiseFlops(nest))}` : "");
    fact("Bytes", seen.view ? "0 moved" : `reads ${read.map(grouped).join(" + ")}, writes ${grouped(write)}${all ? `: ${(all / (read.reduce((x, y) => x + y, 0) + write)).toFixed(2)} FLOPs a byte` : ""}`);
    fact("Memory", h("b", { class: seen.view ? "lmc-ax-view" : "lmc-ax-copy" }, seen.view ? "view" : "copy"), `: ${seen.why}`);
  }

  function call() {
    const { nest } = now, tensors = nest.inputs.map((_, k) => nameOf(k)).join(", ");
    const told = toldNames(nest, now.bound ? now.sizes : {}).map((name) => `, ${name}=${nest.sizes[name]}`).join("");
    return `${nest.operation}(${tensors}, ${JSON.stringify(nest.pattern)}${nest.operation === "reduce" ? `, ${JSON.stringify(nest.reduction)}` : ""}${told})`;
  }

  function rebuild() {
    const quote = JSON.stringify, { nest } = now;
    if (get("chain").length) return `AxesExplorer.attention(${quote(presets.find(({ chain }) => quote(chain) === quote(get("chain")))?.key ?? "multi_head")}${Object.entries(get("sizes")).map(([name, size]) => `, ${name}=${size}`).join("")})`;
    const sizes = nest && now.bound ? toldNames(nest, now.sizes).map((name) => [name, nest.sizes[name]]) : now.names.filter((name) => !name.startsWith("…")).map((name) => [name, nest?.sizes[name] ?? get("sizes")[name]]);
    return `AxesExplorer(${quote(get("pattern"))}${now.bound ? now.tensors.map(({ shape }) => `, (${shape.join(", ")}${shape.length === 1 ? "," : ""})`).join("") : ""}, operation=${quote(get("operation"))}${get("operation") === "reduce" ? `, reduction=${quote(get("reduction"))}` : ""}${sizes.filter(([, size]) => size !== undefined).map(([name, size]) => `, ${name}=${size}`).join("")})`;
  }

  function drawChain() {
    chainRow.hidden = !now.chain.length;
    if (!now.chain.length) return;
    now.steps = chainNests(now.chain, now.sizes);
    const drawn = JSON.stringify([now.chain, now.sizes]);
    if (chainRow.dataset.drawn !== drawn) buildChain();
    chainRow.dataset.drawn = drawn;
    for (const card of chainRow.querySelectorAll("button")) card.setAttribute("aria-pressed", String(Number(card.dataset.step) === now.current));
  }

  function buildChain() {
    const made = new Set();
    const mini = (name, shape) => {
      const plan = layout(shape), cells = [];
      for (let i = 0; i < product(plan.drawn); i += 1) {
        const index = indexOf(plan.drawn, i);
        const spot = (list) => list.reduce(([at, run], d, level) => [at + index[d] * run + (level ? index[d] * 4 : 0), run * plan.drawn[d]], [0, 8])[0];
        const mark = document.createElement("i");
        mark.style.cssText = `left:${spot(plan.across)}px;top:${spot(plan.down)}px`;
        mark.dataset.flat = String(index.reduce((sum, at, d) => sum * shape[d] + at, 0));
        cells.push(mark);
      }
      const extent = (list) => list.reduce((run, d, level) => run * plan.drawn[d] + (level ? 4 * (plan.drawn[d] - 1) : 0), 8);
      return h("span", { class: "lmc-ax-mini", "aria-hidden": "true", "data-name": name, style: `width:${extent(plan.across)}px;height:${extent(plan.down)}px` }, cells);
    };
    const cards = [];
    now.steps.forEach((step, i) => {
      step.inputs.forEach((name, k) => {
        if (made.has(name)) return;
        made.add(name);
        cards.push(h("div", { class: "lmc-ax-card" }, h("b", { class: "lmc-mono" }, name), h("span", { class: "lmc-muted" }, "given"), mini(name, step.nest.shapes[k])));
      });
      made.add(step.name);
      const title = step.operation === "softmax" ? `softmax over ${step.over}` : step.operation;
      const words = [...step.pattern.matchAll(/\.\.\.|[\p{L}\p{N}_]+|[^\p{L}\p{N}_.]+/gu)].map(([piece]) => (/[\p{L}\p{N}_.]/u.test(piece) ? tag(piece) : piece));
      const inside = [h("b", { class: "lmc-mono" }, step.name), h("span", { class: "lmc-muted" }, title), h("span", { class: "lmc-ax-pattern lmc-mono" }, words), mini(step.name, step.nest.outputShape)];
      cards.push(step.operation === "softmax" ? h("div", { class: "lmc-ax-card" }, inside)
        : h("button", { type: "button", class: "lmc-ax-card", "data-step": i, onclick: () => put(model, { current: i, operation: step.operation, pattern: step.pattern, iteration: -1 }) }, inside));
    });
    chainRow.replaceChildren(...cards);
  }

  // Hovering: only marks change, nothing is drawn anew

  /** The element under the pointer or the focus, or the one that the stepper stands at. */
  function mark() {
    const { nest } = now;
    if (!nest) return;
    const there = hovered && product(hovered.tensor === "out" ? nest.outputShape : nest.shapes[hovered.tensor] ?? [0]);
    if (hovered && hovered.flat >= there) hovered = null;  // the picture has shrunk under the pointer
    let focus = hovered, term = null, inner = null;
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
        cell.classList.toggle("is-source", !own && agree(at, focus ? assignment(dimsOf(tensor), shapeOf(tensor), nest.sizes, flat) : null));
        cell.classList.toggle("is-now", term !== null && tensor !== "out" && term[tensor] === flat);
      }
    }
    markNest(at, inner);
    markChain(focus);
    say(focus, at, inner);
  }

  function markNest(at, inner) {
    const { nest } = now, loops = [...nest.kept, ...nest.summed];
    const values = inner === null ? at : { ...at, ...unravel(nest.summed, nest.sizes, inner) };
    // The line that moved last: every loop inside it has wrapped around to 0.
    let moved = loops.length;
    if (inner !== null) while (moved > 0 && values[loops[moved - 1]] === 0) moved -= 1;
    [...nestBox.children].forEach((row, i) => {
      const name = loops[i], value = values?.[name];
      const body = i === loops.length;
      row.classList.toggle("is-current", inner !== null && (body || i === moved - 1));
      row.firstChild.textContent = inner !== null && body ? "▶" : inner !== null && i === moved - 1 ? "↻" : "";
      row.lastChild.textContent = body || !at ? "" : value === undefined ? `${name} = all ${nest.sizes[name]}` : `${name} = ${value}`;
    });
  }

  function markChain(focus) {
    if (!now.chain.length) return;
    const step = now.chain[now.current];
    const name = focus && step ? nameOf(focus.tensor) : null;
    let fieldOf = new Map();
    if (name) fieldOf = chainField(now.steps, name, focus.flat);
    for (const box of chainRow.querySelectorAll(".lmc-ax-mini")) {
      const on = fieldOf.get(box.dataset.name);
      for (const cell of box.children) cell.classList.toggle("on", Boolean(on?.has(Number(cell.dataset.flat))));
      const count = box.parentElement.querySelector(".lmc-ax-count") ?? box.parentElement.appendChild(h("span", { class: "lmc-ax-count lmc-muted" }));
      count.textContent = on ? `${on.size} of ${box.children.length}` : "\u00a0";
    }
  }

  function say(focus, at, inner) {
    const { nest } = now;
    const element = (tensor, flat) => `${nameOf(tensor)}[${indexOf(tensor === "out" ? nest.outputShape : nest.shapes[tensor], flat).join(", ")}]`;
    if (!focus) { view.say(sentence(nest)); return; }
    const where = [...nest.kept, ...nest.summed].filter((axis) => at && axis in at).map((axis) => `${axis} = ${at[axis]}`).join(", ");
    if (focus.tensor !== "out") {
      const count = at === null ? 0 : product(nest.kept.filter((axis) => !(axis in at)).map((axis) => nest.sizes[axis]));
      view.say(at === null ? `${element(focus.tensor, focus.flat)} lies off the diagonal: no output element reads it.`
        : `${element(focus.tensor, focus.flat)}${where ? ` at ${where}` : ""} goes into ${count === 1 ? element("out", nest.kept.reduce((flat, axis) => flat * nest.sizes[axis] + at[axis], 0)) : `${grouped(count)} output elements`}.`);
      return;
    }
    const terms = sources(nest, focus.flat, inner === null ? 6 : inner + 1, now.by);
    const words = (term) => term.map((flat, k) => element(k, flat)).join(" · ");
    if (!nest.summed.length) {
      view.say(`${element("out", focus.flat)}${where ? ` at ${where}` : ""} is ${words(terms[0])} = ${shown(termValues(terms)[0])}.`);
    } else if (inner === null) {
      const sign = { sum: " + ", mean: " + ", prod: " · " }[nest.reduction] ?? ", ";
      const rest = now.terms > terms.length ? `${sign}… ${grouped(now.terms - terms.length)} more` : "";
      const how = nest.reduction === "sum" ? "" : `the ${nest.reduction} of `;
      view.say(`${element("out", focus.flat)} is ${how}${terms.map(words).join(sign)}${rest} = ${shown(outValue(focus.flat))}.`);
    } else {
      const values = termValues(terms);
      view.say(`${element("out", focus.flat)}, term ${inner + 1} of ${grouped(now.terms)}: ${words(terms.at(-1))} = ${shown(values.at(-1))}; the ${nest.reduction} so far is ${shown(fold(nest.reduction, values))}.`);
    }
  }

  function sentence(nest) {
    const shapes = nest.shapes.map((shape) => `(${shape.join(", ")})`).join(" and ");
    const out = `(${nest.outputShape.join(", ")})`;
    const how = nest.summed.length ? `each output element ${nest.reduction === "sum" ? "adds" : `takes the ${nest.reduction} of`} ${grouped(now.terms)} ${nest.inputs.length > 1 ? "products" : "elements"}`
      : nest.inputs.length > 1 ? "each output element is one product" : "each output element is one input element";
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
    const index = presets.findIndex((preset) => (now.chain.length ? JSON.stringify(preset.chain) === JSON.stringify(now.chain) : !now.bound && preset.pattern === now.pattern && preset.operation === now.operation));
    example.set(index < 0 ? "" : String(index));
    const axes_ = now.nest ? [...now.nest.kept, ...now.nest.summed] : [];
    colour.select.replaceChildren(...[["", "no axis"], ...axes_.map((name) => [name, name])].map(([value, text]) => h("option", { value }, text)));
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
    view.source(`${get("source")}${now.verdict?.question === questionText() ? ` · einops ${now.verdict.version} itself was asked here` : ""}`);
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
  grids.addEventListener("pointerleave", () => { hovered = null; if (now.nest) mark(); });
  grids.addEventListener("focusout", () => { hovered = null; if (now.nest) mark(); });
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
    if (way) {  // the nearest cell in that direction, along the same row or column
      const ahead = cells.map((one) => [one, spot(one)]).filter(([, [cx, cy]]) => (way[0] ? cy === y && (cx - x) * way[0] > 0 : cx === x && (cy - y) * way[1] > 0));
      best = ahead.sort((a, b) => Math.abs(a[1][0] - x) + Math.abs(a[1][1] - y) - Math.abs(b[1][0] - x) - Math.abs(b[1][1] - y))[0]?.[0];
    }
    if (!best) return;
    for (const one of cells) one.tabIndex = one === best ? 0 : -1;
    best.focus();
  });
  const names = roving(line, ".lmc-ax-name");

  const stop = redraw(model, STATE, draw);
  return () => { stop(); walk.stop(); asked.stop(); };
}

export default { render };
