// node --test tests/widgets/training_dashboard.test.mjs
// What training_dashboard.js makes of the numbers that Python sends, and where it puts them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { forkStep } from "../../lmcourse/widgets/parts/training_dashboard_controls.js";
import { textsOf } from "../../lmcourse/widgets/parts/training_dashboard_panels.js";
import { rulesTitle, rulesWords } from "../../lmcourse/widgets/parts/training_dashboard_rules.js";
import { reading, spikeWords, words } from "../../lmcourse/widgets/parts/training_dashboard_words.js";
import {
  before,
  COLUMNS,
  ceiling,
  columns,
  heat,
  lastStep,
  lossRange,
  stripRange,
} from "../../lmcourse/widgets/rules/runs.js";
import { sceneOf } from "../../lmcourse/widgets/training_dashboard.js";

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

test("rules in words, the share that most samples keep first", () => {
  const rows = [
    [0, { name: 0.1, spelled: 0.5 }],
    [1200, { name: 0.25, spelled: 1 }],
  ];
  assert.equal(rulesTitle(rows, 0), "Share of the samples that keeps each rule, before training");
  assert.equal(
    rulesWords(rows, 1),
    "Share of the samples that keeps each rule, after step 1\u2009200: spelled 100 %, name 25 %.",
  );
  assert.equal(rulesWords([], -1), "No function was given that judges the samples (rules).");
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

test("a run that goes astray does not flatten the others", () => {
  assert.equal(ceiling([6.2, NaN], [5]), 1.04 * 6.2);
  assert.equal(ceiling([], []), 1);
});

/** A page of one run of four steps, with what differs. */
function page(more = {}, look = {}) {
  const rows = [
    [1, 6.2, 6.2, 1e-3, 1, 40_000, Number.NaN],
    [2, 5, 5.6, 1e-3, 1, 40_000, Number.NaN],
    [3, 9, 6, 1e-3, 2, 40_000, Number.NaN],
    [4, 4, 5.2, 1e-3, 1, 40_000, Number.NaN],
  ];
  const live = COLUMNS.flatMap((_, k) => rows.map((row) => row[k]));
  const spike = { step: 3, loss: 9, above: 3.4, grad_norm: 2 };
  const run = {
    index: 0,
    name: "this run",
    status: "done",
    words: "",
    origin: null,
    validation: [[2, 5.5]],
    spikes: [spike],
    samples: [],
    heat: [],
    copies: [0, 2],
    texts: { 3: ["what the jump read"] },
    by_hand: [],
  };
  const traits = { steps: 8, run, live, others: [], baselines: { "ln V": 6.24 }, ghosts: [], max_norm: 1, ...more };
  const all = traits.run.name ? [{ facts: traits.run, c: columns(traits.live) }] : [];
  return { ...sceneOf((name) => traits[name], all, { step: null, run: null, log: false, ...look }), hasKernel: false };
}

test("the axes have room for the run, its plan and its baselines", () => {
  assert.equal(lastStep(page()), 8);
  assert.equal(lastStep(page({ steps: 0 })), 4);
  const [low, high] = lossRange(page(), 8);
  assert.equal(high, 1.04 * 6.24);
  assert.ok(low < 4 && low > 3.8);
  assert.deepEqual(stripRange([0.5, 2], { log: true, limit: 1 }), [0.5, 2]);
  assert.deepEqual(stripRange([], { log: false, limit: null }), [0, 1]);
  assert.deepEqual(stripRange([3, Number.NaN], { log: false, limit: null }), [0, 3]);
});

test("the reading line says what a reader looks at", () => {
  assert.match(reading(page())[0], /^Done after step 4: average loss 5\.200 nats a token, below “ln V” \(6\.24\)\.$/);
  assert.match(reading(page({}, { step: 3 }))[0], /^Step 3: loss 9\.000, 3\.40 above the average/);
  assert.match(reading(page({}, { step: 2 }))[0], /^Step 2: loss 5\.000 nats a token, lr 0\.001, gradient norm 1\.$/);
  assert.match(reading(page({ live: [], run: {} }))[0], /^No run yet/);
  const failed = { ...page().facts, status: "failed", words: "OutOfMemoryError" };
  assert.deepEqual(reading(page({ run: failed })), ["OutOfMemoryError", "bad", "failed"]);
});

test("a fork starts at the last kept step before the one that is looked at", () => {
  assert.equal(forkStep(page()), 2);
  assert.equal(forkStep(page({}, { step: 1 })), 0);
});

test("the text of a batch is stored, heard, asked for, or is not to be had", () => {
  assert.deepEqual(textsOf(page({}, { step: 3 })).texts, ["what the jump read"]);
  assert.match(textsOf(page({}, { step: 2 })).words, /needs a running kernel/);
  assert.equal(textsOf({ ...page({}, { step: 2 }), hasKernel: true }).wanted, true);
  const heard = { batch: 2, run: 0, texts: ["told"] };
  assert.deepEqual(textsOf({ ...page({}, { step: 2 }), heard }).texts, ["told"]);
  assert.match(textsOf({ ...page({}, { step: 2 }), heard: { ...heard, texts: [] } }).words, /was not recorded/);
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
