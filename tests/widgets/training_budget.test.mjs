// node --test tests/widgets/training_budget.test.mjs
// The arithmetic of rules/flops.js gives the numbers of lmcourse.flops.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { barPlaces, letterPlace } from "../../lmcourse/widgets/parts/training_budget_memory.js";
import {
  cureWords,
  memoryWords,
  moneyText,
  readPositive,
  tidy,
  timelineWords,
  timeText,
} from "../../lmcourse/widgets/parts/training_budget_words.js";
import { curesOf, peakBytes } from "../../lmcourse/widgets/rules/cures.js";
import {
  computeOptimal,
  flopsPerToken,
  memoryTimeline,
  numbers,
  resized,
  trainingMemory,
  transformerFlops,
  transformerParams,
} from "../../lmcourse/widgets/rules/flops.js";
import { reading } from "../../lmcourse/widgets/training_budget.js";

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
  assert.deepEqual(["15.0 trillion", "1.50 billion", "150 million", "2.05 thousand", "1.00"].map(tidy), [
    "15 trillion",
    "1.5 billion",
    "150 million",
    "2.05 thousand",
    "1",
  ]);
});

// Llama 3 70B on 1024 H100s, as the widget opens
const { shape } = golden.shapes.find((row) => row.shape.d_model === 8192 && row.shape.num_layers === 80);
const H100 = { peak: { bfloat16: 989.4e12 }, sparse_factor: 2, memory: 80e9, achieved: 0.8 };
const state = (more) => ({
  preset: "Llama 3 70B",
  shape,
  chip: "H100",
  chips: { H100 },
  tables: golden.tables,
  devices: 1024,
  tokens: 15e12,
  mfu: 0.5,
  price: 2,
  convention: "6N",
  sparse: false,
  batch: 8,
  seq: 8192,
  accumulation: 1,
  recipe: "mixed",
  optimizer: "adamw",
  fused_attention: true,
  checkpoint: false,
  sharding: "none",
  first_step: false,
  binary: false,
  picture: "memory",
  moment: 0,
  days: 30,
  tokens_per_parameter: 20,
  ...more,
});

test("three switches, each of which saves what it says, make the step fit", () => {
  let now = state();
  assert.ok(peakBytes(now) > H100.memory);
  for (const name of ["split", "checkpoint", "batch"]) {
    const before = peakBytes(now);
    const cure = curesOf(now).find((each) => each.name === name);
    assert.ok(!cure.on && cure.possible && cure.saved > 0, name);
    now = { ...now, ...cure.changes };
    assert.equal(before - peakBytes(now), cure.saved, name);
    const pressed = curesOf(now).find((each) => each.name === name);
    assert.ok(pressed.on, `${name} is on`);
    assert.equal(peakBytes({ ...now, ...pressed.changes }), before, `${name} can be taken back`);
  }
  assert.ok(peakBytes(now) < H100.memory);
  assert.equal(now.batch * now.accumulation, 8, "a step sees as many sequences");
});

test("a switch that can do nothing says so", () => {
  const [split, , batch] = curesOf(state({ devices: 1, batch: 1 }));
  assert.ok(!split.possible && !batch.possible);
  assert.match(cureWords(split, state()), /nobody to share with/);
  assert.match(cureWords(batch, state()), /one sequence already/);
  assert.match(cureWords(curesOf(state())[1], state()), /would save 2\.21 TB, costs a third more FLOPs$/);
});

test("the bar has the parts side by side, and marks what does not fit on the card", () => {
  const parts = { parameters: 40, gradients: 0, master_copy: 20, optimizer_state: 20, activations: 15, logits: 5 };
  const { spans, room, need } = barPlaces(1020, parts, 50);
  assert.deepEqual(
    spans.map(([from, to]) => [Math.round(from), Math.round(to)]),
    [
      [0, 400],
      [400, 400],
      [400, 600],
      [600, 800],
      [800, 950],
      [950, 1000],
    ],
  );
  assert.deepEqual([Math.round(room), Math.round(need)], [500, 1000]);
  assert.deepEqual(letterPlace(0, 40, 100), { x: 20, wide: 40 });
  assert.deepEqual(letterPlace(0, 44, 25), { x: 12.5, wide: 21 }, "the card's edge does not cross it");
  assert.ok(barPlaces(1020, parts, 1e6).far, "a card that dwarfs the bar is named");
});

test("“most of it” is said of more than half", () => {
  const at = (parts) => ({ timeline: [{ moment: "step", ...parts }], peakBytes: 100, peakMoment: "step" });
  const none = { parameters: 0, gradients: 0, master_copy: 0, optimizer_state: 0, activations: 0, logits: 0 };
  const words = (parts) => timelineWords(at({ ...none, ...parts }), state())[0];
  assert.match(
    words({ optimizer_state: 45, parameters: 30, activations: 25 }),
    /the largest part optimizer state \(45 %\)/,
  );
  assert.match(words({ optimizer_state: 55, parameters: 45 }), /most of it optimizer state \(55 %\)/);
});

test("the reading line: fits or not, and what must be said first", () => {
  const said = (more) => reading(numbers(state(more)), state(more));
  assert.match(said()[0], /^It does not fit: .* needs 3\.39 TB, a device has 80\.0 GB\. 3\.31 TB too much/);
  assert.equal(memoryWords(numbers(state({ chips: { H100 } })), state(), { ...H100, memory: 4e12 })[1], "good");
  assert.match(said({ sparse: true })[0], /Dense training never sees it: .* takes 145\.1 days/);
  assert.match(said({ mfu: 0.95 })[0], /^Nobody trains at 95 %/);
  assert.match(said({ picture: "conventions" })[0], /times as much, by convention alone\.$/);
  assert.match(said({ picture: "budget" })[0], /^30\.0 days buy 1\.31 × 10²⁴ FLOPs: 105 billion parameters/);
  assert.match(said({ picture: "of another version" })[0], /^It does not fit/);
});
