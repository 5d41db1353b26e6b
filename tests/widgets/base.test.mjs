// What base.js and hydrate.js do without a page. Run: node --test tests/widgets/base.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import { put } from "../../lmcourse/widgets/lib/base.js";
import { uid } from "../../lmcourse/widgets/lib/elements.js";
import { asker } from "../../lmcourse/widgets/lib/kernel.js";
import { Model } from "../../lmcourse/widgets/lib/hydrate.js";

/** A model with a kernel at the other end that answers when the test says so. */
function kernel() {
  const sent = [],
    listeners = new Set();
  return {
    sent,
    model: {
      send: (message) => sent.push(message),
      on: (_, listener) => listeners.add(listener),
      off: (_, listener) => listeners.delete(listener),
    },
    reply: (message) => {
      for (const listener of [...listeners]) listener(message);
    },
    listeners,
  };
}

test("ids differ", () => assert.equal(new Set(Array.from({ length: 1000 }, uid)).size, 1000));

test("ten seconds of dragging send two questions, the first and the last", () => {
  const k = kernel(),
    answers = [];
  const q = asker(k.model, { answered: (a) => answers.push(a), failed: assert.fail });
  for (let i = 0; i < 600; i += 1) q.ask({ i });
  assert.deepEqual(
    k.sent.map((m) => m.question.i),
    [0],
  );
  k.reply({ id: k.sent[0].id, answer: "stale" });
  assert.deepEqual(
    k.sent.map((m) => m.question.i),
    [0, 599],
  );
  assert.deepEqual(answers, [], "an answer that was overtaken is not drawn");
  k.reply({ id: k.sent[1].id, answer: "fresh" });
  assert.deepEqual(answers, ["fresh"]);
});

test("answers to another view are not ours, errors come as words", () => {
  const k = kernel(),
    said = [];
  const q = asker(k.model, { answered: () => said.push("answer"), failed: (words) => said.push(words) });
  q.ask({});
  k.reply({ id: "someone else's", answer: 1 });
  k.reply(undefined);
  k.reply({ id: k.sent[0].id, error: "ValueError: no" });
  assert.deepEqual(said, ["ValueError: no"]);
  q.stop();
  assert.equal(k.listeners.size, 0);
});

test("every press is sent, beside the question that is on its way", () => {
  const k = kernel(),
    heard = [];
  const q = asker(k.model, {
    answered: (a) => heard.push(`answer ${a}`),
    obeyed: (a) => heard.push(`done ${a}`),
    failed: (words) => heard.push(words),
  });
  q.ask("how many?");
  for (const step of [1, 2, 3]) q.tell({ do: "step", step });
  assert.equal(k.sent.length, 4);
  k.reply({ id: k.sent[2].id, answer: 2 });
  k.reply({ id: k.sent[1].id, error: "ValueError: no run" });
  k.reply({ id: k.sent[0].id, answer: 7 });
  k.reply({ id: k.sent[2].id, answer: "again" });
  assert.deepEqual(heard, ["done 2", "ValueError: no run", "answer 7"]);
  q.stop();
});

test("a command without a reply is told of once; one with a reply, or after stop, is not", async () => {
  const k = kernel();
  let unheard = 0;
  const q = asker(k.model, { failed: assert.fail, unheard: () => (unheard += 1), patience: 5 });
  q.tell("lost");
  q.tell("heard");
  k.reply({ id: k.sent[1].id, answer: null });
  await new Promise((done) => setTimeout(done, 40));
  assert.equal(unheard, 1);
  q.tell("then the page closes");
  q.stop();
  await new Promise((done) => setTimeout(done, 40));
  assert.equal(unheard, 1);
});

test("without a kernel the question comes back at once", () => {
  const asked = [];
  const q = asker(new Model({}), { answered: assert.fail, failed: assert.fail, unanswered: (x) => asked.push(x) });
  q.ask(7);
  q.tell(8);
  assert.equal(q.hasKernel, false);
  assert.deepEqual(asked, [7, 8]);
});

test("the page's model tells of changes, and only of changes", () => {
  const model = new Model({ a: 1 }),
    seen = [];
  const listen = () => seen.push(model.get("a"));
  model.on("change:a", listen);
  put(model, { a: 1 });
  put(model, { a: 2, b: 3 });
  model.off("change:a", listen);
  put(model, { a: 4 });
  assert.deepEqual(seen, [2]);
  assert.equal(model.get("b"), 3);
});
