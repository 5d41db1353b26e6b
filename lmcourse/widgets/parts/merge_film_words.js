// What MergeFilm says: the headline above the stage, and the reading line below it.
import { h } from "../lib/elements.js";
import { grouped, plural } from "../lib/numbers.js";
import { byteString, bytesPerToken, spell } from "../lib/tokens.js";
import { TIES, candidates, piecesAt } from "../rules/bpe.js";
import { named, unlikeLongest } from "../rules/film.js";
import { token } from "./merge_film_tokens.js";

const big = (...children) => h("span", { class: "mf-big" }, children);
const small = (...children) => h("span", { class: "lmc-muted" }, children);
const formula = (left, right, made) =>
  h("span", { class: "mf-big mf-formula" }, token(left), " + ", token(right), " → ", token(made, "mf-made"));

/** The nodes of the headline. */
export function headTraining(run, k) {
  if (!k) return [big("Every token is one byte"), small("press Play, or step")];
  const { pair, count, replaced, id } = run.steps[k - 1],
    { tied } = run.tables[k - 1];
  const counted = count > replaced ? `counted ${count}, merged ${replaced}: it overlaps itself` : `counted ${count}`;
  return [
    big(`Merge ${k} `),
    formula(...run.bytesOf(pair), run.tokens[id]),
    h("span", {}, counted),
    small(`id ${id}`),
    ...(tied > 1 ? [h("span", { class: "mf-tag" }, `tie of ${grouped(tied)}`)] : []),
  ];
}

export function headEncoding({ run, steps }, done) {
  const last = steps[done - 1];
  if (!last) return [big("Now encode a text"), small("the merges again, in the order they were learned")];
  const [left, right] = run.bytesOf(run.steps[last.rank].pair);
  return [big(`Rank ${last.rank} fires`), formula(left, right, left + right), small(`id ${256 + last.rank}`)];
}

/** Which pair each rule would take, in words. */
export function takes(run, wins) {
  const pairs = [...new Set(TIES.map((tie) => wins[tie]))];
  const parts = pairs.map((pair) => {
    const rules = TIES.filter((tie) => wins[tie] === pair).map((tie) => `“${tie}”`);
    return `${rules.join(" and ")} ${rules.length === 1 ? "takes" : "take"} ${named(run, pair)}`;
  });
  return parts.join(", ");
}

const EMPTY =
  "Type a text to train on: every pair of neighbouring bytes is counted, and the most frequent becomes a token.";

/** The reading line while training. */
export function sayTraining({ run, k, total, guessing }) {
  const now = run.tokensAt(k),
    verb = `${run.bytes === 1 ? "is" : "are"}${k ? " now" : ""}`;
  const ratio = bytesPerToken(run.bytes, now);
  const is = `${plural(run.bytes, "byte")} ${verb} ${plural(now, "token")}, ${ratio} bytes a token.`;
  if (!run.bytes) return EMPTY;
  if (!run.tables[k].most || (k === run.steps.length && run.done))
    return `${is} Every pre-token is one token: no pair is left to merge.`;
  if (guessing) return `${is} Count the pairs, and say which one is merged next.`;
  if (k < total) return `${is} ${sayNext(run, k)}`;
  return `${is} The vocabulary is full: 256 bytes and ${plural(total, "merge")}. Step on to encode a text with it.`;
}

function sayNext(run, k) {
  const { most, tied, wins } = run.tables[k],
    { pair, count } = run.steps[k];
  if (run.given) {
    const less = count < most ? `; the most frequent is counted ${most}` : "";
    return `Yours merges ${named(run, pair)} next, counted ${plural(count, "time")}${less}.`;
  }
  const heart = most === 1 ? " Every pair is there once: from here on the text is only learned by heart." : "";
  if (tied === 1) return `Next: ${named(run, pair)}, counted ${plural(most, "time")}.${heart}`;
  return `Next ${plural(tied, "pair")} tie at ${most}: ${takes(run, wins)}.${heart}`;
}

/** The reading line while encoding. */
export function sayEncoding({ trace, fresh, done }) {
  const bytes = fresh.bytes.length,
    now = bytes - done,
    step = trace.steps[done];
  if (!bytes) return "Type a text to encode: the merges fire in the order they were learned.";
  const became = `${plural(bytes, "byte")} became ${plural(now, "token")}, ${bytesPerToken(bytes, now)} bytes a token.`;
  if (!step) return `${became}${notLongest(trace, done)}`;
  const all = candidates(trace, piecesAt(trace, step.pretoken, done)),
    leftmost = Math.min(...all.map(({ at }) => at));
  const whole = spell(byteString(trace.pretokens[step.pretoken])),
    notFirst = step.at > leftmost ? ", though it is not the leftmost" : "";
  const fires = `rank ${step.rank} fires, the earliest learned${notFirst}`;
  return `${plural(all.length, "pair")} of “${whole}” can merge; ${fires}.`;
}

function notLongest(trace, done) {
  const other = unlikeLongest(trace, done);
  if (!other) return "";
  const cut = `would cut “${spell(other.bytes)}” into ${other.longest} instead`;
  return ` Taking the longest token each time ${cut}: not what BPE does.`;
}

/** How a token lives: when it was made, where it is now, what became of it. */
export function life(run, id, k, total, heirs) {
  const step = run.steps[id - 256],
    end = run.occurrences(id, total);
  const overlap = step && step.count > step.replaced ? ` (counted ${step.count}: it overlaps itself)` : "";
  const born = step ? `merge ${id - 255}, made in ${plural(step.replaced, "place")}${overlap}` : "one of the 256 bytes";
  const now = k < id - 255 ? "not made yet" : `now in ${plural(run.occurrences(id, k), "place")}`;
  const gone = step ? "at the end in none: scaffolding, with an id that this text never uses" : "gone at the end";
  const fate = end ? `at the end in ${plural(end, "place")}` : gone;
  const names = heirs.slice(0, 4).map((bytes) => `“${spell(bytes)}”`);
  const later = heirs.length ? ` Later part of ${names.join(", ")}${heirs.length > 4 ? " …" : ""}.` : "";
  return `${born}; ${now}; ${fate}.${later}`;
}
