// The meaning of a pattern of named axes in the browser: einops' parser with the place of every name, the loop nest, and
// what follows from it. Node tests hold it against lmcourse.axes and einops' own messages on golden vectors.

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
const pySet = (names) =>
  `{${names.map((name) => (typeof name === "string" ? `'${name}'` : `${name.value}-axis`)).join(", ")}}`;
const key = (axis) => axis.label ?? axis.name;
const place = (axis) => [axis.start, axis.end];
export const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/**
 * One side of a pattern, or one operand of an einsum. A dimension is "…" or a list of axes {name, start, end, value?};
 * `at` is where the text starts in the whole pattern.
 */
export function parseSide(text, at, { underscore = false, duplicates = false } = {}) {
  const composition = [],
    axes = [],
    names = new Set();
  let group = null,
    groupStart = 0,
    ellipsis = null,
    parenthesized = false;
  const whole = [at, at + text.length];
  if (text.includes(".")) {
    const dots = [at + text.indexOf("."), at + text.lastIndexOf(".") + 1];
    if (!text.includes("..."))
      throw new PatternError(
        "Expression may contain dots only inside ellipsis (...)",
        dots,
        "An ellipsis is three dots with spaces around it: write ... here.",
      );
    if (text.split("...").length !== 2 || text.split(".").length !== 4)
      throw new PatternError(
        "Expression may contain dots only inside ellipsis (...); only one ellipsis for tensor ",
        dots,
        "Keep one ellipsis of three dots a tensor.",
      );
  }
  const add = (name, start, end) => {
    const where = [start, end];
    if (names.has(name) && !(underscore && name === "_") && !duplicates) {
      throw new PatternError(
        `Indexing expression contains duplicate dimension "${name}"`,
        where,
        `Use each name once a side. Only einsum takes ${name} twice: it reads the diagonal.`,
        { operation: "einsum" },
      );
    }
    if (name === "…") {
      names.add(name);
      ellipsis = { name, start, end };
      if (group === null) composition.push("…");
      else {
        group.push(ellipsis);
        parenthesized = true;
      }
      return;
    }
    const number = /^\p{Nd}+$/u.test(name);
    if (number && Number(name) === 1) {
      if (group === null) composition.push([]);
      return;
    }
    if (!number) checkName(name, where, underscore);
    if (number && Number(name) === 0)
      throw new PatternError(
        "Anonymous axis should have positive length, not 0",
        where,
        "An axis without a name needs a length of 1 or more.",
      );
    const axis = number ? { name, start, end, value: Number(name) } : { name, start, end };
    if (!number) names.add(name);
    axes.push(axis);
    if (group === null) composition.push([axis]);
    else group.push(axis);
  };
  let from = null;
  const chars = [...text.matchAll(/\.\.\.|[^]/gu)].map((match) => ({
    text: match[0] === "..." ? "…" : match[0],
    at: at + match.index,
    wide: match[0].length,
  }));
  const word = (end) => {
    if (from !== null) {
      const start = from;
      from = null;
      add(text.slice(start - at, end - at).replace("...", "…"), start, end);
    }
  };
  for (const { text: char, at: here, wide } of chars) {
    if (char === "(" || char === ")" || char === " ") {
      word(here);
      if (char === "(") {
        if (group !== null)
          throw new PatternError(
            "Axis composition is one-level (brackets inside brackets not allowed)",
            [here, here + 1],
            "Remove the inner parentheses: (a (b c)) is (a b c).",
          );
        group = [];
        groupStart = here;
      } else if (char === ")") {
        if (group === null)
          throw new PatternError(
            "Brackets are not balanced",
            [here, here + 1],
            "Remove this parenthesis or open one before it.",
          );
        composition.push(group);
        group = null;
      }
    } else if (/[\p{L}\p{N}_…]/u.test(char)) from ??= here;
    else {
      throw new PatternError(
        `Unknown character '${char}'`,
        [here, here + wide],
        char === ","
          ? "A comma separates tensors, and only einsum takes several."
          : "Names are letters, digits and _, separated by spaces.",
        char === "," ? { operation: "einsum" } : null,
      );
    }
  }
  if (group !== null)
    throw new PatternError(
      `Imbalanced parentheses in expression: "${text.replace("...", "…")}"`,
      [groupStart, groupStart + 1],
      "Close this parenthesis.",
    );
  word(at + text.length);
  return { composition, axes, names, ellipsis, parenthesized, whole };
}

function checkName(name, where, underscore) {
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) {
    const spaced = name.startsWith("…") ? `... ${name.slice(1)}` : null;
    throw new PatternError(
      `Invalid axis identifier: ${name}\nnot a valid python identifier`,
      where,
      spaced
        ? `Put a space after the dots: ${spaced}`
        : "A name starts with a letter, and the dots of an ellipsis stand alone.",
      spaced ? { replace: spaced } : null,
    );
  }
  if ((name.startsWith("_") || name.endsWith("_")) && !(name === "_" && underscore)) {
    throw new PatternError(
      `Invalid axis identifier: ${name}\naxis name should should not start or end with underscore`,
      where,
      "Underscores may stand inside a name, not at its ends.",
      name.replaceAll("_", "") ? { replace: name.replace(/^_+|_+$/g, "") } : null,
    );
  }
}

/** Both sides of a pattern: {operands: [side], output: side}. Throws what einops says first. */
export function parse(operation, pattern) {
  const end = [pattern.length, pattern.length];
  if (operation === "einsum" && !pattern.includes("->"))
    throw new PatternError(
      "Einsum pattern must contain '->'.",
      end,
      "Write what goes in, then ->, then what comes out.",
    );
  const sides = pattern.split("->");
  if (sides.length === 1)
    throw new PatternError(
      "not enough values to unpack (expected 2, got 1)",
      end,
      "Write what goes in, then ->, then what comes out.",
    );
  if (sides.length > 2) {
    const second = sides[0].length + sides[1].length + 2;
    throw new PatternError(
      "too many values to unpack (expected 2)",
      [second, second + 2],
      "Keep one arrow: a pattern is one step.",
    );
  }
  const [left, right] = sides,
    after = left.length + 2;
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

const isName = (axis) => axis.value === undefined;
const only = (side, other) => side.axes.filter((axis) => !isName(axis) || !other.names.has(axis.name));

function transformRules(
  { operands: [left], output: right },
  { operation, reduction, pattern, shapes: [shape], sizes },
) {
  const fail = (...parts) => {
    throw new PatternError(...parts);
  };
  const asSet = (axes) => pySet(axes.map((axis) => (isName(axis) ? axis.name : axis)));
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
  const dotsLost = operation !== "reduce" && left.ellipsis && !right.ellipsis;
  const gone = only(left, right),
    fresh = only(right, left);
  if (operation === "rearrange") {
    const numbers = [...left.axes, ...right.axes].filter((axis) => !isName(axis));
    if (numbers.length)
      fail(
        "Non-unitary anonymous axes are not supported in rearrange (exception is length 1)",
        place(numbers[0]),
        "Give this axis a name, and its size as an argument.",
      );
    const alone = [...gone, ...fresh, ...(dotsLost ? [left.ellipsis] : [])];
    if (alone.length) {
      const [first] = alone,
        both = gone.length === 1 && fresh.length === 1;
      fail(
        `Identifiers only on one side of expression (should be on both): ${asSet(alone)}`,
        place(both ? fresh[0] : first),
        both
          ? `Are ${gone[0].name} and ${fresh[0].name} one axis? Then give them one name.`
          : gone.length || dotsLost
            ? `Keep ${first.name.replace("…", "...")} on the right, or use reduce, which says how to combine along it.`
            : `Use repeat to make a new axis ${first.name}.`,
        both ? { replace: gone[0].name } : { operation: gone.length || dotsLost ? "reduce" : "repeat" },
      );
    }
  } else if (operation === "repeat") {
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
  } else if (fresh.length) {
    fail(
      `Unexpected identifiers on the right side of reduce ${reduction}: ${asSet(fresh)}`,
      place(fresh[0]),
      "reduce makes no new axis: use repeat, or take the name away.",
      { operation: "repeat" },
    );
  }

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
  const dots = Array.from({ length: shape.length - named }, (_, i) => `…${i}`);
  const labels = { ...label(left, right) };
  const inputs = [spread(left, dots, dots)],
    output = spread(right, dots, dots);
  const known = { ...labels };
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
  const where = (name) =>
    place(
      [...left.axes, ...right.axes].find((axis) => key(axis) === name) ?? { start: left.whole[0], end: left.whole[1] },
    );
  for (const dim of inputs[0]) {
    const unknown = dim.filter((name) => !(name in known));
    if (unknown.length > 1)
      fail(
        `Could not infer sizes for ${pySet(unknown)}`,
        where(unknown[0]),
        `One product cannot tell two sizes: give one of them, such as ${unknown[0]}=2.`,
        { sizes: { [unknown[0]]: 2 } },
      );
  }
  inputs[0].forEach((dim, i) => {
    const length = shape[i],
      unknown = dim.filter((name) => !(name in known));
    const chunk = product(dim.filter((name) => name in known).map((name) => known[name]));
    const culprit = dim.find((name) => name in known);
    const span = culprit ? where(culprit) : left.whole;
    if (!unknown.length && length !== chunk)
      fail(
        `Shape mismatch, ${length} != ${chunk}`,
        span,
        `These sizes multiply to ${chunk}, and the tensor has ${length} there.`,
      );
    if (unknown.length && dim.length > 1 && length % chunk !== 0) {
      const divisors = Array.from({ length }, (_, k) => k + 1)
        .filter((k) => length % k === 0)
        .slice(0, 12);
      const nearest = divisors.reduce((a, b) => (Math.abs(b - chunk) < Math.abs(a - chunk) ? b : a));
      fail(
        `Shape mismatch, can't divide axis of length ${length} in chunks of ${chunk}`,
        span,
        `${length} divides by ${divisors.join(", ")}.`,
        dim.length === 2 ? { sizes: { [culprit]: nearest } } : null,
      );
    }
    if (unknown.length) known[unknown[0]] = dim.length === 1 ? length : length / chunk;
  });
  return { inputs, output, sizes: known };
}

function einsumRules({ operands, output: right }, { pattern, shapes }) {
  const fail = (...parts) => {
    throw new PatternError(...parts);
  };
  const letters = new Map(),
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const checkAxis = (dim, side) => {
    const span = dim[0] ? [dim[0].start, dim.at(-1).end] : side.whole;
    if (!dim.length)
      fail(
        "Singleton () axes are not yet supported in einsum.",
        span,
        "Insert or drop the 1 with rearrange, before or after.",
      );
    if (dim.length > 1)
      fail(
        "Shape rearrangement is not yet supported in einsum.",
        span,
        "Split or join with rearrange, before or after.",
      );
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
    if (!letters.has(dim[0].name))
      fail(
        `Unknown axis ${dim[0].name} on right side of einsum ${pattern}.`,
        place(dim[0]),
        "Every output axis comes from an input: remove it, or correct the name.",
      );
  }
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
    if (!dots && count !== ndim)
      fail(
        `einsum(): the number of subscripts in the equation (${count}) does not match the number of dimensions (${ndim}) for operand ${k} and no ellipsis was given`,
        side.whole,
        `Shape (${shapes[k].join(", ")}) needs ${ndim} names.`,
      );
    if (dots && count > ndim)
      fail(
        `einsum(): the number of subscripts in the equation (${count}) is more than the number of dimensions (${ndim}) for operand ${k}`,
        side.whole,
        `Shape (${shapes[k].join(", ")}) has ${ndim} dimensions.`,
      );
  });
  const hiddenOf = (side, k) => shapes[k].length - side.composition.length + 1;
  const hidden = Math.max(0, ...operands.map((side, k) => (side.composition.includes("…") ? hiddenOf(side, k) : 0)));
  const range = (n) => Array.from({ length: n }, (_, i) => `…${hidden - n + i}`);
  const inputs = operands.map((side, k) =>
    spread(side, side.composition.includes("…") ? range(hiddenOf(side, k)) : []),
  );
  const sizes = {};
  inputs.forEach((dims, k) =>
    dims.forEach(([name], i) => {
      const length = shapes[k][i],
        seen = sizes[name];
      if (seen !== undefined && seen !== 1 && length !== 1 && seen !== length) {
        const axis = operands[k].axes.find((other) => other.name === name);
        fail(
          `einsum(): subscript ${letters.get(name) ?? name} has size ${length} for operand ${k} which does not broadcast with previously seen size ${seen}`,
          axis ? place(axis) : operands[k].whole,
          `${name} is ${seen} in one tensor and ${length} in another: one name has one size.`,
        );
      }
      if (seen === undefined || length !== 1) sizes[name] = length;
    }),
  );
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
const spread = (side, dots, inside = ["…"]) =>
  side.composition.flatMap((dim) =>
    dim === "…" ? dots.map((name) => [name]) : [dim.flatMap((axis) => (axis.name === "…" ? inside : [key(axis)]))],
  );

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
export const agree = (a, b) =>
  a !== null && b !== null && Object.keys(a).every((name) => !(name in b) || a[name] === b[name]);

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
  for (const name of [...names].reverse()) {
    at[name] = flat % sizes[name];
    flat = Math.floor(flat / sizes[name]);
  }
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

const KEYWORDS = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from " +
    "global if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);
function variable(name) {
  if (name.startsWith("…")) return `dots${name.slice(1)}`;
  if (/^\p{Nd}/u.test(name)) return `n${name.replaceAll("'", "_")}`;
  return KEYWORDS.has(name) ? `${name}_` : name;
}
export const letter = (k) => LETTERS[k] ?? `x${k}`;

/** Python names for axes, operands and the output, all different; a step of a chain has titles for its tensors. */
export function variables(nest, titles = {}) {
  const names = {},
    taken = new Set();
  const wanted = [...nest.kept, ...nest.summed].map((name) => [name, variable(name)]);
  wanted.push(...nest.inputs.map((_, k) => [`operand ${k}`, titles.inputs?.[k] ?? letter(k)]), [
    "the output",
    titles.name ?? "out",
  ]);
  for (let [wish, name] of wanted) {
    while (taken.has(name)) name += "_";
    taken.add(name);
    names[wish] = name;
  }
  return names;
}

export const UPDATES = {
  sum: (out, term) => `${out} += ${term}`,
  mean: (out, term, n) => `${out} += ${term} / ${n}`,
  prod: (out, term) => `${out} *= ${term}`,
  max: (out, term) => `${out} = max(${out}, ${term})`,
  min: (out, term) => `${out} = min(${out}, ${term})`,
  any: (out, term) => `${out} |= ${term} != 0`,
  all: (out, term) => `${out} &= ${term} != 0`,
};

/** The loop nest as lines of Python, the same text as LoopNest.code(). */
export function code(nest, titles) {
  const names = variables(nest, titles),
    loops = [...nest.kept, ...nest.summed];
  const element = (tensor, dims, shape) => {
    const positions = dims.map((dim, i) =>
      dim.length === 0 || shape[i] === 1
        ? "0"
        : dim
            .slice(1)
            .reduce(
              (text, name) => `${text.includes("+") ? `(${text})` : text} * ${nest.sizes[name]} + ${names[name]}`,
              names[dim[0]],
            ),
    );
    return `${tensor}[${positions.join(", ") || "()"}]`;
  };
  const out = element(names["the output"], nest.output, nest.outputShape);
  const term = nest.inputs.map((dims, k) => element(names[`operand ${k}`], dims, nest.shapes[k])).join(" * ");
  const count = product(nest.summed.map((name) => nest.sizes[name]));
  const body = nest.summed.length ? UPDATES[nest.reduction](out, term, count) : `${out} = ${term}`;
  return [...loops.map((name) => `for ${names[name]} in range(${nest.sizes[name]}):`), body].map(
    (line, depth) => "    ".repeat(depth) + line,
  );
}

/** Operations as the one loop nest counts them: n − 1 products a pass, and one addition where something is summed. */
export const flops = (nest) => nest.iterations * (nest.inputs.length - 1 + (nest.summed.length ? 1 : 0));

/** FLOPs of the cheapest order of pairs, for three operands or more: what a library would choose. */
export function pairwiseFlops(nest) {
  const cost = (operands) => {
    if (operands.length < 2) return 0;
    let best = Infinity;
    operands.forEach((a, i) =>
      operands.slice(i + 1).forEach((b, j) => {
        const rest = operands.filter((_, k) => k !== i && k !== i + 1 + j);
        const union = [...new Set([...a, ...b])];
        const left = union.filter((name) => nest.kept.includes(name) || rest.some((other) => other.includes(name)));
        const here = product(union.map((name) => nest.sizes[name])) * (left.length < union.length ? 2 : 1);
        best = Math.min(best, here + cost([...rest, left]));
      }),
    );
    return best;
  };
  return cost(nest.inputs.map((dims) => [...new Set(dims.flat())]));
}

/** Whether the result shares the input's storage, and the sentence that says why. */
export function viewOf(nest, strides) {
  if (nest.operation === "einsum" && nest.inputs.length > 1)
    return { view: false, why: "a product of tensors is a new tensor" };
  if (nest.summed.length) return { view: false, why: "a reduction writes new numbers" };
  const stride = {};
  nest.inputs[0].forEach((dim, i) => {
    let step = strides[i];
    for (const name of [...dim].reverse()) {
      stride[name] = (stride[name] ?? 0) + step;
      step *= nest.sizes[name];
    }
  });
  const at = (name) => stride[name] ?? 0,
    result = [];
  for (const dim of nest.output) {
    const real = dim.filter((name) => nest.sizes[name] !== 1);
    for (let i = 0; i + 1 < real.length && nest.iterations; i += 1) {
      const [slow, fast] = [real[i], real[i + 1]],
        run = nest.sizes[fast] * at(fast);
      if (at(slow) !== run)
        return {
          view: false,
          why: `(${dim.join(" ")}) would need one stride: a step of ${slow} is ${at(slow)} elements, all of ${fast} together ${run}`,
        };
    }
    result.push(real.length ? at(real.at(-1)) : 1);
  }
  const fresh = nest.kept.filter((name) => !nest.inputs[0].flat().includes(name));
  return {
    view: true,
    why: `only the strides change, to (${result.join(", ")})${fresh.length ? `; ${fresh.join(" and ")} repeats with stride 0` : ""}`,
    strides: result,
  };
}

/** What each axis does: the Venn diagram of operands and output in words. */
export function roles(nest) {
  const inside = nest.inputs.map((dims) => new Set(dims.flat()));
  return Object.fromEntries(
    [...nest.kept, ...nest.summed].map((name) => {
      const holders = inside.flatMap((names, k) => (names.has(name) ? [letter(k)] : []));
      if (nest.summed.includes(name))
        return [name, nest.operation === "reduce" ? nest.reduction : holders.length > 1 ? "contracted" : "summed"];
      if (!holders.length) return [name, "new"];
      if (nest.inputs.length === 1) return [name, "kept"];
      return [name, holders.length === nest.inputs.length ? "batch" : `free in ${holders.join(", ")}`];
    }),
  );
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
    if (dim.some((name) => name.startsWith("…"))) return "_"; // no name for a product of an unknown number of axes
    if (!bound.has(joined(dim)) && dim.every((name) => bound.has(word([name])))) return dim.join("*");
    return joined(dim);
  });
  return `f(${types.join(", ")}) -> Float[Tensor, "${line(result)}"]`;
}

/** The value of every term folded as the reduction says. `terms` are products already. */
export function fold(reduction, terms) {
  switch (reduction) {
    case "prod":
      return terms.reduce((a, b) => a * b, 1);
    case "max":
      return Math.max(...terms);
    case "min":
      return Math.min(...terms);
    case "any":
      return Number(terms.some((term) => term !== 0));
    case "all":
      return Number(terms.every((term) => term !== 0));
    default: {
      const sum = terms.reduce((a, b) => a + b, 0);
      return reduction === "mean" ? sum / terms.length : sum;
    }
  }
}

// Chains: each step's output is a later step's input, and one name keeps one size and one colour throughout

/** A step that is no einops call: softmax makes every element depend on its whole row along `over`. */
const softmaxNest = (nest, over) => ({
  ...nest,
  inputs: [nest.inputs[0].map((dim) => dim.map((name) => (name === over ? `${name} before` : name)))],
  sizes: { ...nest.sizes, [`${over} before`]: nest.sizes[over] },
  summed: [`${over} before`],
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
  const mark = (tensor, i) => {
    if (!touched.has(tensor)) touched.set(tensor, new Set());
    touched.get(tensor).add(i);
  };
  const at = steps_.findIndex((step) => step.name === name);
  for (let i = at; i >= 0; i -= 1) {
    // upstream
    const { nest, inputs, name: made } = steps_[i],
      by = steps(nest);
    for (const out of touched.get(made) ?? [])
      for (const term of sources(nest, out, 4096, by)) term.forEach((from, k) => mark(inputs[k], from));
  }
  const down = new Set([name]);
  for (const { nest, inputs, name: made } of steps_.slice(at + 1)) {
    // downstream
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

export const FIRST_SIZES = [2, 3, 4, 2, 3, 2];

/** The axes that a pattern names, in order of appearance, numbers left out. */
export function axisNames({ operation, pattern }, dots = 0) {
  const { operands, output } = parse(operation, pattern);
  const names = [...operands, output].flatMap((side) => [
    ...(side.ellipsis ? Array.from({ length: dots }, (_, i) => `…${i}`) : []),
    ...side.axes.filter(isName).map((axis) => axis.name),
  ]);
  return [...new Set(names)];
}

/** Shapes and sizes for a pattern without tensors: sizes come from `sizes`, or from a short list of small numbers. */
export function freeShapes({ operation, pattern, sizes = {}, dots = 1 }) {
  const names = axisNames({ operation, pattern }, dots),
    { operands, output } = parse(operation, pattern);
  const size = (name) => sizes[name] ?? FIRST_SIZES[names.indexOf(name) % FIRST_SIZES.length];
  const length = (dim) => product(dim.map((axis) => axis.value ?? size(axis.name)));
  const shapes = operands.map((side) =>
    side.composition.flatMap((dim) =>
      dim === "…" ? Array.from({ length: dots }, (_, i) => size(`…${i}`)) : length(dim),
    ),
  );
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
  const {
    operands: [left],
    output,
  } = parse(operation, pattern);
  const groups = left.composition
    .filter((dim) => dim !== "…" && dim.length > 1)
    .map((dim) => dim.filter((axis) => isName(axis) && axis.name !== "…").map((axis) => axis.name));
  const split = groups.flatMap((names) => {
    const given = names.filter((name) => name in sizes);
    return given.length >= names.length - 1 && given.length ? given : names.slice(0, -1);
  });
  return [
    ...split,
    ...output.axes.filter((axis) => isName(axis) && !left.names.has(axis.name)).map((axis) => axis.name),
  ];
}
