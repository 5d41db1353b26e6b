// Run: node --test tests/widgets/tokenizer_lens.test.mjs
// Lanes laid over the bytes, pieces of characters and shared cuts, against Python's on golden vectors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const { overlapping, sharedCuts, spansOf } = await import("../../lmcourse/widgets/rules/lanes.js");
const { byteString } = await import("../../lmcourse/widgets/lib/tokens.js");
const golden = JSON.parse(readFileSync(new URL("../golden/tokenizer_lens.json", import.meta.url), "utf-8"));

test("spans, pieces of characters and shared cuts", () => {
  for (const [text, special, lanes, expected, shared] of golden) {
    const bytes = byteString(text),
      spans = lanes.map((lane) => spansOf(lane, bytes));
    assert.deepEqual(
      spans.map((lane) => lane.map(({ from, to, id, piece }) => [from, to, id, piece])),
      expected,
      `${JSON.stringify(text)} ${special}`,
    );
    assert.deepEqual(
      sharedCuts(spans).sort((a, b) => a - b),
      shared,
    );
    spans.forEach((lane, i) => {
      assert.equal(lane.map((span) => span.bytes).join(""), bytes);
      assert.deepEqual(
        lane.filter((span) => span.cut).map(({ from }) => from),
        lanes[i].cuts.filter((at) => lane.some(({ from }) => from === at)),
      );
      assert.deepEqual(
        lane.filter((span) => span.special).map(({ index }) => index),
        lanes[i].special,
      );
    });
  }
  assert.equal(golden.length, 12);
});

test("a lane that could not be laid out shares nothing and disturbs nobody", () => {
  const whole = spansOf({ ids: [1, 2], sizes: [1, 2], cuts: [], special: [] }, "abc");
  assert.deepEqual(sharedCuts([whole, []]), [1]);
  assert.deepEqual(sharedCuts([[]]), []);
  assert.deepEqual(
    overlapping(whole, 2, 3).map(({ id }) => id),
    [2],
  );
  assert.deepEqual(
    overlapping(whole, 0, 3).map(({ id }) => id),
    [1, 2],
  );
  assert.deepEqual(overlapping(whole, 3, 9), []);
});
