// Scales, ticks and paths. Run: node --test tests/widgets/charts.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import * as charts from "../../lmcourse/widgets/lib/charts.js";

const { area, curve, line, linear, logarithmic, logTicks, nearest, spread, tenPower, ticks } = charts;

test("a linear scale takes the ends to the ends, and back", () => {
  const y = linear(-1, 3, 200, 0);
  assert.deepEqual([-1, 0, 3].map(y), [200, 150, 0]);
  assert.equal(y.invert(150), 0);
});

test("a log scale puts equal ratios at equal distances, and what is no positive number beyond its end", () => {
  const x = logarithmic(1, 1000, 0, 300);
  assert.ok([1, 10, 100, 1000].every((v, k) => Math.abs(x(v) - 100 * k) < 1e-9));
  assert.ok(Math.abs(x.invert(200) - 100) < 1e-9);
  assert.ok(x(0) < 0 && Number.isFinite(x(0)));
});

test("a scale of a single value puts all at its start", () => {
  assert.equal(linear(2, 2, 10, 90)(2), 10);
  assert.equal(linear(2, 2, 10, 90).invert(50), 2);
});

test("ticks are 1, 2 or 5 times a power of ten apart, and written without rounding errors", () => {
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(0.13, 0.74, 4), [0.2, 0.4, 0.6]);
  assert.deepEqual(ticks(-7, 13, 4), [-5, 0, 5, 10]);
});

test("log ticks thin out: 1, 2, 5, then powers of ten, then every few", () => {
  assert.deepEqual(logTicks(1, 100, 8), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(logTicks(1, 1000, 5), [1, 10, 100, 1000]);
  assert.deepEqual(logTicks(1e-9, 1, 4), [1e-9, 1e-6, 1e-3, 1]);
  assert.deepEqual(logTicks(1e-5, 1e-3, 3), [1e-5, 1e-4, 1e-3], "each as its literal is read");
  assert.equal(tenPower(1e-3), "10⁻³");
});

test("a path has a gap where a place is not finite", () => {
  assert.equal(
    line([
      [0, 0],
      [1, 2.004],
      [2, NaN],
      [3, 1],
      [4, 1],
    ]),
    "M0 0L1 2M3 1L4 1",
  );
  assert.equal(line([]), "");
});

test("a curve leaves out what is not finite before a scale could hold it at the edge", () => {
  const held = (v) => Math.min(10, v);
  assert.equal(
    curve([0, 1, 2], [1, Infinity, 50], (v) => v, held),
    "M0 1M2 10",
  );
});

test("an area closes on its base", () => {
  assert.equal(
    area(
      [
        [0, 5],
        [2, 3],
      ],
      9,
    ),
    "M0 9L0 5L2 3L2 9Z",
  );
  assert.equal(area([], 9), "");
});

test("labels are spread in their order and stay inside", () => {
  assert.deepEqual(spread([10, 12, 40], 10, 0, 100), [10, 20, 40]);
  assert.deepEqual(spread([98, 99], 10, 0, 100), [90, 100]);
});

test("the nearest of ascending values, the earlier where two are as near", () => {
  assert.deepEqual(
    [0, 14, 15, 16, 99].map((v) => nearest([0, 10, 20], v)),
    [0, 1, 1, 2, 2],
  );
});
