// The meaning of a pattern in JS is the one in Python. Run: node --test tests/widgets/axes_explorer.test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as follows from "../../lmcourse/widgets/rules/axes.js";
import * as chains from "../../lmcourse/widgets/rules/axes_chain.js";
import { huesOf } from "../../lmcourse/widgets/rules/axes_hues.js";
import * as sizes from "../../lmcourse/widgets/rules/axes_sizes.js";
import { loopNest } from "../../lmcourse/widgets/rules/loop_nest.js";
import * as pattern from "../../lmcourse/widgets/rules/pattern.js";

const axes = { ...follows, ...chains, ...sizes, ...pattern, loopNest };

const golden = JSON.parse(readFileSync(new URL("../golden/axes_explorer.json", import.meta.url), "utf8"));
const flatTerms = (terms) => terms.map((term) => (Array.isArray(term) ? term : [term]));
const setInOrder = (message) =>
  message.replace(/\{(.*?)\}/g, (_, inside) => `{${inside.split(", ").sort().join(", ")}}`);
const about = (found) => `${found.operation} "${found.pattern}" ${JSON.stringify(found.shapes)}`;

test("every valid pattern has Python's sizes, shape and terms", () => {
  assert.ok(golden.valid.length >= 200);
  for (const found of golden.valid) {
    const nest = axes.loopNest(found);
    assert.deepEqual(nest.sizes, found.solved, about(found));
    assert.deepEqual(nest.outputShape, found.out_shape, about(found));
    for (const [flat, terms] of found.terms.entries())
      assert.deepEqual(axes.sources(nest, flat), flatTerms(terms), about(found));
  }
});

test("elements meet exactly when one is a source of the other", () => {
  for (const found of golden.valid) {
    const nest = axes.loopNest(found);
    for (const [k, dims] of nest.inputs.entries())
      for (const [flat, terms] of found.terms.entries()) {
        const out = axes.assignment(nest.output, nest.outputShape, nest.sizes, flat);
        const used = new Set(flatTerms(terms).map((term) => term[k]));
        const count = nest.shapes[k].reduce((a, b) => a * b, 1);
        for (let i = 0; i < count; i += 1) {
          const here = axes.assignment(dims, nest.shapes[k], nest.sizes, i);
          assert.equal(axes.agree(out, here), used.has(i), `${about(found)} out ${flat}, operand ${k} ${i}`);
        }
      }
  }
});

test("loop nest, signature and FLOPs are Python's", () => {
  for (const found of golden.valid) {
    const nest = axes.loopNest(found);
    assert.deepEqual(axes.code(nest), found.code, about(found));
    if (found.signature !== null) assert.equal(axes.signature(nest), found.signature, about(found));
    if (found.flops !== null) assert.equal(axes.flops(nest), found.flops, about(found));
  }
});

test("view or copy is what the storage pointers said", () => {
  for (const found of golden.valid) {
    const nest = axes.loopNest(found),
      seen = axes.viewOf(nest, found.strides);
    assert.equal(seen.view, found.view, `${about(found)} strides ${found.strides}`);
    if (!seen.view || nest.iterations === 0) continue;
    nest.outputShape.forEach((length, i) => {
      if (length > 1) assert.equal(seen.strides[i], found.result_strides[i], about(found));
    });
  }
});

test("every invalid pattern has einops' own message, at the right place, and a fix", () => {
  for (const found of golden.invalid) {
    let refused = null;
    try {
      axes.loopNest(found);
    } catch (error) {
      refused = error;
    }
    assert.ok(refused instanceof axes.PatternError, `${about(found)}: ${refused}`);
    assert.equal(setInOrder(refused.message), found.message, about(found));
    assert.equal(found.pattern.slice(refused.start, refused.end), found.blame, about(found));
    assert.ok(refused.fix.length > 10, about(found));
  }
});

test("three operands are cheaper in pairs", () => {
  const nest = axes.loopNest({
    operation: "einsum",
    pattern: "i j, j k, k l -> i l",
    shapes: [
      [2, 30],
      [30, 3],
      [3, 40],
    ],
  });
  assert.equal(axes.flops(nest), 3 * 2 * 30 * 3 * 40);
  assert.equal(axes.pairwiseFlops(nest), 2 * (2 * 30 * 3) + 2 * (2 * 3 * 40));
});

test("the roles of axes are those of a Venn diagram", () => {
  const nest = axes.loopNest({
    operation: "einsum",
    pattern: "b q d, b k d -> b q k",
    shapes: [
      [2, 3, 4],
      [2, 5, 4],
    ],
  });
  assert.deepEqual(axes.roles(nest), { b: "batch", q: "free in x", k: "free in y", d: "contracted" });
});

test("an element of the joined heads is followed back through the whole chain", () => {
  const step = (name, operation, pattern, inputs, over) => ({ name, operation, pattern, inputs, over });
  const chain = [
    step("scores", "einsum", "b q d, b k d -> b q k", ["Q", "K"]),
    step("weights", "softmax", "b q k -> b q k", ["scores"], "k"),
    step("mixed", "einsum", "b q k, b k d -> b q d", ["weights", "V"]),
  ];
  const steps = axes.chainNests(chain, { b: 1, q: 2, k: 3, d: 2 });
  const field = axes.chainField(steps, "mixed", 0); // query 0, first number
  assert.deepEqual([...field.get("V")].sort(), [0, 2, 4]);
  assert.deepEqual([...field.get("scores")].sort(), [0, 1, 2]);
  assert.deepEqual([...field.get("Q")].sort(), [0, 1]);
  assert.equal(field.get("K").size, 6);
  const down = axes.chainField(steps, "scores", 4); // query 1, key 1: the softmax spreads it over the row
  assert.deepEqual([...down.get("weights")].sort(), [3, 4, 5]);
  assert.deepEqual([...down.get("mixed")].sort(), [2, 3]);
});

test("a hue belongs to a name: not to its place, and names that often meet have their own", () => {
  const hues = (text) => Object.fromEntries(huesOf(text.split(" "), 6));
  assert.deepEqual(hues("b t h d"), hues("d h t b"));
  for (const text of ["b t h d", "b h q k d", "b g r q k d", "m k n", "c y h x w", "batch height width"])
    assert.equal(new Set(Object.values(hues(text))).size, text.split(" ").length, text);
  assert.equal(hues("b t h d").h, hues("b h q k d").h);
  assert.equal(Object.keys(hues("a b c d e f g h i j")).length, 10, "more names than hues");
});
