// node --test tests/widgets/page_map.test.mjs
// The windows, pages, counts and masks of rules/pages.js are those of lmcourse.data_loading.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  countSeen,
  crossing,
  documentOf,
  maskOf,
  pagesOf,
  sharesSeen,
  shownOffsets,
  shuffled,
  startAt,
  timesSeen,
} from "../../lmcourse/widgets/rules/pages.js";

const golden = JSON.parse(readFileSync(new URL("../golden/page_map.json", import.meta.url), "utf-8"));

test("the shuffle is Python's, to 2^40", () => {
  for (const { size, keys, in: indices, out } of golden.shuffles)
    assert.deepEqual(
      indices.map((index) => shuffled(index, size, keys.map(BigInt))),
      out,
      `size ${size}`,
    );
});

test("every order hands out the starts of BatchSampler", () => {
  for (const { starts, keysByEpoch, randomKey, ...settings } of golden.streams) {
    const all = { ...settings, keysByEpoch: keysByEpoch.map((keys) => keys.map(BigInt)), randomKey: BigInt(randomKey) };
    assert.deepEqual(
      starts.map((_, place) => startAt(place, all)),
      starts,
      JSON.stringify(settings),
    );
  }
});

test("pages are those of the bytes", () => {
  for (const { itemsize, starts, size, pages } of golden.pages) {
    const found = pagesOf(starts, size, { offset: 0, itemsize, pageSize: 4096 });
    assert.deepEqual(
      [...found.all].sort((a, b) => a - b),
      pages,
    );
    assert.equal(found.spans.length, starts.length);
  }
  const atTheHeader = { offset: 128, itemsize: 2, pageSize: 4096 };
  assert.deepEqual([...pagesOf([1983], 1, atTheHeader).all], [0]);
  assert.deepEqual([...pagesOf([1983], 2, atTheHeader).all], [0, 1]);
});

test("tokens seen, and how often", () => {
  for (const { starts, count, times } of golden.seen) {
    assert.equal(countSeen(starts, 19), count);
    assert.deepEqual(timesSeen(starts, 19, 500), times);
  }
});

test("a cell's share is the part of its tokens that were targets, each counted once", () => {
  const file = { numTokens: 40, numBlocks: 4, perBlock: 1, pageSize: 10, offset: 0, itemsize: 1 };
  assert.deepEqual(sharesSeen([0], 9, file), [0.9, 0, 0, 0]);
  assert.deepEqual(sharesSeen([4, 4, 6], 10, file), [0.5, 0.7, 0, 0]);
  assert.deepEqual(sharesSeen([], 10, file), [0, 0, 0, 0]);
  for (const { starts, count } of golden.seen) {
    const whole = { numTokens: 500, numBlocks: 1, perBlock: 1, pageSize: 500, offset: 0, itemsize: 1 };
    assert.ok(Math.abs(sharesSeen(starts, 19, whole)[0] - count / 500) < 1e-12);
  }
});

test("the first window that holds two documents", () => {
  assert.equal(crossing([0, 10, 20], 10, [25]), 2);
  assert.equal(crossing([0, 10], 10, [9, 19]), -1, "an end at the last input is still one document");
  assert.equal(crossing([0, 10], 10, []), -1);
});

test("the mask keeps documents apart and hides the future", () => {
  for (const { ends, from, size, mask } of golden.masks)
    assert.deepEqual(
      maskOf(from, size, ends).map((row) => row.map((kind) => Number(kind === "yes"))),
      mask,
    );
  assert.deepEqual(
    [0, 5, 6, 99].map((position) => documentOf(position, [5, 50])),
    [0, 0, 1, 2],
  );
});

test("the columns of the picture are Python's", () => {
  for (const [length, shown] of Object.entries(golden.shown)) assert.deepEqual(shownOffsets(Number(length)), shown);
});

test("a thousand windows are found within a few frames", () => {
  const { keysByEpoch, randomKey, ...settings } = golden.streams.find(
    ({ numTokens, order }) => numTokens === 2e9 && order === "shuffled",
  );
  const all = { ...settings, keysByEpoch: keysByEpoch.map((keys) => keys.map(BigInt)), randomKey: BigInt(randomKey) };
  const clock = performance.now();
  for (let place = 0; place < 1000; place += 1) startAt(place, all);
  assert.ok(performance.now() - clock < 500);
});
