// Chains of patterns: each step's output is a later step's input, and one name keeps one size and one colour
// throughout.
import { agree, assignment, sources, steps } from "./axes.js";
import { freeNest } from "./axes_sizes.js";
import { product } from "./pattern.js";

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
      for (const term of sources(nest, out, 4096, by)) for (const [k, from] of term.entries()) mark(inputs[k], from);
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
