// Links and lines that restore a state. Run: node --test tests/widgets/share.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LONGEST_LINK,
  asPython,
  misfit,
  movedTo,
  ownNames,
  packState,
  unpackState,
} from "../../lmcourse/widgets/lib/share.js";
import { Model } from "../../lmcourse/widgets/lib/hydrate.js";

const STATE = { text: "e\u0301 你好 🐱 <img>", step: 3, gain: -0.5, on: true, list: [[1, 2], []], map: { a: null } };

test("a state comes back from its text, which is safe in an address", async () => {
  const text = await packState(STATE);
  assert.match(text, /^[\w-]+$/);
  assert.deepEqual(await unpackState(text), STATE);
});

test("a state that is too long for a link is refused with its length", async () => {
  const noise = Array.from({ length: 9000 }, (_, k) => Math.sin(k));
  await assert.rejects(packState({ noise }), /takes \d+ characters, and a link holds 8000/);
  await assert.rejects(unpackState("A".repeat(LONGEST_LINK + 1)), /longer than 8000/);
});

test("garbage is refused in words", async () => {
  const text = await packState(STATE);
  const made = async (json) => {
    const stream = new Blob([json]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    return Buffer.from(await new Response(stream).arrayBuffer()).toString("base64url");
  };
  for (const bad of [
    "",
    "x",
    "%",
    "AAAA",
    text.slice(0, -4),
    `x${text}`,
    await made("{"),
    await made("\xff\xfe"),
    await made("NaN"),
  ])
    await assert.rejects(unpackState(bad), /cut or changed/, bad);
  for (const bad of ["[]", "3", "null", '"x"']) await assert.rejects(unpackState(await made(bad)), /no state/, bad);
  await assert.rejects(unpackState(await made(`"${" ".repeat(5_000_000)}"`)), /more than a widget holds/);
});

test("a value fits where one of its kind stood", () => {
  const fits = (value, known) => assert.equal(misfit(value, known, "x"), "", JSON.stringify(value));
  fits(3, 0);
  fits("", "a");
  fits([], [1]);
  fits([1, null], [2]);
  fits({ b: 2 }, { a: 1 });
  fits({ a: 1, n: "z" }, { n: "y", a: 2 });
  fits([{ shape: [], name: "t" }], [{ name: "u", shape: [3] }]);
  fits({ any: 1 }, {});
  fits({}, null);
});

test("a value that does not fit is named", () => {
  const words = (value, known) => misfit(value, known, "x");
  assert.equal(words("3", 0), "x is string, where number is wanted");
  assert.equal(words(null, 0), "x is nothing, where number is wanted");
  assert.equal(words(JSON.parse("1e999"), 0), "x is not a finite number");
  assert.equal(words([1, "2"], [0]), "x.1 is string, where number is wanted");
  assert.equal(words({ a: 1 }, { a: 1, n: "y" }), "x has no n");
  assert.equal(words({ a: 1, n: "y", evil: 1 }, { a: 1, n: "y" }), "x has evil, which is not known");
  assert.equal(
    words(JSON.parse('{"__proto__": 1, "a": 1, "n": "y"}'), { a: 1, n: "y" }),
    "x has __proto__, which is not known",
  );
});

test("values are written as Python reads them", () => {
  assert.equal(asPython([true, false, null, 1.5, 'a"\n', { k: [] }]), '[True, False, None, 1.5, "a\\"\\n", {"k": []}]');
});

test("only what was moved is said", () => {
  const model = new Model({ step: 3, layer: 0, shown: ["a"] });
  assert.equal(movedTo(model, { step: 0, layer: 0, shown: ["a"] }), ".at(step=3)");
  assert.equal(movedTo(model, { step: 3, shown: ["a"] }), "");
});

test("a reader's own names are found in a line", () => {
  assert.deepEqual(ownNames('StrideView(t, x[1:, ::2], operations=["t.T"], mode="view").at(order=None)'), ["t", "x"]);
  assert.deepEqual(ownNames('FloatBits("max", format="fp8", predict=True)'), []);
  assert.deepEqual(ownNames("TrainingBudget(TransformerShape(d_model=8), fused=False)"), []);
  assert.deepEqual(ownNames("PageMap(tokens, get_batch=get_batch)"), ["tokens", "get_batch"]);
});
