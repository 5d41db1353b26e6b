// What the model says, for NextToken: from the kernel, or from a model that the page loads when it is first needed and
// computes in slices, so that the page always has its turn. A question is asked by its key; what is known is answered
// at once, and `changed` tells when more is.
import { asker } from "../lib/kernel.js";
import { laneHere, pieceHere } from "../rules/lanes.js";
import { TransformerLM, readSafetensors, windowOf } from "../rules/model.js";
import { best, lossOf, ranking } from "../rules/sampling.js";

const SLICE = 8; // milliseconds of work before the page gets its turn
const KEPT = 48; // answers of one kind
const KINDS = ["logits", "attention", "losses"];

/** Numbers from base64 of float32. */
function numbersOf(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Float32Array(bytes.buffer, 0, bytes.length >> 2);
}

const ranked = (logits) => ({ logits, order: ranking(logits) });

/** The newest answers of one kind, by their keys. */
function memory() {
  const kept = new Map();
  return {
    get: (key) => kept.get(key) ?? null,
    set(key, answer) {
      kept.delete(key);
      kept.set(key, answer);
      if (kept.size > KEPT) kept.delete(kept.keys().next().value);
    },
  };
}

// In the page

/** Bring a cache to the end of `ids`; what it already holds of them is not computed again. Returns the last logits. */
function* advance(lm, cache, ids, look) {
  const seen = ids.slice(-windowOf(ids.length, lm.config.context_length)),
    last = seen.length - 1;
  let same = 0;
  while (same < cache.length && same < last && cache.ids[same] === seen[same]) same += 1;
  cache.length = same;
  let logits = null;
  for (let k = same; k <= last; k += 1) {
    logits = lm.step(cache, seen[k], k < last ? { wanted: false } : { look });
    yield;
  }
  return logits;
}

/** What each kind of question takes, a position at a time. */
const JOBS = {
  *logits(lm, caches, { ids }) {
    return ranked(yield* advance(lm, caches.road, ids));
  },
  *attention(lm, caches, { ids }) {
    const look = [];
    yield* advance(lm, caches.road, ids, look);
    return look;
  },
  *losses(lm, caches, { ids, pieces, pieceOf }) {
    const losses = [null],
      expected = [null],
      cache = caches.text;
    cache.length = 0;
    const seen = ids.slice(0, lm.config.context_length);
    for (const [k, id] of seen.slice(0, -1).entries()) {
      const logits = lm.step(cache, id);
      losses.push(lossOf(logits, seen[k + 1]));
      expected.push(pieceOf(best(logits)));
      yield;
    }
    return { pieces: pieces.slice(0, seen.length), losses, expected };
  },
};

async function loaded(name) {
  if (!/^[a-z_]+$/.test(name)) throw new Error("there is no such model");
  const got = await fetch(new URL(`../models/${name}.safetensors`, import.meta.url));
  if (!got.ok) throw new Error(`its file: ${got.status}`);
  return new TransformerLM(readSafetensors(await got.arrayBuffer()));
}

/**
 * The model of the page; nothing is loaded before `wake`. `answered(kind, key, answer)` and `failed(words)` hear of it.
 */
function pageModel(name, { answered, failed, changed }) {
  let lm = null,
    caches = null,
    status = "asleep",
    timer = 0;
  const jobs = new Map(); // kind → { key, steps }; the newest question replaces an older one
  const fail = (error) => {
    status = "failed";
    jobs.clear();
    failed(error.message);
  };
  const slice = () => {
    timer = 0;
    const end = performance.now() + SLICE;
    try {
      for (const [kind, job] of jobs)
        while (jobs.get(kind) === job) {
          if (performance.now() > end) {
            timer = window.setTimeout(later, 0);
            return;
          }
          const { done, value } = job.steps.next();
          if (!done) continue;
          jobs.delete(kind);
          answered(kind, job.key, value);
        }
    } catch (error) {
      fail(error);
    }
  };
  const later = () => {
    slice();
    changed();
  };
  return {
    status: () => status,
    wake() {
      if (status !== "asleep") return;
      status = "loading";
      loaded(name).then((model) => {
        lm = model;
        caches = { road: lm.newCache(), text: lm.newCache() };
        status = "ready";
        changed();
      }, fail);
    },
    ask(kind, key, question) {
      if (status !== "ready" || jobs.get(kind)?.key === key) return;
      jobs.set(kind, { key, steps: JOBS[kind](lm, caches, question) });
      if (!timer) slice();
    },
    stop() {
      clearTimeout(timer);
      jobs.clear();
    },
  };
}

// With a kernel

/** The same with Python as the model. Each kind of question has its own line, where the newest replaces older ones. */
function kernelModel(model, { answered, failed, changed }) {
  const asked = {};
  const line = (kind) =>
    asker(model, {
      answered(answer) {
        answered(kind, asked[kind], answer);
        asked[kind] = null;
        changed();
      },
      failed, // and the same is not asked again before another question was
    });
  const lines = Object.fromEntries(KINDS.map((kind) => [kind, line(kind)]));
  return {
    status: () => "ready",
    wake() {},
    ask(kind, key, { ids, text }) {
      if (asked[kind] === key) return;
      asked[kind] = key;
      lines[kind].ask(kind === "losses" ? { losses: text } : { [kind]: ids });
    },
    stop: () => {
      for (const each of Object.values(lines)) each.stop();
    },
  };
}

const noModel = { status: () => "none", wake() {}, ask() {}, stop() {} };

/**
 * @param {any} model  the widget's
 * @param {{ changed: () => void, failed: (words: string) => void, begun: (answer: any) => void }} listeners
 *   `begun` gets the tokens of a text that the kernel was asked to begin with
 */
export function answersOf(model, { changed, failed, begun }) {
  const known = Object.fromEntries(KINDS.map((kind) => [kind, memory()])),
    pieces = new Map(),
    local = model.get("local");
  const learn = (found) => {
    for (const [id, piece] of Object.entries(found ?? {})) pieces.set(Number(id), piece);
  };
  const pieceOf = (id) => pieces.get(id) ?? pieceHere(local, id) ?? `[${id}]`;
  const answered = (kind, key, answer) => {
    learn(answer.known);
    known[kind].set(
      key,
      typeof answer.logits === "string" ? ranked(numbersOf(answer.logits)) : (answer.heads ?? answer),
    );
  };
  const told = { answered, failed, changed };
  const starter = asker(model, { answered: begun, failed });
  const brain = starter.hasKernel
    ? kernelModel(model, told)
    : model.get("page_model")
      ? pageModel(model.get("page_model"), told)
      : noModel;
  const first = model.get("first");
  learn(first.known);
  if (first.logits) known.logits.set(first.ids.join(), ranked(numbersOf(first.logits)));
  known.losses.set(model.get("losses").text, model.get("losses"));
  /** What is known, or null, and then it is found out. */
  const of = (kind, key, question) => {
    const answer = known[kind].get(key);
    if (!answer) brain.ask(kind, key, question);
    return answer ?? known[kind].get(key); // a short one is there at once
  };
  return {
    hasKernel: starter.hasKernel,
    status: brain.status,
    wake: brain.wake,
    pieceOf,
    /** @param {number[]} ids */
    logits: (ids) => of("logits", ids.join(), { ids }),
    /** @param {number[]} ids */
    attention: (ids) => of("attention", ids.join(), { ids }),
    losses(text) {
      const lane = brain.status() === "ready" && !starter.hasKernel ? laneHere(local, text, "all") : null;
      if (lane && !lane.ids.length) return { pieces: [], losses: [], expected: [] };
      const ids = lane?.ids ?? [];
      return of("losses", text, { text, ids, pieces: ids.map(pieceOf), pieceOf });
    },
    /** The tokens of a text to begin with, where the page knows them; otherwise `begun` hears, if anybody does. */
    begin(text) {
      if (starter.hasKernel) starter.ask({ text });
      else {
        const lane = laneHere(local, text, "all");
        if (lane) begun({ text, ids: lane.ids, pieces: lane.ids.map(pieceOf) });
        else failed("another beginning needs Python: open the notebook and run its cell.");
      }
    },
    stop() {
      brain.stop();
      starter.stop();
    },
  };
}
