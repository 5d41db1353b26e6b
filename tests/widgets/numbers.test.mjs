// Numbers as words. Run: node --test tests/widgets/numbers.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import * as numbers from "../../lmcourse/widgets/lib/numbers.js";

const { bytes, clamp, grouped, inWords, percent, plural, raised, scientific, short, si, three } = numbers;

test("whole numbers are grouped by thin spaces, powers are raised", () => {
  assert.equal(grouped(1234567), "1\u2009234\u2009567");
  assert.equal(grouped(999), "999");
  assert.equal(raised(-126), "⁻¹²⁶");
});

test("one is singular, and an irregular plural may be given", () => {
  assert.equal(plural(1, "page"), "1 page");
  assert.equal(plural(0, "page"), "0 pages");
  assert.equal(plural(1200, "batch", "batches"), "1\u2009200 batches");
});

test("short numbers have no zeros behind them, and powers of ten beyond 0.001 … 10 000", () => {
  assert.equal(short(0), "0");
  assert.equal(short(0.05), "0.05");
  assert.equal(short(-12.345), "−12.3");
  assert.equal(short(0.00041), "4.1 × 10⁻⁴");
  assert.equal(short(9999), "1 × 10⁴");
  assert.equal(short(1 / 3, 5), "0.33333");
  assert.equal(short(null), "not finite");
  assert.equal(short(Number.NaN), "not finite");
  assert.equal(short(-Infinity), "−∞");
});

test("three digits keep the zeros, also where rounding adds a digit", () => {
  assert.deepEqual([1, 9.995, 12.34, 99.94, 99.95, 1234].map(three), ["1.00", "10.0", "12.3", "99.9", "100", "1234"]);
});

test("scientific numbers keep all digits", () => {
  assert.equal(scientific(1.2e9), "1.20 × 10⁹");
  assert.equal(scientific(0.000123456, 2), "1.2 × 10⁻⁴");
});

test("a small share is never told as nothing", () => {
  assert.equal(percent(0), "0 %");
  assert.equal(percent(0.123), "12.3 %");
  assert.equal(percent(0.0002), "under 0.1 %");
  assert.equal(percent(0.0002, 2), "0.02 %");
  assert.equal(percent(Number.NaN), "not finite");
});

test("prefixes and units: the largest that leaves 1 or more, also where rounding lifts it there", () => {
  assert.equal(si(989.4e12, "FLOP/s"), "989 TFLOP/s");
  assert.equal(si(999.96e9, "B"), "1.00 TB");
  assert.equal(si(2.5e-6, "s"), "2.50 µs");
  assert.equal(si(0, "B"), "0.00 B");
  assert.equal(si(1, "B"), "1.00 B");
  assert.equal(bytes(16e9), "16.0 GB");
  assert.equal(bytes(16e9, true), "14.9 GiB");
  assert.equal(bytes(1023.9, true), "1.00 KiB");
  assert.equal(inWords(70.6e9), "70.6 billion");
  assert.equal(inWords(12), "12.0");
});

test("clamp holds a value within its range", () => {
  assert.deepEqual(
    [-1, 0.5, 7].map((v) => clamp(v, 0, 1)),
    [0, 0.5, 1],
  );
});
