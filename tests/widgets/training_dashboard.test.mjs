// node --test tests/widgets/training_dashboard.test.mjs
// What training_dashboard.js makes of the numbers that Python sends, and where it puts them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  COLUMNS,
  before,
  ceiling,
  columns,
  heat,
  nearest,
  path,
  scale,
  spikeWords,
  spread,
  ticks,
  words,
} from "../../lmcourse/widgets/training_dashboard.js";

const golden = JSON.parse(readFileSync(new URL("../golden/training_dashboard.json", import.meta.url), "utf-8"));

test("the bytes of a kernel and the list of a page are the same numbers", () => {
  const bytes = Uint8Array.from([0, 0, ...golden.bytes]); // at an odd place, as a message may have it
  const live = columns(new DataView(bytes.buffer, 2));
  const stored = columns(COLUMNS.flatMap((_, k) => golden.rows.map((row) => row[k])));
  for (const [k, name] of COLUMNS.entries()) {
    const want = golden.rows.map((row) => (row[k] === null ? NaN : Math.fround(row[k])));
    assert.deepEqual([...stored[name]], want, name);
    assert.deepEqual([...live[name]], want, name);
  }
  assert.equal(columns([]).step.length, 0);
  assert.equal(columns(new DataView(new ArrayBuffer(0))).loss.length, 0);
});

test("a jump in words", () => {
  assert.equal(spikeWords(golden.spikes[0]), "Step 17: the loss is no finite number, gradient norm 1.");
  assert.equal(
    spikeWords({ step: 1137, above: 0.5, loss: 3.25, grad_norm: null }),
    "Step 1\u2009137: loss 3.250, 0.50 above the average of the steps before it.",
  );
});

test("scales, linear and logarithmic", () => {
  const x = scale(0, 100, 10, 210),
    log = scale(1, 1000, 0, 300, true);
  assert.deepEqual([0, 50, 100].map(x), [10, 110, 210]);
  assert.deepEqual(
    [1, 10, 1000].map((v) => Math.round(log(v))),
    [0, 100, 300],
  );
  assert.equal(scale(2, 2, 10, 20)(2), 10);
});

test("ticks are round and lie inside", () => {
  assert.deepEqual(ticks(0, 240, 5), [0, 50, 100, 150, 200]);
  assert.deepEqual(ticks(1, 1000, 4, true), [1, 10, 100, 1000]);
  assert.deepEqual(ticks(1, 40, 8, true), [1, 2, 5, 10, 20]);
  for (const [lo, hi, most] of [
    [2.31, 6.4, 5],
    [0.001, 0.002, 4],
    [-3, 1e6, 7],
  ]) {
    const got = ticks(lo, hi, most);
    assert.ok(got.length >= 2 && got.length <= most + 1 && got.every((v) => v >= lo && v <= hi), `${lo} ${hi}: ${got}`);
  }
});

test("a path has gaps where there is no number", () => {
  const same = (v) => v;
  assert.equal(path([1, 2, 3, 4, 5], [1, NaN, 3, 4, Infinity], same, same), "M1 1M3 3L4 4");
  assert.equal(path([], [], same, same), "");
});

test("the nearest step is the nearest, by trying all", () => {
  const steps = Float32Array.from([1, 2, 5, 9, 20, 21]);
  for (let step = -3; step < 30; step += 0.5) {
    const all = [...steps].map((each) => Math.abs(each - step));
    assert.equal(Math.abs(steps[nearest(steps, step)] - step), Math.min(...all), `step ${step}`);
  }
});

test("the last row at or before a step", () => {
  const rows = [
    [0, "a"],
    [50, "b"],
    [100, "c"],
  ];
  assert.deepEqual(
    [-1, 0, 49, 50, 1000].map((step) => before(rows, step)),
    [-1, 0, 0, 1, 2],
  );
});

test("labels keep their order and their distance", () => {
  const places = spread([100, 101, 99, 20], 15, 0, 130);
  const sorted = [...places].sort((a, b) => a - b);
  assert.ok(sorted.every((v, k) => k === 0 || v - sorted[k - 1] >= 15 - 1e-9));
  assert.ok(places[2] < places[0] && places[0] < places[1] && places[3] === 20 && Math.max(...places) <= 130);
});

test("a run that goes astray does not flatten the others", () => {
  assert.equal(ceiling([6.2, NaN], [5]), 1.04 * 6.2);
  assert.equal(ceiling([], []), 1);
});

test("numbers as a reader wants them", () => {
  assert.equal(words("loss", NaN), "not a number");
  assert.equal(words("loss", Infinity), "infinite");
  assert.equal(words("mfu", NaN), "unknown");
  assert.equal(words("lr", Math.fround(3e-4)), "3 × 10⁻⁴");
  assert.equal(words("lr", 0.02), "0.02");
  assert.equal(words("lr", 0), "0");
  assert.equal(words("rate", 41234), "41.2 k");
  assert.equal(words("rate", 999), "999");
  assert.equal(words("rate", 1.5e6), "1.50 M");
  assert.equal(words("mfu", 0.384), "38 %");
  assert.equal(words("mfu", 0.051), "5.1 %");
});

test("the tint of a token", () => {
  assert.deepEqual([heat(0, 4), heat(2, 4), heat(9, 4), heat(null, 4)], [0, 0.5, 1, 1]);
});
