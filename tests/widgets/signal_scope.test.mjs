// SignalScope's formulas equal lmcourse.initialization. Run: node --test tests/widgets/signal_scope.test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  erf,
  expectedStds,
  histogramOf,
  isHomogeneous,
  lostIn,
  network,
  place,
  schemeGain,
  stdOf,
  truncatedStd,
  verdict,
  widened,
} from "../../lmcourse/widgets/rules/signals.js";
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

test("a small network is propagate's, value by value, forward and backward", () => {
  for (const { draws, forward, backward, width, ...settings } of golden.networks) {
    const [weights, input, gradient] = draws;
    const size = width * width;
    const draw = (name) => {
      const [, layer] = name.match(/^layer (\d+)/) ?? [];
      if (layer) return Float32Array.from(weights).subarray(layer * size, (Number(layer) + 1) * size);
      return Float32Array.from(name.startsWith("input") ? input : gradient);
    };
    const { result, steps } = network(settings, width, draw);
    assert.equal([...steps].length, 2 * settings.depth, "a step for each layer, there and back");
    for (const [got, want] of [
      [result.values, forward],
      [result.gradients, backward],
    ])
      for (const [k, row] of want.entries())
        for (const [i, value] of row.entries())
          assert.ok(Math.abs(got[k][i] - value) < 1e-3 * (1 + Math.abs(value)), JSON.stringify(settings));
  }
  assert.equal(golden.networks.length, 8);
});

const runAll = (settings, width) => {
  const { result, steps } = network(settings, width);
  while (!steps.next().done);
  return result;
};

test("a wide network does what theory expects, and the same each time", () => {
  for (const activation of ["relu", "tanh", "gelu", "linear"]) {
    const settings = { depth: 8, gain: 1.4, activation, residual: false };
    const { values, gradients } = runAll(settings, 192);
    const { forward, backward } = expectedStds(8, 1.4, activation);
    for (const k of [0, 3, 7]) near(stdOf(values[k]), forward[k], 0.5); // one network of width 192, not all
    near(stdOf(gradients[0]), backward[0], 0.5);
    assert.deepEqual(runAll(settings, 192).values, values);
  }
});

test("where a gain only scales a network, it is not run again", () => {
  for (const activation of ["relu", "linear"]) {
    const settings = { depth: 6, gain: 1, activation, residual: false };
    assert.ok(isHomogeneous(settings));
    const [unit, wide] = [settings, { ...settings, gain: 1.7 }].map((each) => runAll(each, 32));
    for (const k of [0, 2, 5]) {
      const [forward, backward] = widened(1.7, k, 6);
      near(stdOf(wide.values[k]), stdOf(unit.values[k], forward), 1e-5);
      near(stdOf(wide.gradients[k]), stdOf(unit.gradients[k], backward), 1e-5);
    }
  }
  assert.ok(!isHomogeneous({ activation: "relu", residual: true }) && !isHomogeneous({ activation: "tanh" }));
});

test("what a format loses of values, and where they lie", () => {
  const half = { tiny: 2 ** -24, max: 65504 };
  assert.deepEqual(lostIn([1, 2 ** -26, 2 ** -25, 1e6, 0], 1, half), [0.4, 0.2]);
  assert.deepEqual(lostIn([1, 1], 1e9, half), [0, 1]);
  const bins = histogramOf([1, 1.5, 2, 0, 2 ** -60], 1);
  assert.deepEqual([bins[40], bins[41], bins[0], bins.reduce((a, b) => a + b)], [2, 1, 1, 4]);
  assert.equal(stdOf([1, Infinity]), null);
});

const rows = (last) => [[1, 0.9, 0.8], last];
const state = (more) => ({
  scheme: "lecun",
  activation: "relu",
  gain: 1,
  depth: 3,
  residual: false,
  vocab_size: 50257,
  layer: 1,
  number_format: "float16",
  formats: { float16: { tiny: 2 ** -24, max: 65504 } },
  mine: [],
  ...more,
});
const local = { bound: 3, d: 16384, absolute: true, logits: 0.02, badVocab: false };
const said = (view, more, looks = {}, run = {}) =>
  VIEWS[view].words({ ...sceneOf(state(more), { ...local, ...looks }), ...run });
const measured = (forward, backward) => ({
  measured: { widths: [32, 64], forward: rows(forward), backward: rows(backward), done: true },
});

test("the signal lives when it does on both ways", () => {
  const map = (forward, backward) => said("map", {}, {}, measured(forward, backward));
  assert.deepEqual(map([1, 0.7, 0.01], [1, 1, 1]), [
    "The signal dies, × 0.1 a layer; layer 2: std 0.7 (theory 0.707), gradient 1.",
    "bad",
  ]);
  assert.equal(map([1, 1, 1], [0.9, 1, 1])[1], "good");
  const [words, tone] = map([1, 1, 1], [57.8, 8, 1]);
  assert.ok(tone === "bad" && words.includes("lives, × 1 a layer, but the gradient explodes on its way back"), words);
  assert.match(map([1, null, null], [1, 1, 1])[0], /is not finite any more/);
  assert.deepEqual(said("map", {}, {}, { measured: { ...measured([], []).measured, done: false } }), [
    "Measuring…",
    "",
  ]);
});

test("each view says what it shows", () => {
  const widest = { lost: [[0, 0], [0.25, 0.1], [0, 0]] }; // biome-ignore format: a row a layer
  const [magnitudes] = said("magnitudes", {}, {}, { ...measured([1], [1]), widest });
  assert.match(magnitudes, /^float16 loses most in layer 2: 25\.0 % become 0, 10\.0 % overflow\.$/);
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
