// SignalScope's formulas equal lmcourse.initialization. Run: node --test tests/widgets/signal_scope.test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { erf, expectedStds, place, schemeGain, truncatedStd, verdict } from "../../lmcourse/widgets/signal_scope.js";

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
    forward.forEach((want, k) => near(got.forward[k], want, 1e-3)); // a coarser grid than Python's
    backward.forEach((want, k) => near(got.backward[k], want, 5e-3));
  }
});

test("schemes of square layers", () => {
  for (const [scheme, gain] of Object.entries(golden.gains)) near(schemeGain(scheme), gain, 1e-12);
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
