// node --test tests/widgets/roofline.test.mjs
// The costs and roofs of roofline.js are those of lmcourse.flops.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  attainable,
  bestSeconds,
  elementwiseShare,
  intensity,
  modelCosts,
  paramsOf,
  ridge,
  si,
  textbookCosts,
} from "../../lmcourse/widgets/roofline.js";

const golden = JSON.parse(readFileSync(new URL("../golden/roofline.json", import.meta.url), "utf-8"));
const near = (got, want, where) =>
  assert.ok(Math.abs(got - want) <= 1e-9 * Math.abs(want), `${where}: ${got} is not ${want}`);

function alike(got, want) {
  assert.deepEqual(Object.keys(got), Object.keys(want));
  for (const name of Object.keys(want)) {
    near(got[name].flops, want[name].flops, name);
    near(got[name].bytes, want[name].bytes, name);
  }
}

test("the textbook's operations", () => {
  for (const { rows, width, e, costs } of golden.textbook) alike(textbookCosts(rows, width, e), costs);
});

test("the operations of a block, and the parameters of each published model", () => {
  for (const { shape, params, batch, seq, e, costs } of golden.blocks) {
    assert.equal(paramsOf(shape), params);
    alike(modelCosts(shape, batch, seq, e), costs);
  }
});

test("roofs, ridges and the time at best", () => {
  for (const { peak, bandwidth, x, ridge: bend, rate } of golden.roofs) {
    near(ridge(peak, bandwidth), bend, "ridge");
    near(attainable(x, peak, bandwidth), rate, "rate");
    const cost = { flops: x * 1000, bytes: 1000 };
    near(bestSeconds(cost, peak, bandwidth), cost.flops / rate, "seconds");
    near(intensity(cost), x, "intensity");
  }
});

test("a dot crosses the ridge as the batch grows", () => {
  const at = (rows) => intensity(textbookCosts(rows, 4096, 2)["linear layer"]) > ridge(989.4e12, 3.35e12);
  assert.deepEqual([1, 8, 64, 512, 4096].map(at), [false, false, false, true, true]);
});

test("what is no matmul costs few FLOPs and much time", () => {
  const { shape } = golden.blocks[0],
    share = elementwiseShare(modelCosts(shape, 8, 1024, 2), 989.4e12, 3.35e12);
  assert.ok(share.flops < 0.02 && share.seconds > 0.3, JSON.stringify(share));
});

test("words", () => {
  assert.equal(si(989.4e12, "FLOP/s"), "989 TFLOP/s");
  assert.equal(si(0, "B"), "0.00 B");
  assert.equal(si(4.9e-9, "s"), "4.90 ns");
  assert.equal(si(999.9e3, "B"), "1.00 MB");
});
