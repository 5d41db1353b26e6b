// Byte-pair encoding in the browser: training under three tie rules, step by step, and encoding by rank. Node tests
// hold it against lmcourse.tokenization on golden vectors.
import { byteString, layOut, pretokenize, spell } from "../lib/tokens.js";

export const TIES = ["greatest", "first", "smallest"];
export const TABLE = 8; // pairs kept of each table

// GPT-2 numbers the bytes that have a visible character first.
const visible = (b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
const ORDER = Array.from({ length: 256 }, (_, b) => b).sort((a, b) => Number(visible(b)) - Number(visible(a)) || a - b);
const BYTE_ID = new Map(ORDER.map((b, id) => [b, id]));
const gpt2Id = (char) => BYTE_ID.get(char.charCodeAt(0)) ?? char.charCodeAt(0);

/** How often each distinct pre-token occurs, in the order of first appearance. */
export function countPretokens(text) {
  const counts = new Map();
  for (const piece of pretokenize(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  return counts;
}

/**
 * The incremental trainer, as in Python: a pre-token is a string with one character a token, and a merge visits only
 * the pre-tokens that hold the pair. `steps[k]` is the merge made after k others, `tables[k]` what it chose from.
 */
export class Trainer {
  constructor(words, tie, given = null) {
    this.tie = tie;
    this.given = given; // someone else's merges, played instead of the best ones
    this.tokens = Array.from({ length: 256 }, (_, b) => String.fromCharCode(b));
    this.index = new Map([...words.keys()].map((word, w) => [word, w]));
    this.times = [...words.values()];
    this.texts = [...words.keys()].map(byteString);
    this.history = this.texts.map((text) => [{ since: 0, text }]); // per pre-token: merges made, its tokens then
    this.bytes = this.texts.reduce((sum, text, w) => sum + text.length * this.times[w], 0);
    this.counts = new Map();
    this.where = new Map();
    this.steps = [];
    this.tables = [];
    this.done = false;
    this.problem = "";
    this.texts.forEach((text, w) => {
      for (let i = 0; i + 1 < text.length; i += 1) this.born(text[i] + text[i + 1], w);
    });
    this.look();
  }

  born(pair, w) {
    this.counts.set(pair, (this.counts.get(pair) ?? 0) + this.times[w]);
    if (!this.where.has(pair)) this.where.set(pair, []);
    this.where.get(pair).push(w);
  }

  lose(pair, w) {
    const left = (this.counts.get(pair) ?? 0) - this.times[w];
    if (left) this.counts.set(pair, left);
    else this.counts.delete(pair);
  }

  bytesOf(pair) {
    return [this.tokens[pair.charCodeAt(0)], this.tokens[pair.charCodeAt(1)]];
  }

  /** Where a pair is first seen: the pre-token, then the byte. Merges move tokens, but neither of these. */
  firstSeen(pair) {
    if (this.seen.has(pair)) return this.seen.get(pair);
    const w = this.where.get(pair).find((v) => this.texts[v].includes(pair));
    let byte = 0;
    for (let i = this.texts[w].indexOf(pair) - 1; i >= 0; i -= 1)
      byte += this.tokens[this.texts[w].charCodeAt(i)].length;
    this.seen.set(pair, [w, byte]);
    return this.seen.get(pair);
  }

  /** Is pair p preferred to q by the rule, when both are equally frequent? */
  before(p, q, tie) {
    let a, b;
    if (tie === "greatest") [b, a] = [this.bytesOf(p), this.bytesOf(q)];
    else if (tie === "smallest")
      [a, b] = [
        [gpt2Id(p[0]), gpt2Id(p[1])],
        [gpt2Id(q[0]), gpt2Id(q[1])],
      ];
    else [a, b] = [this.firstSeen(p), this.firstSeen(q)];
    for (const i of [0, 1]) if (a[i] !== b[i]) return a[i] < b[i];
    return p < q;
  }

  /** What the next merge is chosen from: the most frequent pairs, how many tie, and who wins under each rule. */
  look() {
    this.seen = new Map();
    let most = 0,
      tied = [];
    const top = [];
    for (const [pair, n] of this.counts) {
      if (n > most) {
        most = n;
        tied = [pair];
      } else if (n === most) tied.push(pair);
      const last = top.at(-1);
      if (top.length === TABLE && (n < last[1] || (n === last[1] && !this.before(pair, last[0], this.tie)))) continue;
      let at = top.length;
      while (at > 0 && (top[at - 1][1] < n || (top[at - 1][1] === n && this.before(pair, top[at - 1][0], this.tie))))
        at -= 1;
      top.splice(at, 0, [pair, n]);
      if (top.length > TABLE) top.pop();
    }
    const wins = {};
    if (most)
      for (const tie of TIES) wins[tie] = tied.reduce((best, pair) => (this.before(pair, best, tie) ? pair : best));
    this.tables.push({
      most,
      tied: tied.length,
      wins,
      rows: top.map(([pair, count]) => ({ pair, count, merged: this.mergeable(pair, count) })),
    });
    if (!most && !this.given) this.done = true;
  }

  /** How often a pair can be merged: fewer than counted only where it overlaps itself, as aa does in aaa. */
  mergeable(pair, n) {
    if (pair[0] !== pair[1]) return n;
    return [...new Set(this.where.get(pair))].reduce(
      (sum, w) => sum + (this.texts[w].split(pair).length - 1) * this.times[w],
      0,
    );
  }

  /** The pair that is merged next: the best one, or the given one. */
  choose() {
    const best = this.tables.at(-1).wins[this.tie];
    if (!this.given) return best;
    const wanted = this.given[this.steps.length];
    if (!wanted) return null;
    const ids = wanted.map((bytes) =>
      this.tokens.flatMap((token, id) => (token === bytes ? [String.fromCharCode(id)] : [])),
    );
    if (!ids[0].length || !ids[1].length) {
      const unknown = spell(wanted[ids[0].length ? 1 : 0]);
      this.problem = `merge ${this.steps.length + 1} uses “${unknown}”, which no earlier merge made`;
      return null;
    }
    const pairs = ids[0].flatMap((left) => ids[1].map((right) => left + right));
    return pairs.find((pair) => this.counts.has(pair)) ?? pairs[0];
  }

  /** Make one merge; false when there is none. */
  step() {
    if (this.done) return false;
    const pair = this.choose();
    if (!pair) {
      this.done = true;
      return false;
    }
    const { texts, times, tokens } = this;
    const k = this.steps.length,
      id = tokens.length,
      made = String.fromCharCode(id),
      [left, right] = pair;
    const count = this.counts.get(pair) ?? 0,
      visit = this.where.get(pair) ?? [];
    let replaced = 0;
    tokens.push(this.bytesOf(pair).join(""));
    this.where.delete(pair);
    for (const w of visit) {
      if (!texts[w].includes(pair)) continue; // an earlier merge took it
      const text = texts[w].replaceAll(pair, made);
      texts[w] = text;
      if (text.length < 200 || k % 16 === 0) this.history[w].push({ since: k + 1, text });
      for (let at = text.indexOf(made); at >= 0; at = text.indexOf(made, at + 1)) {
        replaced += times[w];
        const previous = text[at - 1],
          next = text[at + 1];
        if (previous) {
          this.lose((previous === made ? right : previous) + left, w);
          this.born(previous + made, w);
        }
        if (next && next !== made) {
          // if it is new itself, the next round counts the two
          this.lose(right + next, w);
          this.born(made + next, w);
        }
      }
    }
    this.counts.delete(pair);
    const tokensNow = (this.steps.at(-1)?.tokensNow ?? this.bytes) - replaced;
    this.steps.push({ pair, id, count, replaced, tokensNow });
    this.look();
    return true;
  }

  /** The tokens of a pre-token after k merges, one character a token. */
  textAt(w, k) {
    const { since, text } = this.history[w].findLast((state) => state.since <= k);
    let now = text;
    if (now.length >= 200)
      for (let j = since; j < k; j += 1) now = now.replaceAll(this.steps[j].pair, String.fromCharCode(256 + j));
    return now;
  }

  /** How many tokens with this id the whole text has after k merges. */
  occurrences(id, k) {
    const own = String.fromCharCode(id);
    let n = 0;
    if (id < 256)
      this.history.forEach(([{ text }], w) => {
        n += (text.split(own).length - 1) * this.times[w];
      });
    for (const step of this.steps.slice(0, k)) {
      if (step.id === id) n += step.replaced;
      for (const part of step.pair) if (part === own) n -= step.replaced;
    }
    return n;
  }

  tokensAt(k) {
    return k ? this.steps[k - 1].tokensNow : this.bytes;
  }

  merges(k = this.steps.length) {
    return this.steps.slice(0, k).map(({ pair }) => this.bytesOf(pair));
  }
}

/**
 * A text and its training under each rule, made in small pieces, so that whoever types never waits for it. `runs` may
 * hold a run more: the reader's own.
 */
export class Film {
  constructor(text) {
    this.text = text;
    this.layout = null;
    this.words = null;
    this.runs = {};
  }

  /** Do the next piece, one merge at most, the run named `first` before the others; false when all is done. */
  advance(first, target) {
    if (!this.layout) this.layout = layOut(this.text);
    else if (!this.words) this.words = countPretokens(this.text);
    else {
      const missing = TIES.find((tie) => !this.runs[tie]);
      const next = missing ?? [first, ...Object.keys(this.runs)].find((name) => !this.done(name, target));
      if (missing) this.runs[missing] = new Trainer(this.words, missing);
      else if (next) this.runs[next].step();
      else return false;
    }
    return true;
  }

  done(name, target) {
    return this.runs[name].done || this.runs[name].steps.length >= target;
  }

  /** Can it be shown, or is the run named `name` still on its way? */
  ready(name, target) {
    return TIES.every((tie) => this.runs[tie]) && this.done(name, target);
  }
}

/** Train to the end, for tests and small texts. */
export function train(text, merges, tie) {
  const trainer = new Trainer(countPretokens(text), tie);
  while (trainer.steps.length < merges && trainer.step());
  return trainer;
}

/** Two byte strings as the key of a map. */
export const pairKey = (left, right) => `${left.length}:${left}${right}`;

/** The rank of each pair, and the id of each token, of merges given as pairs of byte strings. */
export const ranked = (merges) => ({
  ranks: new Map(merges.map(([left, right], rank) => [pairKey(left, right), rank])),
  ids: new Map(merges.map(([left, right], rank) => [left + right, 256 + rank])),
});

/**
 * Encoding, one merge a step: in each pre-token the neighbours of lowest rank merge first, the leftmost of them.
 * @returns {{ pretokens, steps: { pretoken, at, rank }[], first: number[], ranks, ids }}
 */
export function encodeTrace(text, merges, { ranks, ids } = ranked(merges)) {
  const pretokens = pretokenize(text),
    steps = [],
    first = [];
  pretokens.forEach((pretoken, number) => {
    first.push(steps.length);
    const pieces = [...byteString(pretoken)];
    const rankOf = (i) => ranks.get(pairKey(pieces[i], pieces[i + 1])) ?? Infinity;
    const now = pieces.slice(1).map((_, i) => rankOf(i));
    for (;;) {
      let at = -1,
        rank = Infinity;
      for (let i = 0; i < now.length; i += 1)
        if (now[i] < rank) {
          rank = now[i];
          at = i;
        }
      if (at < 0) break;
      pieces.splice(at, 2, pieces[at] + pieces[at + 1]);
      now.splice(at, 1);
      if (at < now.length) now[at] = rankOf(at);
      if (at > 0) now[at - 1] = rankOf(at - 1);
      steps.push({ pretoken: number, at, rank });
    }
  });
  return { pretokens, steps, first, ranks, ids };
}

/** The byte strings of one pre-token when `done` steps of the whole text have fired. */
export function piecesAt(trace, pretoken, done) {
  const pieces = [...byteString(trace.pretokens[pretoken])];
  const end = Math.min(done, trace.first[pretoken + 1] ?? trace.steps.length);
  for (let k = trace.first[pretoken]; k < end; k += 1) {
    const { at } = trace.steps[k];
    pieces.splice(at, 2, pieces[at] + pieces[at + 1]);
  }
  return pieces;
}

/** All pairs of a pre-token that can merge now, the one that fires first. */
export function candidates(trace, pieces) {
  return pieces
    .slice(1)
    .map((right, at) => ({ at, rank: trace.ranks.get(pairKey(pieces[at], right)), pair: [pieces[at], right] }))
    .filter(({ rank }) => rank !== undefined)
    .sort((a, b) => a.rank - b.rank || a.at - b.at);
}

/** What taking the longest token that fits, from the left, would give: not what BPE does. */
export function longestMatch(bytes, ids) {
  const found = [];
  for (let i = 0; i < bytes.length; ) {
    let size = Math.min(bytes.length - i, 64);
    while (size > 1 && !ids.has(bytes.slice(i, i + size))) size -= 1;
    found.push(bytes.slice(i, i + size));
    i += size;
  }
  return found;
}

const quoted = ([left, right]) => `“${spell(left)}” + “${spell(right)}”`;

/** Where the learner's merges leave the reference's: { at, words } or null where they are the same. */
export function divergence(yours, reference, target) {
  const most = Math.min(target, Math.max(yours.steps.length, reference.steps.length));
  for (let at = 0; at < most; at += 1) {
    const mine = yours.steps[at],
      wanted = reference.steps[at];
    if (!wanted) return { at, words: `The reference stops after ${at} merges: no pair is left. Yours goes on.` };
    if (!mine) return { at, words: stopped(yours, reference.bytesOf(wanted.pair), at) };
    const [a, b] = [yours.bytesOf(mine.pair), reference.bytesOf(wanted.pair)];
    if (a[0] === b[0] && a[1] === b[1]) continue;
    const why = whyOther(mine, wanted, reference, at);
    return { at, words: `Merge ${at + 1} differs: yours merges ${quoted(a)}, the reference ${quoted(b)}; ${why}.` };
  }
  return null;
}

const stopped = (yours, next, at) =>
  yours.problem
    ? `In yours, ${yours.problem}.`
    : `Yours stops after ${at} merges; the reference goes on with ${quoted(next)}.`;

function whyOther(mine, wanted, reference, at) {
  if (!mine.count) return "yours does not occur in the text at that point";
  if (mine.count !== wanted.count) return `yours is counted ${mine.count} times, the reference's ${wanted.count}`;
  const rule = TIES.find((tie) => tie !== reference.tie && reference.tables[at].wins[tie] === mine.pair);
  const broken = rule ? `by “${rule}”` : "by no rule of the three";
  return (
    `both are counted ${wanted.count} times: a tie, broken ${broken} in yours and by “${reference.tie}” in the ` +
    "reference"
  );
}
