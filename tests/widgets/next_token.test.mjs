// Run: node --test tests/widgets/next_token.test.mjs
// The model in JavaScript against PyTorch, the cut against Python's, the die, and the tree of roads.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const { TransformerLM, readSafetensors, windowOf } = await import("../../lmcourse/widgets/rules/model.js");
const { best, die, distribution, fallsOn, lossOf, ranking } = await import("../../lmcourse/widgets/rules/sampling.js");
const roads = await import("../../lmcourse/widgets/rules/roads.js");
const { sceneOf } = await import("../../lmcourse/widgets/next_token.js");
const { surprises } = await import("../../lmcourse/widgets/parts/next_token_surprise.js");

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url));
const golden = JSON.parse(read("golden/next_token_model.json"));
const arrayBuffer = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const tiny = golden.tiny.map(({ file }) => arrayBuffer(Buffer.from(file, "base64")));
const tales = arrayBuffer(read("../lmcourse/recorded/models/tales.safetensors"));

/** The most probable token, again and again, seen as the page sees it: past the context through a window. */
function greedy(lm, prompt, count) {
  const ids = [...prompt];
  let cache = lm.newCache(),
    seen = 0;
  for (let k = 0; k < count; k += 1) {
    const window = windowOf(ids.length, lm.config.context_length);
    if (window <= seen || seen === 0) {
      cache = lm.newCache();
      for (const id of ids.slice(-window, -1)) lm.step(cache, id, { wanted: false });
    }
    ids.push(best(lm.step(cache, ids.at(-1))));
    seen = window;
  }
  return ids;
}

function compare(lm, { prompt, logits, attention, text }) {
  const cache = lm.newCache();
  let look = [];
  prompt.forEach((id, k) => {
    look = [];
    const got = lm.step(cache, id, { look });
    logits[k].forEach((want, j) => {
      assert.ok(Math.abs(got[j] - want) < 1e-3, `position ${k}, token ${j}: ${got[j]}, PyTorch has ${want}`);
    });
  });
  attention.forEach((layer, l) => {
    layer.forEach((head, n) => {
      head.forEach((want, k) => {
        assert.ok(Math.abs(look[l][n][k] - want) < 1e-4, `layer ${l} head ${n} position ${k}`);
      });
    });
  });
  assert.deepEqual(greedy(lm, prompt, text.length - prompt.length), text);
}

test("logits, attention and greedy text of small models are PyTorch's", () => {
  assert.equal(golden.tiny.length, 4);
  golden.tiny.forEach((one, k) => {
    compare(new TransformerLM(readSafetensors(tiny[k])), one);
    assert.equal(one.text.length - one.prompt.length, 200);
  });
});

test("the recorded model's too", () => {
  compare(new TransformerLM(readSafetensors(tales)), golden.tales);
});

test("a cache that is set back forgets what came after", () => {
  const lm = new TransformerLM(readSafetensors(tiny[0])),
    cache = lm.newCache();
  for (const id of [1, 2, 3]) lm.step(cache, id);
  cache.length = 1;
  const again = lm.step(cache, 9),
    fresh = lm.newCache();
  lm.step(fresh, 1);
  assert.deepEqual(again, lm.step(fresh, 9));
  assert.deepEqual(cache.ids, [1, 9]);
});

test("what is no model is refused in words", () => {
  assert.throws(() => readSafetensors(new ArrayBuffer(4)), /no safetensors file/);
  assert.throws(() => readSafetensors(new TextEncoder().encode("<!doctype html><html>").buffer), /no safetensors file/);
  assert.throws(() => readSafetensors(tiny[0].slice(0, tiny[0].byteLength - 8)), /the file was cut/);
  const file = readSafetensors(tiny[0]);
  assert.throws(() => new TransformerLM({ ...file, config: {} }), /vocab_size: a whole number/);
  assert.throws(
    () => new TransformerLM({ ...file, config: { ...file.config, d_ff: 25 } }),
    /ffn.w1.weight: shape 25,16/,
  );
  assert.throws(() => new TransformerLM({ ...file, tensors: {} }), /token_embeddings.weight: shape 40,16, got none/);
  const lm = new TransformerLM(file),
    cache = lm.newCache();
  for (const id of [-1, 40, 1.5, Number.NaN]) assert.throws(() => lm.step(cache, id), /id: 0 to 39/);
  for (let k = 0; k < 48; k += 1) lm.step(cache, 0, { wanted: false });
  assert.throws(() => lm.step(cache, 0), /the context length 48 is reached/);
});

test("the cut of temperature, top-k and top-p is Python's", () => {
  const { logits, cases } = JSON.parse(read("golden/next_token.json")),
    order = ranking(Float32Array.from(logits));
  assert.deepEqual([...order], [0, 3, 7, 4, 2, 5, 6, 1]);
  for (const [temperature, top_k, top_p, want] of cases) {
    const { chance, kept, own } = distribution(Float32Array.from(logits), order, { temperature, top_k, top_p });
    const said = `temperature ${temperature}, top-k ${top_k}, top-p ${top_p}`;
    order.forEach((id, k) => {
      assert.ok(Math.abs(chance[k] - want[id]) < 1e-6, `${said}: token ${id} has ${chance[k]}, Python ${want[id]}`);
    });
    assert.equal(kept, want.filter((each) => each > 0).length, said);
    assert.ok(Math.abs(own.reduce((a, b) => a + b) - 1) < 1e-9);
  }
});

test("the die is fair, and the same for the same seed and throw", () => {
  const throws = Array.from({ length: 20000 }, (_, k) => die(k % 7, k));
  assert.ok(throws.every((u) => u >= 0 && u < 1));
  const tenths = Array(10).fill(0);
  for (const u of throws) tenths[Math.floor(10 * u)] += 1;
  assert.ok(Math.max(...tenths) < 2150 && Math.min(...tenths) > 1850, String(tenths));
  assert.equal(die(1, 5), die(1, 5));
  assert.equal(new Set(throws).size > 19900, true);
});

test("a throw falls on the token whose stretch it hits", () => {
  const chance = [0.5, 0.3, 0.2, 0];
  assert.deepEqual(
    [0, 0.49, 0.5, 0.79, 0.8, 0.999999].map((u) => fallsOn(chance, 3, u)),
    [0, 0, 1, 1, 2, 2],
  );
  assert.equal(fallsOn([0.1, 0.1], 2, 0.9), 1, "what rounding leaves goes to the last");
});

test("a loss is −ln of the share", () => {
  assert.ok(Math.abs(lossOf(Float32Array.of(0, 0, 0, 0), 2) - Math.log(4)) < 1e-6);
  assert.ok(lossOf(Float32Array.of(1000, 0), 0) < 1e-6);
});

test("roads: taking, going back, and taking the same again", () => {
  let now = { tree: roads.roadOf([7, 8], ["a", "b"]), cursor: 1, leaf: 1 };
  const go = (id, from = now.cursor) => {
    now = roads.take(now.tree, from, id, `<${id}>`, 0.5);
  };
  go(1);
  go(2);
  go(3, 1); // another road from the beginning's end
  assert.deepEqual(roads.idsOf(now.tree, roads.pathTo(now.tree, now.leaf)), [7, 8, 3]);
  go(1, 1); // the first road again, to its end
  assert.equal(now.tree.length, 5);
  assert.deepEqual([now.cursor, now.leaf], [2, 3]);
  assert.equal(roads.bytesOf(now.tree, roads.pathTo(now.tree, 3)), "ab<1><2>");
  assert.deepEqual(
    roads.runsOf(now.tree).map(({ from, to, deep }) => [from, to, deep]),
    [
      [0, 1, 0],
      [2, 3, 1],
      [4, 4, 1],
    ],
  );
  assert.equal(roads.beginningOf(now.tree).length, 2);
  assert.equal(roads.endOf(now.tree, 1), 4);
});

test("a tree that is none is refused", () => {
  const good = [
    [-1, 5, "a", -2],
    [0, 6, "b", -2],
  ];
  roads.checkedTree(good, 0, 1);
  for (const [tree, cursor, leaf, words] of [
    [[[0, 5, "a", -1]], 0, 0, /tree\[0\]/],
    [
      [
        [1, 5, "a", -1],
        [0, 5, "b", -1],
      ],
      0,
      1,
      /tree\[0\]/,
    ],
    [[[-1, -5, "a", -1]], 0, 0, /a token's id/],
    [good, 2, 1, /cursor: a node of the tree/],
    [good, 1, 0, /leaf: a node behind 1/],
    [[], 0, 0, /cursor: a node/],
  ])
    assert.throws(() => roads.checkedTree(tree, cursor, leaf), words);
});

test("what a head looks at", () => {
  const ids = [1, 2, 3, 2];
  assert.equal(roads.lookOf([0, 0.6, 0.2, 0.2], ids), "same");
  assert.equal(roads.lookOf([0, 0.2, 0.6, 0.2], ids), "after");
  assert.equal(roads.lookOf([0.6, 0, 0.2, 0.2], ids), "first");
  assert.equal(roads.lookOf([0, 0, 0.2, 0.8], ids), "itself");
  assert.equal(roads.lookOf([0, 0.1, 0.8, 0.1], [1, 2, 3, 4]), "previous");
  assert.equal(roads.lookOf([0.25, 0.25, 0.25, 0.25], ids), "");
  assert.equal(roads.lookOf([1], [5]), "itself");
});

test("the largest surprise comes first, and the first token has none", () => {
  assert.deepEqual(surprises({ losses: [null, 1, 3, 2] }), [2, 3, 1]);
});

test("a scene without logits says why there are none", () => {
  const tree = roads.roadOf([1], ["a"]),
    state = { tree, cursor: 0, leaf: 0, view: "next", temperature: 1, top_k: 0, top_p: 1 };
  const answers = { status: () => "none", pieceOf: String, logits: () => null };
  assert.match(sceneOf(state, answers, null).missing, /needs Python/);
});
