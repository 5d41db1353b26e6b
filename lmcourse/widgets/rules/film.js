// What MergeFilm shows of a step, as plain values: which tokens stand where, how a token lived, what is said of a pair.
// The algorithm is in bpe.js.
import { byteString, spell } from "../lib/tokens.js";
import { TIES, longestMatch, piecesAt } from "./bpe.js";

/**
 * The same function, which remembers its last answer: what did not change is not worked out again for every step.
 * `keys` gives, from the arguments, the values that the answer depends on; without it these are the arguments.
 */
export function once(fn, keys = (...given) => given) {
  let asked = [],
    answer;
  return (...given) => {
    const now = keys(...given);
    if (!asked.length || now.some((value, i) => value !== asked[i])) {
      asked = now;
      answer = fn(...given);
    }
    return answer;
  };
}

/** A pair as a reader names it: “l” + “o”. */
export const named = (run, pair) =>
  run
    .bytesOf(pair)
    .map((bytes) => `“${spell(bytes)}”`)
    .join(" + ");

/** Tokens one after the other from byte `from` on, as spans. */
function laid(from, tokens) {
  let at = from;
  return tokens.map((token, i) => {
    const span = { ...token, from: at, to: at + token.bytes.length, parity: i % 2, next: "" };
    at = span.to;
    return span;
  });
}

const visible = (pretokens, from, to) =>
  pretokens
    .map((pretoken, number) => ({ pretoken, number }))
    .filter(({ pretoken }) => pretoken.to > from && pretoken.from < to);

/**
 * The tokens of the training text after k merges, where they touch bytes from … to.
 * @returns {{ from, to, bytes, id, made: boolean, parity, next: "" | "left" | "right" }[]} `made` by the last merge;
 *   `next` marks the two halves that merge next, where `showNext`
 */
export function trainingSpans(run, { pretokens }, k, from, to, showNext) {
  const next = showNext ? run.steps[k]?.pair : null;
  return visible(pretokens, from, to).flatMap(({ pretoken }) => {
    const text = run.textAt(run.index.get(pretoken.text), k);
    const ids = Array.from(text, (char) => char.charCodeAt(0));
    const spans = laid(
      pretoken.from,
      ids.map((id) => ({ bytes: run.tokens[id], id, made: k > 0 && id === 255 + k })),
    );
    for (let i = 1; next && i < spans.length; i += 1) {
      if (spans[i - 1].next || text[i - 1] + text[i] !== next) continue;
      spans[i - 1].next = "left";
      spans[i].next = "right";
    }
    return spans;
  });
}

/** The tokens of the text that is encoded, after `done` merges fired. */
export function encodingSpans(trace, { pretokens }, done, from, to) {
  const step = trace.steps[done],
    last = trace.steps[done - 1];
  return visible(pretokens, from, to).flatMap(({ pretoken, number }) => {
    const pieces = piecesAt(trace, number, done).map((bytes, i) => ({
      bytes,
      id: bytes.length === 1 ? bytes.charCodeAt(0) : trace.ids.get(bytes),
      made: last?.pretoken === number && last.at === i,
    }));
    const spans = laid(pretoken.from, pieces);
    if (step?.pretoken === number) {
      spans[step.at].next = "left";
      spans[step.at + 1].next = "right";
    }
    return spans;
  });
}

/** How one pre-token came to be what it is: its pieces as bytes, then after each merge, with the rank that fired. */
export function ladderOf(trace, done, rows) {
  const number = (trace.steps[done] ?? trace.steps[done - 1])?.pretoken;
  if (number === undefined || rows < 2) return [];
  const start = trace.first[number];
  const fired = trace.steps.slice(start, Math.max(start, done)).filter(({ pretoken }) => pretoken === number);
  const states = [...fired.keys(), fired.length].slice(-rows);
  return states.map((n) => ({
    rank: n ? fired[n - 1].rank : null,
    made: n ? fired[n - 1].at : -1,
    pieces: piecesAt(trace, number, start + n),
  }));
}

/** Where two runs first merge differently, as an index; -1 where they do not, within `total` merges. */
export const leavesAt = (run, other, total) =>
  run.steps
    .slice(0, total)
    .findIndex(({ pair }, k) => !other.steps[k] || named(run, pair) !== named(other, other.steps[k].pair));

/** The merges of a run, as indices, at which the three rules would take different pairs. */
export const splitTies = (run, total) =>
  run.tables.slice(0, total).flatMap(({ wins }, k) => (new Set(TIES.map((tie) => wins[tie])).size > 1 ? [k] : []));

/** What a token is made of, from the token down to its bytes, each with its depth and its first byte. */
export function treeOf(run, root) {
  const halves = (id) => (id < 256 ? [] : [...run.steps[id - 256].pair].map((char) => char.charCodeAt(0)));
  const depth = (id) => (id < 256 ? 0 : 1 + Math.max(...halves(id).map(depth)));
  const place = (id, from) => {
    let at = from;
    const below = halves(id).flatMap((half) => {
      const here = at;
      at += run.tokens[half].length;
      return place(half, here);
    });
    return [{ id, bytes: run.tokens[id], from, depth: depth(id) }, ...below];
  };
  return place(root, 0);
}

/** The tokens that a token later became a part of, as bytes. */
export const heirsOf = (run, id, total) =>
  run.steps
    .slice(0, total)
    .filter(({ pair }) => pair.includes(String.fromCharCode(id)))
    .map((heir) => run.tokens[heir.id]);

/** The first pre-token that taking the longest token each time would cut otherwise: { bytes, longest }, or null. */
export function unlikeLongest(trace, done) {
  for (const [n, pretoken] of trace.pretokens.entries()) {
    const bytes = byteString(pretoken),
      longest = longestMatch(bytes, trace.ids).map(spell).join("|");
    if (longest !== piecesAt(trace, n, done).map(spell).join("|")) return { bytes, longest };
  }
  return null;
}
