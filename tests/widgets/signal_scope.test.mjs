// SignalScope's formulas equal lmcourse.initialization. Run: node --test tests/widgets/signal_scope.test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { erf, expectedStds, place, schemeGain, truncatedStd, verdict } from "../../lmcourse/widgets/rules/signals.js";
import { sceneOf, VIEWS } from "../../lmcourse/widgets/signal_scope.js";

const golden = JSON.parse(readFileSync(new URL("../golden/signal_scope.json", import.meta.url), "utf8"));
const near = (got, want, rel) => assert.ok(Math.abs(got - want) <= rel * Math.abs(want), `${got} is not ${want}`);

test("erf and the std of a cut normal", () => {
  for (const { bound, std, erf: value } of golden.bounds) {
    near(erf(bound), value, 1e-13);
    near(erf(-bound), -value, 1e-13);
    near(truncatedStd(bound), std, 1e-9);
  }
});

test("mean field, forward and backward", () => {
  for (const { depth, gain, activation, forward, backward } of golden.stds) {
    const got = expectedStds(depth, gain, activation);
    // a coarser grid than Python's
    for (const [k, want] of forward.entries()) near(got.forward[k], want, 1e-3);
    for (const [k, want] of backward.entries()) near(got.backward[k], want, 5e-3);
  }
});

test("schemes of square layers", () => {
  for (const [scheme, gain] of Object.entries(golden.gains)) near(schemeGain(scheme), gain, 1e-12);
});

const measured = {
  settings: { scheme: "lecun", activation: "relu", gain: 1, depth: 3, residual: false },
  widths: [32, 64],
  forward: [
    [1, 0.7, 0.5],
    [1, 0.7, 0.01],
  ],
  backward: [
    [0.1, 0.3, 0.7],
    [0.1, 0.3, 0.7],
  ],
  histogram: [[1], [1], [1]],
  lost: { float16: [[0, 0], [0.25, 0.1], [0, 0]] }, // biome-ignore format: a row a layer
};
const state = (more) => ({
  ...measured.settings,
  measured,
  vocab_size: 50257,
  layer: 1,
  number_format: "float16",
  formats: { float16: { tiny: 2 ** -24, max: 65504 } },
  mine: [],
  ...more,
});
const local = { bound: 3, d: 16384, absolute: true, logits: 0.02, badVocab: false };
const said = (view, more, looks = {}) => VIEWS[view].words(sceneOf(state(more), { ...local, ...looks }));

test("each view says what it shows", () => {
  assert.deepEqual(said("map"), [
    "The signal dies, × 0.1 a layer; layer 2: std 0.7 (theory 0.707), gradient 0.3.",
    "bad",
  ]);
  assert.match(said("magnitudes")[0], /^float16 loses most in layer 2: 25\.0 % become 0, 10\.0 % overflow\.$/);
  assert.match(said("truncation")[0], /bound of 3\.0 is 384σ here: nothing is cut/);
  assert.match(said("truncation", {}, { absolute: false })[0], /cuts 0\.3 % and leaves a std of 0\.9866σ/);
  assert.match(said("stream")[0], /has std √\(1 \+ 2·3\) = 2\.65/);
  assert.deepEqual(said("loss"), ["A healthy first loss is 10.82.", "good"]);
  assert.match(said("loss", {}, { logits: 4 })[0], /^The first loss is 8 too high/);
  assert.equal(said("mine")[0], "No module was given.");
  const mine = [0.1, 0.1, 4, 4].map((std, k) => ({ name: `layer${k}`, std }));
  assert.match(said("mine", { mine })[0], /^The largest change is at layer2: × 40\./);
});

test("a verdict for every row, also for what is no number", () => {
  assert.equal(verdict([1, 0.5, 0.01]).word, "dies");
  assert.equal(verdict([1, 30]).word, "explodes");
  assert.equal(verdict([1, 1.1]).word, "lives");
  assert.equal(verdict([1, null]).word, "not finite");
  assert.equal(verdict([1, 0]).word, "dies");
  assert.equal(verdict([null, null]).word, "not finite");
  assert.deepEqual([place(1), place(1e9), place(0)], [0, 1, -1]);
});
