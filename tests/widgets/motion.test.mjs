// What moves, moves: from where it is to where it goes, and not at all where the reader asked for that.
// Run: node --test tests/widgets/motion.test.mjs
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { between, MOVE, moving } from "../../lmcourse/widgets/lib/motion.js";

let frames, still;
beforeEach(() => {
  frames = new Map();
  still = false;
  globalThis.matchMedia = () => /** @type {any} */ ({ matches: still });
  globalThis.requestAnimationFrame = (draw) => {
    frames.set(frames.size + 1, draw);
    return frames.size;
  };
  globalThis.cancelAnimationFrame = (id) => frames.delete(id);
});
const frameAt = (time) => {
  const now = [...frames.values()];
  frames.clear();
  for (const draw of now) draw(time);
};

test("between numbers, lists and records; what is no number is that of the end", () => {
  assert.deepEqual(between([0, { x: 10 }, "a"], [4, { x: 20 }, "b"], 0.5), [2, { x: 15 }, "b"]);
  assert.deepEqual(between([1], [3, 9], 0.5), [2, 9], "what was not there before is there at once");
  assert.deepEqual(between(null, { y: 1 }, 0.2), { y: 1 });
  assert.ok(Number.isNaN(between(1, Number.NaN, 0.5)));
});

test("a picture is there at once, then moves, and ends as its state says", () => {
  const drawn = [],
    motion = moving((value) => drawn.push(value));
  motion.to(0);
  assert.deepEqual(drawn, [0]);
  const start = performance.now();
  motion.to(100);
  frameAt(start + MOVE / 2);
  assert.ok(drawn.at(-1) > 40 && drawn.at(-1) < 60);
  motion.to(0); // on its way it turns round, from where it is
  frameAt(performance.now() + 1);
  assert.ok(drawn.at(-1) < 60 && drawn.at(-1) > 40);
  frameAt(performance.now() + 2 * MOVE);
  assert.equal(drawn.at(-1), 0);
  assert.equal(frames.size, 0);
});

test("without motion there is one drawing", () => {
  still = true;
  const drawn = [],
    motion = moving((value) => drawn.push(value));
  motion.to(0);
  motion.to(100);
  assert.deepEqual(drawn, [0, 100]);
});

test("a jump stops what moves", () => {
  const drawn = [],
    motion = moving((value) => drawn.push(value));
  motion.to(0);
  motion.to(100);
  motion.jump(5);
  frameAt(performance.now() + MOVE);
  assert.deepEqual(drawn, [0, 5]);
});
