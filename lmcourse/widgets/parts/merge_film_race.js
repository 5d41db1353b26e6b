// MergeFilm's race of the pairs: how often each is counted, the first merges next; or, while a text is encoded, which
// pairs of the pre-token at hand can merge.
import { change, fill, h, keyed, write } from "../lib/elements.js";
import { still } from "../lib/motion.js";
import { grouped, plural } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { byteString } from "../lib/tokens.js";
import { TIES, candidates, pairKey, piecesAt } from "../rules/bpe.js";
import { named, once } from "../rules/film.js";
import { token } from "./merge_film_tokens.js";
import { takes } from "./merge_film_words.js";

const ROW = 24; // height of a row, in pixels
const ROWS = 6; // pairs shown of a table
const MOTION = { duration: 240, easing: "ease" };

/**
 * A row of the race: how often the pair is counted, and merged; what stands beside the bar.
 * @typedef {{ key: string, pair: string[], count: number, merged: number, tied?: boolean, words: string, tags: any[] }}
 *   Row
 */

const parts = new WeakMap(); // of a row: its bars, its count, its tags

/** @param {Row} item */
function makeRow({ pair: [left, right] }) {
  const part = {
    bar: h("span", { class: "mf-bar" }),
    over: h("span", { class: "mf-bar-over" }),
    count: h("span", { class: "mf-count" }),
    tags: h("span", { class: "mf-tags" }),
    shown: null,
    motion: null,
  };
  const pair = h("span", { class: "mf-pair" }, token(left), " + ", token(right));
  const track = h("span", { class: "mf-track" }, part.bar, part.over);
  const row = h("div", { role: "listitem" }, pair, track, part.count, part.tags);
  parts.set(row, part);
  return row;
}

/** @type {(row: any, item: Row, most: number, place: number) => void} */
function updateRow(row, { count, merged, tied, words, tags }, most, place) {
  const part = parts.get(row);
  change(row, { class: `mf-row${tied ? " mf-tied" : ""}${place === 0 ? " mf-first" : ""}` });
  change(part.bar, { style: `width: ${(100 * merged) / most}%` });
  change(part.over, { style: `width: ${(100 * (count - merged)) / most}%` });
  write(part.count, words);
  const same = part.shown?.length === tags.length && tags.every((tag, i) => tag === part.shown[i]);
  if (!same)
    part.tags.replaceChildren(
      ...tags.map((tag) => (typeof tag === "string" ? h("span", { class: "mf-tag" }, tag) : tag)),
    );
  part.shown = tags;
}

/** Let a row be seen to come from the place it had. */
function moveRow(row, from, place, moves) {
  const part = parts.get(row);
  part.motion?.cancel();
  if (!moves || from === place) return;
  const start = { transform: `translateY(${(from - place) * ROW}px)` };
  part.motion = row.animate([start, { transform: "none" }], MOTION);
}

/** A list of rows that move to their new places; `draw(items, most)`. */
function raceList() {
  const el = h("div", { class: "mf-race", role: "list", style: `height: ${ROWS * ROW}px` });
  let places = new Map();
  return {
    el,
    /** @type {(items: Row[], most: number) => void} */
    draw(items, most) {
      const before = places,
        moves = before.size > 0 && !still();
      places = new Map(items.map(({ key }, place) => [key, place]));
      keyed(el, items, {
        key: ({ key }) => key,
        make: makeRow,
        update(row, item) {
          const place = places.get(item.key);
          updateRow(row, item, most, place);
          moveRow(row, before.get(item.key) ?? ROWS, place, moves);
        },
      });
    },
  };
}

// The ids and the bytes: ids differ from run to run.
const keyOf = (run, pair) => `${pair} ${pairKey(...run.bytesOf(pair))}`;

/** The pairs of a step as rows, the most frequent first. */
export function trainingRows(run, k) {
  const { most, tied, wins, rows } = run.tables[k],
    yours = run.given && run.steps[k]?.pair;
  return rows.slice(0, ROWS).map(({ pair, count, merged }) => {
    const isTied = tied > 1 && count === most,
      winners = isTied ? TIES.filter((tie) => wins[tie] === pair) : [];
    const rule = winners.length === TIES.length ? "every rule" : winners.join(", ");
    const tags = [merged < count && `merges ${merged}`, rule, pair === yours && "yours next"].filter(Boolean);
    const words = `${count}${isTied ? " tie" : ""}`;
    return { key: keyOf(run, pair), pair: run.bytesOf(pair), count, merged, tied: isTied, words, tags };
  });
}

function trainingHead(run, k) {
  const { most, tied } = run.tables[k];
  if (!most) return "No pair is left to merge";
  if (tied > 1) return `Pairs now: ${grouped(tied)} tie at ${grouped(most)}`;
  return run.given && run.steps[k] ? "Pairs now" : "Pairs now, the first merges next";
}

/** What is said of a guess: { right, words }. */
export function judgeGuess(run, k, pair, count) {
  const { most, tied, wins } = run.tables[k],
    counted = `${named(run, pair)} is counted ${plural(count, "time")}`;
  if (pair === run.steps[k].pair) {
    const alone = tied > 1 ? `, as ${plural(tied - 1, "other")}, and the rule takes it` : ", more than any other";
    return { right: true, words: `Yes: ${counted}${alone}. ` };
  }
  const words =
    count < most
      ? `${counted}; another pair is counted ${plural(most, "time")}.`
      : `${counted}, as the one that the rule takes: ${takes(run, wins)}.`;
  return { right: false, words };
}

/** The pairs in alphabetical order, without their counts, each with a button; a wrong one with what is wrong of it. */
function guessRows(run, k, wrong, judged) {
  const shown = run.tables[k].rows.slice(0, ROWS);
  const order = shown.sort((p, q) => (named(run, p.pair) < named(run, q.pair) ? -1 : 1));
  return order.map(({ pair, count }) => {
    if (wrong.has(pair)) {
      const tag = count < run.tables[k].most ? "✗ not the most" : "✗ not by this rule";
      const row = { key: keyOf(run, pair), pair: run.bytesOf(pair), count: 0, merged: 0 };
      return { ...row, words: String(count), tags: [h("span", { class: "mf-tag mf-wrong" }, tag)] };
    }
    const says = { type: "button", "aria-label": `this one: ${named(run, pair)}` };
    const tell = h("button", { ...says, onclick: () => judged(judgeGuess(run, k, pair, count), pair) }, "this one");
    return { key: keyOf(run, pair), pair: run.bytesOf(pair), count: 0, merged: 0, words: "?", tags: [tell] };
  });
}

function encodingRows(trace, done) {
  const all = candidates(trace, piecesAt(trace, trace.steps[done].pretoken, done)).slice(0, ROWS);
  const row = ({ at, rank, pair }) => ({
    key: `at ${at} ${rank} ${pairKey(...pair)}`,
    pair,
    count: rank + 1,
    merged: rank + 1,
    words: `rank ${rank}`,
    tags: [],
  });
  return { rows: all.map(row), most: Math.max(...all.map(({ rank }) => rank)) + 1 };
}

function nothingLeft(trace, total) {
  const fired = new Set(trace.steps.map(({ rank }) => rank)).size;
  return `No neighbours are left that can merge: ${fired} of ${plural(total, "merge")} fired`;
}

/** @param {(verdict: { right: boolean, words: string }, step: number) => void} judged  what a guess does */
export function raceOf(judged) {
  const head = h("p", { class: "mf-sub" }),
    list = raceList(),
    stops = roving(list.el, "button");
  const canMerge = once(({ pretokens }, n) => [
    new Text("Can merge in "),
    token(byteString(pretokens[n])),
    new Text(", lowest rank first"),
  ]);

  let wrong = new Set(), // pairs that were guessed at this step
    asked = "";

  function drawTraining({ run, k, guessing }) {
    const held = list.el.contains(document.activeElement);
    if (!guessing) {
      write(head, trainingHead(run, k));
      list.draw(trainingRows(run, k), Math.max(1, run.tables[k].most));
      if (held) list.el.closest(".lmc").querySelector("input[type=range]")?.focus(); // its buttons are gone
      return;
    }
    const step = `${k} ${run.tie} ${run.bytes} ${named(run, run.steps[k].pair)}`;
    if (asked !== step) wrong = new Set();
    asked = step;
    const say = (verdict, pair) => {
      if (!verdict.right) wrong.add(pair);
      judged(verdict, k);
    };
    write(head, "Which pair merges next?");
    list.draw(guessRows(run, k, wrong, say), 1);
    stops.refresh(0, held);
  }

  function drawEncoding({ trace, done, total }) {
    if (!trace.steps[done]) {
      write(head, nothingLeft(trace, total));
      return list.draw([], 1);
    }
    fill(head, canMerge(trace, trace.steps[done].pretoken));
    const { rows, most } = encodingRows(trace, done);
    list.draw(rows, most);
  }

  return {
    els: [head, list.el],
    draw: (view) => (view.training ? drawTraining(view) : drawEncoding(view)),
  };
}
