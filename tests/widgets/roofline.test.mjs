// node --test tests/widgets/roofline.test.mjs
// The costs and roofs of roofline.js are those of lmcourse.flops.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { namesBetween } from "../../lmcourse/widgets/parts/roofline_picture.js";
import { reading, roofOf } from "../../lmcourse/widgets/roofline.js";
import {
  attainable,
  bestSeconds,
  elementwiseShare,
  intensity,
  modelCosts,
  ridge,
  textbookCosts,
  total,
  transformerParams,
} from "../../lmcourse/widgets/rules/flops.js";

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
    assert.equal(total(transformerParams(shape)), params);
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

const CHIP = {
  peak: { bfloat16: 989.4e12 },
  bandwidth: 3.35e12,
  sparse_factor: 2,
  source: "a datasheet",
  date: "2026",
};
const state = (more) => ({
  chip: "H100",
  dtype: "bfloat16",
  chips: { H100: CHIP },
  element_bytes: { bfloat16: 2 },
  operations: "textbook",
  batch: 8,
  width: 4096,
  measured: {},
  costs: {},
  timed: {},
  bandwidth_times: 1,
  sparse: false,
  selected: "linear layer",
  ...more,
});

test("the reading says which limit decides, here and on the reader's machine", () => {
  const low = reading(roofOf(state()));
  assert.match(
    low[0],
    /^linear layer: 7\.97 FLOPs a byte, 37\.1 × below the ridge: memory decides, and at best 2\.7 %/,
  );
  assert.match(reading(roofOf(state({ batch: 4096 })))[0], /above the ridge: arithmetic decides/);
  const measured = { flop_per_s: 1e11, bytes_per_s: 1e11 };
  assert.match(
    reading(roofOf(state({ measured })))[0],
    /On your machine the ridge is 1\.00: there arithmetic decides\.$/,
  );
  assert.deepEqual(reading(roofOf(state({ sparse: true })))[1], "bad");
});

test("the linear layer is looked at first, and what is not on the stage is replaced", () => {
  for (const selected of ["", "softmax"]) assert.equal(roofOf(state({ selected })).at, "linear layer");
  const costs = { mm: { flops: 8, bytes: 2 } };
  const yours = roofOf(state({ operations: "yours", costs, timed: { mm: 2, gone: 1 } }));
  assert.deepEqual(yours.reached, { mm: { flops: 8, bytes: 2, seconds: 2 } });
});

test("the trail of the linear layer goes over the ridge as the batch grows; that of a ReLU stays", () => {
  const roof = roofOf(state());
  assert.deepEqual(
    roof.trail.map(({ batch }) => batch),
    Array.from({ length: 13 }, (_, k) => 2 ** k),
  );
  const above = roof.trail.filter(({ x }) => x > roof.bend).map(({ batch }) => batch);
  assert.equal(above[0], 512);
  assert.deepEqual(roofOf(state({ selected: "ReLU" })).trail, []);
  assert.deepEqual(roofOf(state({ operations: "yours", costs: { mm: { flops: 8, bytes: 2 } } })).trail, []);
});

test("names of dots do not lie over each other", (t) => {
  const had = globalThis.document;
  t.after(() => {
    globalThis.document = had;
  });
  globalThis.document = /** @type {any} */ ({
    createElementNS: () => ({
      attributes: {},
      setAttribute(name, value) {
        this.attributes[name] = value;
      },
      append() {},
    }),
  });
  const names = namesBetween(0, 400);
  const places = Array.from({ length: 6 }, () => names.put(200, 100, "an operation", true).attributes);
  for (const [k, a] of places.entries())
    for (const b of places.slice(0, k)) assert.ok(Math.abs(a.x - b.x) > 80 || Math.abs(a.y - b.y) >= 13);
});
