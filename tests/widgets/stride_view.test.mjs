// node --test tests/widgets/stride_view.test.mjs
// The rules give PyTorch's and NumPy's answers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  addressesOf,
  canView,
  contiguousStrides,
  indexAt,
  isContiguous,
  lineFetches,
  offsetOf,
  strideSteps,
  viewConflict,
} from "../../lmcourse/widgets/rules/strides.js";
import { applySteps } from "../../lmcourse/widgets/rules/tensor_operations.js";
import { parse } from "../../lmcourse/widgets/rules/tensor_text.js";

const golden = JSON.parse(readFileSync(new URL("../golden/stride_view.json", import.meta.url), "utf-8"));
const prod = (numbers) => numbers.reduce((a, b) => a * b, 1);

function told(record, text, library = "torch") {
  let steps;
  try {
    ({ steps } = parse(text, library));
  } catch (error) {
    return { refused: error.message };
  }
  try {
    const { shape, strides, offset, size, copied } = applySteps(record, steps);
    return { shape, strides, offset, size, contiguous: isContiguous(shape, strides), copied };
  } catch (error) {
    return { error: error.kind, words: error.message };
  }
}

function alike(got, want, text) {
  if ("refused" in want) return assert.ok("refused" in got, `${text} must be refused, got ${JSON.stringify(got)}`);
  if ("error" in want && !("words" in want)) return assert.equal(got.error, want.error, text);
  assert.deepEqual(got, want, text);
}

const fresh = (shape) => ({
  shape,
  strides: contiguousStrides(shape),
  offset: 0,
  size: prod(shape),
  itemsize: 4,
  library: "torch",
  copied: null,
});

test("chains of operations: shape, strides, offset, view or copy, error and words", () => {
  for (const { of, text, answer } of golden.chains) alike(told(fresh(of), text), answer, `${text} of (${of})`);
  assert.ok(golden.chains.length >= 900);
});

test("NumPy: steps that run backwards, and no .view", () => {
  for (const { text, answer } of golden.arrays)
    alike(told({ ...fresh([3, 4]), itemsize: 8, library: "numpy" }, text, "numpy"), answer, text);
});

test("texts that are not allowed, and wrong arguments", () => {
  for (const { text, answer } of golden.texts) alike(told(fresh([3, 4]), text), answer, text);
});

test("will .view() work, and which two dimensions stop it", () => {
  for (const { shape, strides, new: newShape, conflict } of golden.views) {
    const got = viewConflict(shape, strides, newShape);
    assert.deepEqual(
      got && [got.dims, got.newDim, got.stride, got.needed],
      conflict,
      `${shape} ${strides} to ${newShape}`,
    );
    assert.equal(canView(shape, strides, newShape) === null, conflict !== null);
  }
});

test("addresses and cache lines of a walk", () => {
  for (const { shape, strides, positions, line, kept, loads } of golden.walks) {
    assert.deepEqual(addressesOf({ shape, strides, offset: 3 }), positions);
    assert.equal(lineFetches(positions, 4, line, kept).filter(Boolean).length, loads);
  }
});

test("the odometer counts every index once, in either order", () => {
  const rows = Array.from({ length: 6 }, (_, k) => indexAt(k, [2, 3]));
  assert.deepEqual(rows, [
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 0],
    [1, 1],
    [1, 2],
  ]);
  const columns = Array.from({ length: 6 }, (_, k) => indexAt(k, [2, 3], true));
  assert.deepEqual(columns, [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
    [0, 2],
    [1, 2],
  ]);
  assert.equal(offsetOf([2, 3], [4, 1]), 11);
});

test("steps along each dimension go through the index, and a size of 1 has none", () => {
  const lane = { shape: [3, 1, 4], strides: [4, 4, 1], offset: 0 };
  assert.deepEqual(strideSteps(lane, [1, 0, 2]), [
    { dim: 2, stride: 1, stops: [4, 5, 6, 7] },
    { dim: 0, stride: 4, stops: [2, 6, 10] },
  ]);
  assert.deepEqual(strideSteps({ shape: [2], strides: [0], offset: 5 }, [0]), [{ dim: 0, stride: 0, stops: [5, 5] }]);
});
