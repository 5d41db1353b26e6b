// node --test tests/widgets/parsons_rung.test.mjs
// What lines do when they are used, moved, indented and put aside.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cleaned,
  DEEPEST,
  indented,
  moved,
  placed,
  placeOf,
  putAside,
  unused,
  used,
  usualSteps,
} from "../../lmcourse/widgets/rules/blocks.js";

const TEXTS = ["for x in y:", "a = x", "else:\n    b = 1", "return a"];
const LINES = [
  [0, 0],
  [1, 1],
];

test("a line is used at the end, as deep as is usual there", () => {
  assert.deepEqual(used([], 0, TEXTS), [[0, 0]]);
  assert.deepEqual(used([[0, 0]], 1, TEXTS), LINES);
  assert.deepEqual(used(LINES, 3, TEXTS), [...LINES, [3, 1]]);
  assert.equal(usualSteps([[2, 1]], 1, TEXTS), 1, "what opens a part inside of a block has its line already");
  assert.equal(usualSteps([[0, DEEPEST]], 1, TEXTS), DEEPEST);
});

test("lines move within their bounds, and nothing is lost", () => {
  assert.deepEqual(moved(LINES, 1, -1), [
    [1, 1],
    [0, 0],
  ]);
  for (const by of [-9, 9]) assert.equal(moved(LINES, 0, by).length, 2);
  assert.deepEqual(moved(LINES, 0, -1), LINES);
  assert.deepEqual(moved(LINES, 3, 1), LINES, "one that is not used stays aside");
  assert.deepEqual(indented(LINES, 1, 9), [
    [0, 0],
    [1, DEEPEST],
  ]);
  assert.deepEqual(indented(LINES, 0, -1), LINES);
  assert.deepEqual(placed(LINES, 3, 1, 2), [
    [0, 0],
    [3, 2],
    [1, 1],
  ]);
  assert.deepEqual(placed(LINES, 0, 1, -1), [
    [1, 1],
    [0, 0],
  ]);
});

test("what is put aside is not used", () => {
  const less = putAside(LINES, 0);
  assert.deepEqual(less, [[1, 1]]);
  assert.deepEqual(unused(less, 4), [0, 2, 3]);
  assert.equal(placeOf(less, 0), -1);
  assert.deepEqual(LINES.length, 2, "nothing is changed in place");
});

test("of lines from elsewhere those stay that make sense", () => {
  const hostile = [[0, 0], [0, 1], [4, 0], [1, 9], [1.5, 0], ["1", 0], null, "x", [1, 1], [2, -1]];
  assert.deepEqual(cleaned(hostile, 4), LINES);
  for (const nothing of [null, 7, "lines", {}]) assert.deepEqual(cleaned(nothing, 4), []);
});
