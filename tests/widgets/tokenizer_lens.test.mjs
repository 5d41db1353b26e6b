// Run: node --test tests/widgets/tokenizer_lens.test.mjs
// Lanes laid over the bytes, pieces of characters and shared cuts, against Python's on golden vectors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const { cutAlike, laneHere, overlapping, sharedCuts, spansOf } = await import("../../lmcourse/widgets/rules/lanes.js");
const { answerHere, sampleFor, sentence } = await import("../../lmcourse/widgets/tokenizer_lens.js");
const { byteString, layOut } = await import("../../lmcourse/widgets/lib/tokens.js");
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

test("a tokenizer that the page knows makes Python's lanes", () => {
  const here = JSON.parse(readFileSync(new URL("../golden/tokenizer_lens_here.json", import.meta.url), "utf-8"));
  for (const [text, special, lanes] of here.cases)
    here.local.forEach((how, i) => {
      assert.deepEqual(laneHere(how, text, special), lanes[i], `${JSON.stringify(text)} ${special} ${how.name}`);
    });
  assert.ok(here.cases.length >= 18);
  assert.equal(laneHere(null, "a", "all"), null);
  assert.equal(laneHere({ kind: "<img>" }, "a", "all"), null);
});

test("cuts that some lanes have alone are not said to be of all", () => {
  const lane = (sizes) => spansOf({ ids: sizes, sizes, cuts: [], special: [] }, "abcdef");
  const names = ["x", "y"].map((name) => ({ name, special: [] }));
  const say = (...spans) => {
    const lanes = spans.map((each) => ({ ids: each.map(({ id }) => id), special: [] }));
    return sentence({ lanes, names, spans, layout: layOut("abcdef"), special: "all" });
  };
  assert.equal(cutAlike([lane([2, 4]), lane([2, 4]), []]), true);
  assert.match(say(lane([2, 4]), lane([2, 4])), /all cut at the same 1 place\./);
  assert.match(say(lane([2, 4]), lane([2, 1, 3])), /one cut is common to all\./);
  assert.match(say(lane([1, 1, 4]), lane([1, 1, 1, 3])), /2 cuts are common to all\./);
});

test("one byte is said in the singular", () => {
  const spans = [spansOf({ ids: [1], sizes: [1], cuts: [], special: [] }, "a")];
  const lanes = [{ ids: [1], special: [] }];
  const said = sentence({ lanes, names: [{ name: "x", special: [] }], spans, layout: layOut("a"), special: "all" });
  assert.equal(said, "1 byte; “x” needs the fewest tokens, 1.");
});

test("the page answers for tokenizers of the same name and size alone", () => {
  const names = [{ name: "bytes", size: 256 }];
  const local = [{ kind: "bytes", name: "bytes", size: 256 }];
  assert.deepEqual(answerHere(names, local, "a", "all").lanes[0].ids, [97]);
  assert.equal(answerHere([{ name: "bytes", size: 300 }], local, "a", "all"), null);
  const two = answerHere([...names, { name: "gpt2", size: 50257 }], [...local, null], "a", "all");
  assert.equal(two.lanes[1].problem, "this text needs Python");
  const samples = [{ text: "a", special: "all" }];
  assert.equal(sampleFor(samples, "a", "none"), samples[0], "the switch changes nothing for it");
  assert.equal(sampleFor(samples, "b", "all"), null);
});
