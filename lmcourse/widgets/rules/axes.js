// What follows from the loop nest of a pattern: which elements meet, the code, the work, whether it is a view. Node
// tests hold it against lmcourse.axes on golden vectors.
import { product } from "./pattern.js";

const LETTERS = "xyzuvw";

/**
 * The loop variables at a flat position in these dimensions: {name: value}, or null where two disagree (off a
 * diagonal).
 */
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
    for (const [i, a] of operands.entries())
      for (const [j, b] of operands.slice(i + 1).entries()) {
        const rest = operands.filter((_, k) => k !== i && k !== i + 1 + j);
        const union = [...new Set([...a, ...b])];
        const left = union.filter((name) => nest.kept.includes(name) || rest.some((other) => other.includes(name)));
        const here = product(union.map((name) => nest.sizes[name])) * (left.length < union.length ? 2 : 1);
        best = Math.min(best, here + cost([...rest, left]));
      }
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
          why:
            `(${dim.join(" ")}) would need one stride: a step of ${slow} is ${at(slow)} elements, ` +
            `all of ${fast} together ${run}`,
        };
    }
    result.push(real.length ? at(real.at(-1)) : 1);
  }
  const fresh = nest.kept.filter((name) => !nest.inputs[0].flat().includes(name));
  return {
    view: true,
    why:
      `only the strides change, to (${result.join(", ")})` +
      (fresh.length ? `; ${fresh.join(" and ")} repeats with stride 0` : ""),
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
    for (const one of words) bound.add(one);
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
