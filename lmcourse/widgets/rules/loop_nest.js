// From a pattern to its loop nest: einops.einops._prepare_transformation_recipe, and torch.einsum's checks, in their
// order and in their words. A dimension becomes a list of names; `...` becomes names of its own, "…0", "…1".
import { isName, parse, PatternError, place, product } from "./pattern.js";

/**
 * @param {{ operation: string, reduction?: string, pattern: string, shapes: number[][],
 *   sizes?: Record<string, number> }} question  shapes holds one shape an operand
 * @returns the loop nest as lmcourse.axes.loop_nest has it
 */
export function loopNest({ operation, reduction = "sum", pattern, shapes, sizes = {} }) {
  const sides = parse(operation, pattern);
  const rules = operation === "einsum" ? einsumRules : transformRules;
  const solved = rules(sides, { operation, reduction, pattern, shapes, sizes });
  const kept = solved.output.flat();
  const summed = [...new Set(solved.inputs.flat(2))].filter((name) => !kept.includes(name));
  const lengths = (dims) => dims.map((dim) => product(dim.map((name) => solved.sizes[name])));
  return {
    operation,
    reduction: operation === "reduce" ? reduction : "sum",
    pattern,
    shapes,
    kept,
    summed,
    ...solved,
    outputShape: lengths(solved.output),
    iterations: product([...kept, ...summed].map((name) => solved.sizes[name])),
  };
}

function fail(message, where, fix, change = null) {
  throw new PatternError(message, where, fix, change);
}

// rearrange, reduce and repeat: first the names, then the number of dimensions, then their sizes

function transformRules({ operands: [left], output: right }, question) {
  const { operation, shapes, sizes, pattern } = question;
  checkEllipses(left, right, pattern);
  const only = (side, other) => side.axes.filter((axis) => !isName(axis) || !other.names.has(axis.name));
  const dotsLost = operation !== "reduce" && left.ellipsis && !right.ellipsis;
  const found = { left, right, gone: only(left, right), fresh: only(right, left), dotsLost };
  ({ rearrange: checkRearrange, repeat: checkRepeat, reduce: checkReduce })[operation](found, question);
  const named = checkDimensions(left, shapes[0]);
  const dots = Array.from({ length: shapes[0].length - named }, (_, i) => `…${i}`);
  const known = { ...label(left, right) };
  const inputs = [spread(left, dots, dots)],
    output = spread(right, dots, dots);
  const all = new Set([...inputs[0].flat(), ...output.flat()]);
  for (const [name, size] of Object.entries(sizes)) {
    if (!all.has(name))
      fail(
        `Axis ${name} is not used in transform`,
        [pattern.length, pattern.length],
        `Take the size of ${name} away, or use the name.`,
      );
    known[name] = size;
  }
  return { inputs, output, sizes: inferSizes(inputs[0], shapes[0], known, left, right) };
}

/** Names as Python prints a set of them. */
const pySet = (names) =>
  `{${names.map((name) => (typeof name === "string" ? `'${name}'` : `${name.value}-axis`)).join(", ")}}`;
const asSet = (axes) => pySet(axes.map((axis) => (isName(axis) ? axis.name : axis)));

function checkEllipses(left, right, pattern) {
  if (!left.ellipsis && right.ellipsis)
    fail(
      `Ellipsis found in right side, but not left side of a pattern ${pattern}`,
      place(right.ellipsis),
      "Add ... on the left too: it stands for dimensions that the input has.",
    );
  if (left.ellipsis && left.parenthesized)
    fail(
      `Ellipsis inside parenthesis in the left side is not allowed: ${pattern}`,
      place(left.ellipsis),
      "Take the ... out of the parentheses.",
    );
}

function checkRearrange({ left, right, gone, fresh, dotsLost }) {
  const numbers = [...left.axes, ...right.axes].filter((axis) => !isName(axis));
  if (numbers.length)
    fail(
      "Non-unitary anonymous axes are not supported in rearrange (exception is length 1)",
      place(numbers[0]),
      "Give this axis a name, and its size as an argument.",
    );
  const alone = [...gone, ...fresh, ...(dotsLost ? [left.ellipsis] : [])];
  if (!alone.length) return;
  const message = `Identifiers only on one side of expression (should be on both): ${asSet(alone)}`;
  const [first] = alone;
  if (gone.length === 1 && fresh.length === 1)
    fail(message, place(fresh[0]), `Are ${gone[0].name} and ${fresh[0].name} one axis? Then give them one name.`, {
      replace: gone[0].name,
    });
  if (gone.length || dotsLost) {
    const name = first.name.replace("…", "...");
    const fix = `Keep ${name} on the right, or use reduce, which says how to combine along it.`;
    fail(message, place(first), fix, { operation: "reduce" });
  }
  fail(message, place(first), `Use repeat to make a new axis ${first.name}.`, { operation: "repeat" });
}

function checkRepeat({ left, gone, fresh, dotsLost }, { sizes }) {
  const lost = [...gone, ...(dotsLost ? [left.ellipsis] : [])];
  if (lost.length)
    fail(
      `Unexpected identifiers on the left side of repeat: ${asSet(lost)}`,
      place(lost[0]),
      "repeat drops no axis: keep it on the right, or use reduce.",
      { operation: "reduce" },
    );
  const unsized = fresh.filter((axis) => isName(axis) && !(axis.name in sizes));
  if (unsized.length)
    fail(
      `Specify sizes for new axes in repeat: ${asSet(unsized)}`,
      place(unsized[0]),
      `Say how often: ${unsized[0].name}=2.`,
      { sizes: { [unsized[0].name]: 2 } },
    );
}

function checkReduce({ fresh }, { reduction }) {
  if (fresh.length)
    fail(
      `Unexpected identifiers on the right side of reduce ${reduction}: ${asSet(fresh)}`,
      place(fresh[0]),
      "reduce makes no new axis: use repeat, or take the name away.",
      { operation: "repeat" },
    );
}

/** How many dimensions the pattern names; refuses a shape with another number. */
function checkDimensions(left, shape) {
  const named = left.composition.length - (left.ellipsis ? 1 : 0);
  const received = `Received ${shape.length}-dim tensor.`;
  if (left.ellipsis && shape.length < named)
    fail(
      `Wrong shape: expected >=${named} dims. ${received}`,
      left.whole,
      `The shape has ${shape.length} numbers: name at most as many axes.`,
    );
  if (!left.ellipsis && shape.length !== named)
    fail(
      `Wrong shape: expected ${named} dims. ${received}`,
      left.whole,
      `The shape (${shape.join(", ")}) needs ${shape.length} names, or ... for the ones that stay as they are.`,
    );
  return named;
}

/** Every size: what is `known`, and in each dimension of the shape the one name that is not. */
function inferSizes(dims, shape, known, left, right) {
  const where = (name) => {
    const axis = [...left.axes, ...right.axes].find((each) => key(each) === name);
    return axis ? place(axis) : left.whole;
  };
  for (const dim of dims) {
    const unknown = dim.filter((name) => !(name in known));
    if (unknown.length > 1)
      fail(
        `Could not infer sizes for ${pySet(unknown)}`,
        where(unknown[0]),
        `One product cannot tell two sizes: give one of them, such as ${unknown[0]}=2.`,
        { sizes: { [unknown[0]]: 2 } },
      );
  }
  dims.forEach((dim, i) => {
    const length = shape[i],
      told = dim.filter((name) => name in known),
      unknown = dim.find((name) => !(name in known));
    const chunk = product(told.map((name) => known[name])),
      span = told.length ? where(told[0]) : left.whole;
    if (unknown === undefined && length !== chunk)
      fail(
        `Shape mismatch, ${length} != ${chunk}`,
        span,
        `These sizes multiply to ${chunk}, and the tensor has ${length} there.`,
      );
    if (unknown === undefined) return;
    if (dim.length > 1 && length % chunk !== 0) cannotDivide(length, chunk, span, dim.length === 2 ? told[0] : null);
    known[unknown] = dim.length === 1 ? length : length / chunk;
  });
  return known;
}

function cannotDivide(length, chunk, span, culprit) {
  const divisors = Array.from({ length }, (_, k) => k + 1)
    .filter((k) => length % k === 0)
    .slice(0, 12);
  const nearest = divisors.reduce((a, b) => (Math.abs(b - chunk) < Math.abs(a - chunk) ? b : a));
  fail(
    `Shape mismatch, can't divide axis of length ${length} in chunks of ${chunk}`,
    span,
    `${length} divides by ${divisors.join(", ")}.`,
    culprit ? { sizes: { [culprit]: nearest } } : null,
  );
}

// einsum: every dimension is one name; a size of 1 broadcasts

const ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

function einsumRules({ operands, output: right }, { pattern, shapes }) {
  const letters = new Map(); // torch's messages name axes as einops passes them on
  const axesOf = (side) => side.composition.filter((dim) => dim !== "…");
  for (const side of operands)
    for (const dim of axesOf(side)) {
      checkEinsumAxis(dim, side);
      if (!letters.has(dim[0].name)) letters.set(dim[0].name, ALPHABET[letters.size]);
    }
  for (const dim of axesOf(right)) {
    checkEinsumAxis(dim, right);
    if (!letters.has(dim[0].name))
      fail(
        `Unknown axis ${dim[0].name} on right side of einsum ${pattern}.`,
        place(dim[0]),
        "Every output axis comes from an input: remove it, or correct the name.",
      );
  }
  checkOperands(operands, shapes);
  const dotsOf = (side) => side.composition.includes("…");
  const hiddenOf = (side, k) => shapes[k].length - side.composition.length + 1;
  const hidden = Math.max(0, ...operands.map((side, k) => (dotsOf(side) ? hiddenOf(side, k) : 0)));
  const dots = (n) => Array.from({ length: n }, (_, i) => `…${hidden - n + i}`);
  const inputs = operands.map((side, k) => spread(side, dotsOf(side) ? dots(hiddenOf(side, k)) : []));
  const output = spread(right, dotsOf(right) ? dots(hidden) : []);
  return { inputs, output, sizes: broadcastSizes(inputs, shapes, operands, letters) };
}

function checkEinsumAxis(dim, side) {
  const span = dim[0] ? [dim[0].start, dim.at(-1).end] : side.whole;
  if (!dim.length)
    fail(
      "Singleton () axes are not yet supported in einsum.",
      span,
      "Insert or drop the 1 with rearrange, before or after.",
    );
  if (dim.length > 1)
    fail("Shape rearrangement is not yet supported in einsum.", span, "Split or join with rearrange, before or after.");
  if (!isName(dim[0])) fail("Anonymous axes are not yet supported in einsum.", span, "Give this axis a name.");
}

function checkOperands(operands, shapes) {
  if (shapes.length < operands.length)
    fail(
      "einsum(): fewer operands were provided than specified in the equation",
      operands[shapes.length].whole,
      `${shapes.length} tensor(s) given: name as many.`,
    );
  if (shapes.length > operands.length)
    fail(
      "einsum(): more operands were provided than specified in the equation",
      operands.at(-1).whole,
      "Add a comma and the axes of the next tensor.",
    );
  operands.forEach((side, k) => {
    const dots = side.composition.includes("…"),
      count = side.composition.length - (dots ? 1 : 0),
      ndim = shapes[k].length;
    const what = `einsum(): the number of subscripts in the equation (${count})`;
    if (!dots && count !== ndim)
      fail(
        `${what} does not match the number of dimensions (${ndim}) for operand ${k} and no ellipsis was given`,
        side.whole,
        `Shape (${shapes[k].join(", ")}) needs ${ndim} names.`,
      );
    if (dots && count > ndim)
      fail(
        `${what} is more than the number of dimensions (${ndim}) for operand ${k}`,
        side.whole,
        `Shape (${shapes[k].join(", ")}) has ${ndim} dimensions.`,
      );
  });
}

function broadcastSizes(inputs, shapes, operands, letters) {
  const sizes = {};
  inputs.forEach((dims, k) => {
    dims.forEach(([name], i) => {
      const length = shapes[k][i],
        seen = sizes[name];
      if (seen !== undefined && seen !== 1 && length !== 1 && seen !== length) {
        const axis = operands[k].axes.find((other) => other.name === name);
        fail(
          `einsum(): subscript ${letters.get(name) ?? name} has size ${length} for operand ${k} ` +
            `which does not broadcast with previously seen size ${seen}`,
          axis ? place(axis) : operands[k].whole,
          `${name} is ${seen} in one tensor and ${length} in another: one name has one size.`,
        );
      }
      if (seen === undefined || length !== 1) sizes[name] = length;
    });
  });
  return sizes;
}

// Sides as lists of names

const key = (axis) => axis.label ?? axis.name;

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

/** A side's dimensions as lists of names; `...` becomes `dots`, and `(...)` holds `inside` (einsum: one axis). */
const spread = (side, dots, inside = ["…"]) =>
  side.composition.flatMap((dim) =>
    dim === "…" ? dots.map((name) => [name]) : [dim.flatMap((axis) => (axis.name === "…" ? inside : [key(axis)]))],
  );
