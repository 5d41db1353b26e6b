// Run: node --test tests/widgets/format_histogram.test.mjs
// What rounding does to a tensor, in the JS, against lmcourse.float_formats in every format and at several scales.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const { exponentOf, fittingScale, largestOf, report, roundMagnitude } = await import(
  "../../lmcourse/widgets/rules/histogram.js"
);
const golden = JSON.parse(readFileSync(new URL("../golden/format_histogram.json", import.meta.url), "utf-8"));
const named = (name) => golden.formats.find((f) => f.name === name);
const near = (a, b) =>
  a === b || (a !== null && b !== null && Math.abs(a - b) <= 1e-9 * Math.max(1e-3, Math.abs(a), Math.abs(b)));

test("every format and block format reports what Python reports", () => {
  let count = 0;
  for (const { values, largest, reports } of golden.cases) {
    for (const [name, expected] of Object.entries(reports)) {
      const got = report(Float64Array.from(values), name, golden.formats, largest);
      for (const key of ["underflow", "overflow", "error", "decibel"]) {
        assert.ok(near(got[key], expected[key]), `${name} ${key}: ${got[key]} is not ${expected[key]}`);
        count += 1;
      }
    }
  }
  assert.ok(count >= 9 * 14 * 4);
});

test("the fitting scale is Python's", () => {
  for (const [name, largest, scale] of golden.fits)
    assert.equal(fittingScale(named(name), largest), scale, `${name} ${largest}`);
});

test("limits and ties are the format's own", () => {
  assert.equal(largestOf(named("float16")), 65504);
  assert.equal(largestOf(named("float8_e4m3fn")), 448);
  assert.equal(largestOf(named("float4_e2m1fn")), 6);
  assert.equal(largestOf(named("float32")), 3.4028234663852886e38);
  assert.equal(roundMagnitude(named("float16"), 2 ** -25), 0);
  assert.equal(roundMagnitude(named("float16"), 2 ** -25 * 1.0001), 2 ** -24);
  assert.equal(roundMagnitude(named("bfloat16"), 257), 256);
  assert.equal(roundMagnitude(named("bfloat16"), 259), 260);
  assert.equal(exponentOf(0.75), -1);
});
