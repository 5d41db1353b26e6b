// node --test tests/widgets/training_budget.test.mjs
// The arithmetic of training_budget.js gives the numbers of lmcourse.flops.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  bytesText,
  computeOptimal,
  flopsPerToken,
  memoryTimeline,
  moneyText,
  numbers,
  readPositive,
  resized,
  timeText,
  trainingMemory,
  transformerFlops,
  transformerParams,
} from "../../lmcourse/widgets/training_budget.js";

const golden = JSON.parse(readFileSync(new URL("../golden/training_budget.json", import.meta.url), "utf-8"));

function alike(got, want, where) {
  if (typeof want === "number") {
    assert.ok(
      Math.abs(got - want) <= 1e-9 * Math.max(1e-300, Math.abs(want)) || got === want,
      `${where}: ${got} is not ${want}`,
    );
  } else if (want !== null && typeof want === "object") {
    for (const key of Object.keys(want)) alike(got[key], want[key], `${where}.${key}`);
    assert.deepEqual(new Set(Object.keys(got)), new Set(Object.keys(want)), where);
  } else assert.equal(got, want, where);
}

test("parameters, FLOPs and the five conventions", () => {
  for (const { shape, seq, params, flops, causal, per_token } of golden.shapes) {
    alike(transformerParams(shape), params, "params");
    alike(transformerFlops(shape, 3, seq), flops, "flops");
    alike(transformerFlops(shape, 3, seq, true), causal, "causal");
    alike(flopsPerToken(shape, seq), per_token, "per token");
  }
  assert.ok(golden.shapes.length >= 28);
});

test("memory by part and through a step", () => {
  for (const { shape, options, parts, timeline, moments } of golden.memory) {
    const run = {
      batch: 2,
      seq: 256,
      recipe: golden.tables.recipes[options.recipe],
      moments: golden.tables.moments[options.optimizer],
      fused: options.fused_attention,
      checkpoint: options.checkpoint,
      stage: golden.tables.sharding.indexOf(options.sharding),
      devices: options.devices,
      firstStep: options.first_step,
      accumulate: options.accumulate,
    };
    alike(trainingMemory(shape, run), parts, "parts");
    const got = memoryTimeline(shape, run);
    assert.equal(got.length, moments);
    alike(timeline.length === moments ? got : [...got.slice(0, 3), ...got.slice(-3)], timeline, "timeline");
  }
});

test("days, dollars, peak and utilisations of whole states", () => {
  for (const { state, numbers: want } of golden.widgets) {
    const got = numbers({ ...state, chips: { [state.chip]: state.row }, tables: golden.tables });
    const named = {
      params: got.params,
      peak: got.peak,
      per_token: got.perToken,
      total_flops: got.totalFlops,
      tokens_per_s: got.tokensPerSecond,
      days: got.days,
      dollars: got.dollars,
      memory: got.memory,
      peak_bytes: got.peakBytes,
      peak_moment: got.peakMoment,
      mfus: got.mfus,
    };
    alike(named, want, state.chip);
  }
});

test("the compute-optimal model of a budget", () => {
  for (const { flops, ratio, is } of golden.optimal) {
    const { params, tokens } = computeOptimal(flops, ratio);
    alike([params, tokens], is, "optimal");
  }
});

test("a resized model keeps its proportions and stays possible", () => {
  const { shape } = golden.shapes.find((row) => row.shape.num_kv_heads === 8 && row.shape.d_model === 4096);
  assert.deepEqual(resized(shape, {}), shape);
  for (let width = 64; width <= 16384; width += 64) {
    const small = resized(shape, { layers: 3, width });
    assert.equal(small.num_heads % small.num_kv_heads, 0);
    assert.ok(small.d_model > 0 && small.d_ff > 0 && Number.isInteger(small.d_model) && Number.isInteger(small.d_ff));
    assert.equal(small.num_layers, 3);
  }
});

test("what a reader types is a positive number, or is refused in words", () => {
  assert.equal(readPositive("15e12", "tokens"), 15e12);
  assert.equal(readPositive(" 10 000 000 ", "tokens"), 1e7);
  assert.equal(readPositive("2.5", "price"), 2.5);
  assert.equal(readPositive("1,000,000", "tokens"), 1e6);
  for (const text of [
    "",
    "  ",
    "abc",
    "-3",
    "0",
    "1e400",
    "NaN",
    "Infinity",
    "1e22",
    "<img src=x onerror=alert(1)>",
    "0x10",
    "1e",
    "--1",
    "1.2.3",
  ])
    assert.throws(() => readPositive(text, "tokens"), /tokens: /, text);
});

test("words", () => {
  assert.equal(timeText(143.93), "143.9 days");
  assert.equal(timeText(0.5), "12.0 hours");
  assert.equal(timeText(800), "2.2 years");
  assert.equal(timeText(1 / 86400), "1.0 seconds");
  assert.equal(moneyText(7.134e6), "$7.13 million");
  assert.equal(moneyText(1234.4), "$1,234");
  assert.equal(bytesText(80e9), "80.0 GB");
  assert.equal(bytesText(2415919104, true), "2.25 GiB");
  assert.equal(bytesText(1000), "1.00 kB");
  assert.equal(bytesText(0), "0.00 B");
});
