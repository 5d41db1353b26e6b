// MergeFilm: byte-pair encoding, merge by merge: learned from a text, then applied to another. The whole algorithm is
// here, so that the film needs no kernel; node tests hold it against lmcourse.tokenization on golden vectors.
import { asker, choice, field, frame, grouped, h, put, redraw, roving, s, slider, stepper } from "./base.js";
import { byteLine, byteString, bytesPerToken, byteRows, drawn, layOut, lines, linkSpans, pager, pretokenize, spell, wellFormed } from "./tokens.js";

export const TIES = ["greatest", "first", "smallest"];
const RULES = { greatest: "greatest bytes (CS336)", first: "first seen (minbpe)", smallest: "smallest ids (Hugging Face)" };
const MOST = 20000;  // characters trained on
const MOST_NEW = 300;  // characters encoded, one merge a step
const TABLE = 8;  // pairs in the race

// GPT-2 numbers the bytes that have a visible character first.
const visible = (b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
const ORDER = Array.from({ length: 256 }, (_, b) => b).sort((a, b) => visible(b) - visible(a) || a - b);
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
    this.given = given;  // someone else's merges, played instead of the best ones
    this.tokens = Array.from({ length: 256 }, (_, b) => String.fromCharCode(b));
    this.index = new Map([...words.keys()].map((word, w) => [word, w]));
    this.times = [...words.values()];
    this.texts = [...words.keys()].map(byteString);
    this.history = this.texts.map((text) => [[0, text]]);  // per pre-token: [merges made, its tokens then]
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

  bytesOf(pair) { return [this.tokens[pair.charCodeAt(0)], this.tokens[pair.charCodeAt(1)]]; }

  /** Where a pair is first seen: the pre-token, then the byte. Merges move tokens, but neither of these. */
  firstSeen(pair) {
    if (this.seen.has(pair)) return this.seen.get(pair);
    const w = this.where.get(pair).find((v) => this.texts[v].includes(pair));
    let byte = 0;
    for (let i = this.texts[w].indexOf(pair) - 1; i >= 0; i -= 1) byte += this.tokens[this.texts[w].charCodeAt(i)].length;
    this.seen.set(pair, [w, byte]);
    return this.seen.get(pair);
  }

  /** Is pair p preferred to q by the rule, when both are equally frequent? */
  before(p, q, tie) {
    let a, b;
    if (tie === "greatest") [b, a] = [this.bytesOf(p), this.bytesOf(q)];
    else if (tie === "smallest") [a, b] = [[gpt2Id(p[0]), gpt2Id(p[1])], [gpt2Id(q[0]), gpt2Id(q[1])]];
    else [a, b] = [this.firstSeen(p), this.firstSeen(q)];
    for (const i of [0, 1]) if (a[i] !== b[i]) return a[i] < b[i];
    return p < q;
  }

  /** What the next merge is chosen from: the most frequent pairs, how many tie, and who wins under each rule. */
  look() {
    this.seen = new Map();
    let most = 0, tied = [];
    const top = [];
    for (const [pair, n] of this.counts) {
      if (n > most) { most = n; tied = [pair]; } else if (n === most) tied.push(pair);
      const last = top.at(-1);
      if (top.length === TABLE && (n < last[1] || (n === last[1] && !this.before(pair, last[0], this.tie)))) continue;
      let at = top.length;
      while (at > 0 && (top[at - 1][1] < n || (top[at - 1][1] === n && this.before(pair, top[at - 1][0], this.tie)))) at -= 1;
      top.splice(at, 0, [pair, n]);
      if (top.length > TABLE) top.pop();
    }
    const wins = {};
    if (most) for (const tie of TIES) wins[tie] = tied.reduce((best, pair) => (this.before(pair, best, tie) ? pair : best));
    this.tables.push({ most, tied: tied.length, wins, rows: top.map(([pair, n]) => [pair, n, this.mergeable(pair, n)]) });
    if (!most && !this.given) this.done = true;
  }

  /** How often a pair can be merged: fewer than counted only where it overlaps itself, as aa does in aaa. */
  mergeable(pair, n) {
    if (pair[0] !== pair[1]) return n;
    return [...new Set(this.where.get(pair))].reduce((sum, w) => sum + (this.texts[w].split(pair).length - 1) * this.times[w], 0);
  }

  /** The pair that is merged next: the best one, or the given one. */
  choose() {
    const best = this.tables.at(-1).wins[this.tie];
    if (!this.given) return best;
    const wanted = this.given[this.steps.length];
    if (!wanted) return null;
    const ids = wanted.map((bytes) => this.tokens.flatMap((token, id) => (token === bytes ? [String.fromCharCode(id)] : [])));
    if (!ids[0].length || !ids[1].length) {
      this.problem = `merge ${this.steps.length + 1} uses “${spell(wanted[ids[0].length ? 1 : 0])}”, which no earlier merge made`;
      return null;
    }
    const pairs = ids[0].flatMap((left) => ids[1].map((right) => left + right));
    return pairs.find((pair) => this.counts.has(pair)) ?? pairs[0];
  }

  /** Make one merge; false when there is none. */
  step() {
    if (this.done) return false;
    const pair = this.choose();
    if (!pair) { this.done = true; return false; }
    const { texts, times, tokens } = this;
    const k = this.steps.length, id = tokens.length, made = String.fromCharCode(id), [left, right] = pair;
    const count = this.counts.get(pair) ?? 0, visit = this.where.get(pair) ?? [];
    let replaced = 0;
    tokens.push(this.bytesOf(pair).join(""));
    this.where.delete(pair);
    for (const w of visit) {
      if (!texts[w].includes(pair)) continue;  // an earlier merge took it
      const text = texts[w] = texts[w].replaceAll(pair, made);
      if (text.length < 200 || k % 16 === 0) this.history[w].push([k + 1, text]);
      for (let at = text.indexOf(made); at >= 0; at = text.indexOf(made, at + 1)) {
        replaced += times[w];
        const previous = text[at - 1], next = text[at + 1];
        if (previous) {
          this.lose((previous === made ? right : previous) + left, w);
          this.born(previous + made, w);
        }
        if (next && next !== made) {  // if it is new itself, the next round counts the two
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
    const [since, text] = this.history[w].findLast(([merges]) => merges <= k);
    let now = text;
    if (now.length >= 200) for (let j = since; j < k; j += 1) now = now.replaceAll(this.steps[j].pair, String.fromCharCode(256 + j));
    return now;
  }

  /** How many tokens with this id the whole text has after k merges. */
  occurrences(id, k) {
    const own = String.fromCharCode(id);
    let n = 0;
    if (id < 256) this.history.forEach(([[, text]], w) => { n += (text.split(own).length - 1) * this.times[w]; });
    for (const step of this.steps.slice(0, k)) {
      if (step.id === id) n += step.replaced;
      for (const part of step.pair) if (part === own) n -= step.replaced;
    }
    return n;
  }

  tokensAt(k) { return k ? this.steps[k - 1].tokensNow : this.bytes; }

  merges(k = this.steps.length) { return this.steps.slice(0, k).map(({ pair }) => this.bytesOf(pair)); }
}

/** Train to the end, for tests and small texts. */
export function train(text, merges, tie) {
  const trainer = new Trainer(countPretokens(text), tie);
  while (trainer.steps.length < merges && trainer.step());
  return trainer;
}

const key = (left, right) => `${left.length}:${left}${right}`;

/**
 * Encoding, one merge a step: in each pre-token the neighbours of lowest rank merge first, the leftmost of them.
 * @returns {{ pretokens, steps: { pretoken, at, rank }[], first: number[], ranks, ids }}
 */
export function encodeTrace(text, merges) {
  const ranks = new Map(merges.map(([left, right], rank) => [key(left, right), rank]));
  const ids = new Map(merges.map(([left, right], rank) => [left + right, 256 + rank]));
  const pretokens = pretokenize(text), steps = [], first = [];
  pretokens.forEach((pretoken, number) => {
    first.push(steps.length);
    const pieces = [...byteString(pretoken)];
    const rankOf = (i) => ranks.get(key(pieces[i], pieces[i + 1])) ?? Infinity;
    const now = pieces.slice(1).map((_, i) => rankOf(i));
    for (;;) {
      let at = -1, rank = Infinity;
      for (let i = 0; i < now.length; i += 1) if (now[i] < rank) { rank = now[i]; at = i; }
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
  return pieces.slice(1)
    .map((right, at) => ({ at, rank: trace.ranks.get(key(pieces[at], right)), pair: [pieces[at], right] }))
    .filter(({ rank }) => rank !== undefined)
    .sort((a, b) => a.rank - b.rank || a.at - b.at);
}

/** What taking the longest token that fits, from the left, would give: not what BPE does. */
export function longestMatch(bytes, ids) {
  const found = [];
  for (let i = 0; i < bytes.length;) {
    let size = Math.min(bytes.length - i, 64);
    while (size > 1 && !ids.has(bytes.slice(i, i + size))) size -= 1;
    found.push(bytes.slice(i, i + size));
    i += size;
  }
  return found;
}

/** Where the learner's merges leave the reference's: { at, words } or null where they are the same. */
export function divergence(yours, reference, target) {
  const name = ([left, right]) => `“${spell(left)}” + “${spell(right)}”`;
  for (let k = 0; k < Math.min(target, Math.max(yours.steps.length, reference.steps.length)); k += 1) {
    const mine = yours.steps[k], wanted = reference.steps[k];
    if (!wanted) return { at: k, words: `The reference stops after ${k} merges: no pair is left. Yours goes on.` };
    if (!mine) return { at: k, words: yours.problem ? `In yours, ${yours.problem}.` : `Yours stops after ${k} merges; the reference goes on with ${name(reference.bytesOf(wanted.pair))}.` };
    const [a, b] = [yours.bytesOf(mine.pair), reference.bytesOf(wanted.pair)];
    if (a[0] === b[0] && a[1] === b[1]) continue;
    const rule = TIES.find((tie) => tie !== reference.tie && reference.tables[k].wins[tie] === mine.pair);
    const why = mine.count === wanted.count
      ? `both are counted ${wanted.count} times: a tie, broken ${rule ? `by “${rule}”` : "by no rule of the three"} in yours and by “${reference.tie}” in the reference`
      : mine.count ? `yours is counted ${mine.count} times, the reference's ${wanted.count}` : "yours does not occur in the text at that point";
    return { at: k, words: `Merge ${k + 1} differs: yours merges ${name(a)}, the reference ${name(b)}; ${why}.` };
  }
  return null;
}

// From here on: drawing.

const token = (bytes, props = {}) => h("span", { ...props, class: `lmc-tok ${props.class ?? ""}` }, drawn(bytes));
const times = (n, word) => `${grouped(n)} ${word}${n === 1 ? "" : "s"}`;

function render({ model, el }) {
  const get = (name) => model.get(name);
  const FIRST = Object.fromEntries(["text", "new_text", "vocab_size", "tie", "step", "whose"].map((name) => [name, get(name)]));
  const f = frame({
    model, el, reset: () => { page = 0; selected = null; put(model, FIRST); },
    python: () => `MergeFilm(${JSON.stringify(get("text"))}, vocab_size=${get("vocab_size")}, tie=${JSON.stringify(get("tie"))}, new_text=${JSON.stringify(get("new_text"))}, step=${get("step")})`,
  });
  f.root.classList.add("mf");
  let runs = {}, runsFor = null, layout = null, fresh = null, trace = null, traceFor = "", page = 0, selected = null, note = "", working = 0, width = 920;

  const target = () => get("vocab_size") - 256;
  const mine = () => (get("has_train") && get("whose") === "yours" && runs.yours ? runs.yours : runs[get("tie")]);
  const reached = (run) => Math.min(target(), run.steps.length);
  const finished = (run) => run.done || run.steps.length >= target();

  // Work in slices, so that typing never waits: the shown rule first, then the others.
  function work(budget = 8) {
    clearTimeout(working);
    const until = performance.now() + budget, order = [mine(), ...Object.values(runs)];
    for (const run of order) {
      while (!finished(run)) {
        run.step();
        if (performance.now() > until) { working = setTimeout(() => { work(); draw(); }, 0); return; }
      }
    }
  }

  function prepare() {
    const text = wellFormed(get("text")).slice(0, MOST);
    if (layout?.text !== text) {
      layout = layOut(text);
      const words = countPretokens(text);
      runs = Object.fromEntries(TIES.map((tie) => [tie, new Trainer(words, tie)]));
      page = 0; traceFor = "";
    }
    const theirs = get("theirs"), wanted = JSON.stringify([get("text"), get("vocab_size"), get("tie")]);
    if (get("has_train")) {
      if (JSON.stringify(theirs.for) !== wanted) kernel.ask({ text: get("text"), vocab_size: get("vocab_size"), tie: get("tie") });
      if (JSON.stringify(theirs.for) !== wanted || theirs.error) delete runs.yours;
      else if (theirs !== runsFor || !runs.yours) { runsFor = theirs; runs.yours = new Trainer(countPretokens(text), get("tie"), theirs.merges); }
    }
    work();
    const run = mine(), total = reached(run), merging = `${get("tie")} ${get("whose")} ${total} ${get("new_text")}`;
    if (traceFor !== merging || trace?.run !== run) {
      const newText = wellFormed(get("new_text")).slice(0, MOST_NEW);
      trace = encodeTrace(newText, run.merges(total));
      trace.run = run;
      fresh = layOut(newText);
      traceFor = merging;
    }
  }

  // Parts of the stage

  const headline = h("div", { class: "mf-headline" });
  const svg = s("svg", { class: "mf-time", role: "img", height: 118 });
  const tracks = h("div", { class: "mf-tracks" });
  const raceHead = h("p", { class: "mf-sub" });
  const race = h("div", { class: "mf-race", role: "list" });
  const rules = h("div", { class: "mf-rules" });
  const vocabulary = h("div", { class: "mf-vocab" });
  const biography = h("div", { class: "mf-bio" });
  const verdict = h("p", { class: "mf-verdict" });
  // Timeline: bytes per token while training, then while encoding; drag it to scrub.

  const PLOT = { left: 44, right: 12, top: 22, bottom: 82 };
  function timeline(run, total, position, compare) {
    const plotWidth = Math.max(200, width - PLOT.left - PLOT.right), turn = PLOT.left + plotWidth * 0.72;
    const right = PLOT.left + plotWidth, steps = trace.steps.length;
    const ratio = (bytes, tokens) => (tokens ? bytes / tokens : 1);
    const encoded = (k) => ratio(fresh.bytes.length, fresh.bytes.length - k);
    const most = Math.max(1.5, ratio(run.bytes, run.tokensAt(total)), encoded(steps));
    const x = (k) => (k <= total ? PLOT.left + ((turn - PLOT.left - 12) * k) / Math.max(1, total) : turn + 12 + ((right - turn - 12) * (k - total - 1)) / Math.max(1, steps));
    const y = (r) => PLOT.bottom - ((PLOT.bottom - PLOT.top) * (r - 1)) / (most - 1);
    const path = (n, at) => Array.from({ length: n + 1 }, (_, k) => `${k ? "L" : "M"}${at(k)[0].toFixed(1)} ${at(k)[1].toFixed(1)}`).join("");
    const curve = (other, cls) => { const n = Math.min(total, other.steps.length); return s("path", { class: cls, d: path(n, (k) => [x(k), y(ratio(other.bytes, other.tokensAt(k)))]) }); };
    const ties = run.tables.slice(0, total).flatMap(({ wins }, k) => (new Set(TIES.map((tie) => wins[tie])).size > 1 ? [k] : []));
    const training = position <= total;
    const here = training ? ratio(run.bytes, run.tokensAt(position)) : encoded(position - total - 1);
    const split = compare ? [s("text", { x: x(compare.at + 0.5), y: PLOT.bottom + 34, "text-anchor": "middle", class: "mf-bad" }, "✗"), s("line", { x1: x(compare.at + 0.5), x2: x(compare.at + 0.5), y1: PLOT.top, y2: PLOT.bottom + 22, class: "mf-split" })] : [];
    svg.setAttribute("viewBox", `0 0 ${width} 118`);
    svg.setAttribute("aria-label", `Bytes per token: training ends at ${bytesPerToken(run.bytes, run.tokensAt(total))}, encoding at ${encoded(steps).toFixed(2)}; ${ties.length} of ${total} merges were ties that the rules break differently`);
    svg.replaceChildren(
      s("rect", { x: turn, y: PLOT.top - 4, width: right - turn + 8, height: PLOT.bottom - PLOT.top + 8, class: "mf-ground" }),
      s("text", { x: PLOT.left, y: 12 }, `training: ${times(total, "merge")}${finished(run) ? "" : " so far …"}`),
      s("text", { x: turn + 8, y: 12 }, `encoding: ${steps}`),
      ...[1, most].map((r) => s("g", {}, s("line", { x1: PLOT.left, x2: right, y1: y(r), y2: y(r), class: "mf-grid" }), s("text", { x: PLOT.left - 6, y: y(r) + 4, "text-anchor": "end" }, r.toFixed(1)))),
      ...TIES.filter((tie) => runs[tie] !== run).map((tie) => curve(runs[tie], "mf-other")),
      curve(run, "mf-curve"),
      s("path", { class: "mf-curve", d: path(steps, (k) => [x(total + 1 + k), y(encoded(k))]) }),
      s("text", { x: PLOT.left - 6, y: PLOT.bottom + 16, "text-anchor": "end", class: "mf-tie" }, "ties"),
      ...ties.map((k) => s("line", { x1: x(k + 0.5), x2: x(k + 0.5), y1: PLOT.bottom + 6, y2: PLOT.bottom + 18, class: "mf-tick" })),
      ...split,
      s("line", { x1: x(position), x2: x(position), y1: PLOT.top - 4, y2: PLOT.bottom + 20, class: "mf-now" }),
      s("circle", { cx: x(position), cy: y(here), r: 5, class: "mf-dot" }),
      s("text", { x: Math.min(x(position) + 8, right - 100), y: Math.max(y(here) - 8, PLOT.top + 4), class: "mf-value" }, `${here.toFixed(2)} bytes a token`),
    );
    svg.scrub = (px) => {
      const at = (px - PLOT.left) / (turn - 12 - PLOT.left);
      return px < turn ? Math.round(Math.min(1, Math.max(0, at)) * total) : total + 1 + Math.round(Math.min(1, Math.max(0, (px - turn - 12) / (right - turn - 12))) * steps);
    };
  }
  const scrub = (event) => { const box = svg.getBoundingClientRect(); go(svg.scrub(((event.clientX - box.left) / box.width) * width)); };
  svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); scrub(event); });
  svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) scrub(event); });

  // Tracks

  /** Token spans of what is visible; `pairNext` are the two ids that merge next. */
  function tokenSpans(run, shown, k, position, from, to) {
    const spans = [];
    const training = shown === layout;
    shown.pretokens.forEach((pretoken, number) => {
      if (pretoken.to <= from || pretoken.from >= to) return;
      let at = pretoken.from, previous = null;
      const add = (bytes, id, made, parity) => { previous = { from: at, to: at + bytes.length, bytes, id, made, parity }; at += bytes.length; spans.push(previous); };
      if (training) {
        const text = run.textAt(run.index.get(pretoken.text), k), next = run.steps[k]?.pair;
        let parity = 0;
        for (const char of text) {
          const id = char.charCodeAt(0), before = previous;
          add(run.tokens[id], id, k > 0 && id === 255 + k, (parity += 1) % 2);
          if (next && before && !before.next && String.fromCharCode(before.id) + char === next) { before.next = "left"; previous.next = "right"; }
        }
      } else {
        const done = position - reached(run) - 1, pieces = piecesAt(trace, number, done), step = trace.steps[done], last = trace.steps[done - 1];
        pieces.forEach((bytes, i) => {
          add(bytes, bytes.length === 1 ? bytes.charCodeAt(0) : trace.ids.get(bytes), last?.pretoken === number && last.at === i, i % 2);
          if (step?.pretoken === number && (step.at === i || step.at + 1 === i)) previous.next = step.at === i ? "left" : "right";
        });
      }
    });
    return spans;
  }

  function drawTracks(run, k, position) {
    const shown = position <= reached(run) ? layout : fresh;
    const label = width > 560 ? 84 : 0, most = width > 560 ? 4 : 6;
    f.root.style.setProperty("--lmc-label", `${label}px`);
    if (shown !== layout) page = shown.cuts.includes(page) ? page : 0;
    const all = lines(shown.cuts, page, width - label - 4, most);
    const from = all[0]?.from ?? 0, to = all.at(-1)?.to ?? 0;
    const focused = tracks.contains(document.activeElement) ? document.activeElement.dataset.from : null;
    if (!all.length) { tracks.replaceChildren(h("p", { class: "lmc-muted" }, shown === layout ? "There is no text to train on." : "There is no text to encode.")); pages.set(0, 0, [0]); return; }
    const spans = tokenSpans(run, shown, k, position, from, to), above = byteRows(shown, from, to);
    tracks.replaceChildren(...all.map((line) => byteLine(line, [
      ...above,
      { label: "tokens", spans, cell: (span) => h("button", {
        type: "button", tabindex: -1, class: `lmc-tok lmc-tok-${span.parity}${span.made ? " mf-made" : ""}${span.next ? ` mf-next mf-${span.next}` : ""}${span.bytes === selected ? " mf-chosen" : ""}`,
        "aria-label": `token ${spell(span.bytes)}, id ${span.id}${span.next ? ", merges next" : span.made ? ", made by this merge" : ""}`,
        onclick: () => choose(span.bytes),
      }, drawn(span.bytes)) },
    ], shown.gaps)));
    const cells = [...tracks.querySelectorAll("button")];
    cellsRoving.refresh(Math.max(0, cells.findIndex((cell) => focused !== null && Number(cell.dataset.from) <= Number(focused) && Number(focused) < Number(cell.dataset.to))), focused !== null);
    pages.set(from, to, shown.cuts);
    find.hidden = shown !== layout;
  }
  const cellsRoving = roving(tracks, "button");
  linkSpans(tracks);
  const find = h("button", { type: "button", onclick: () => {
    const run = mine(), k = Math.min(get("step"), reached(run)), made = k ? String.fromCharCode(255 + k) : run.steps[0]?.pair;
    if (!made) return;
    const holds = (pretoken) => run.textAt(run.index.get(pretoken.text), k).includes(made);
    const next = layout.pretokens.find((p) => p.from > page && holds(p)) ?? layout.pretokens.find(holds);
    if (next) { page = next.from; draw(); }
  } }, "Go to the next place it merged");
  const pages = pager((from) => { page = from; draw(); }, find);

  f.stage.append(headline, svg, tracks, pages.el,
    h("div", { class: "mf-columns" }, h("div", {}, raceHead, race), h("div", { class: "mf-column" }, rules, vocabulary)), biography, verdict);

  // The race of the pairs

  const rowsByKey = new Map();
  function drawRace(items, most) {
    const seen = new Set();
    items.forEach((item, place) => {
      let row = rowsByKey.get(item.key);
      if (!row) {
        row = h("div", { class: "mf-row lmc-moves", role: "listitem" }, h("span", { class: "mf-pair" }), h("span", { class: "mf-track" }, h("span", { class: "mf-bar lmc-moves" }), h("span", { class: "mf-bar-over lmc-moves" })), h("span", { class: "mf-count" }), h("span", { class: "mf-tags" }));
        row.style.transform = `translateY(${TABLE * 28}px)`;
        rowsByKey.set(item.key, row);
        race.append(row);
      }
      seen.add(item.key);
      const [pair, track, count, tags] = row.children;
      pair.replaceChildren(token(item.pair[0]), " + ", token(item.pair[1]));
      track.children[0].style.width = `${(100 * item.merged) / most}%`;
      track.children[1].style.width = `${(100 * (item.count - item.merged)) / most}%`;
      count.textContent = item.words;
      tags.replaceChildren(...item.tags.map((tag) => h("span", { class: "mf-tag" }, tag)));
      row.classList.toggle("mf-tied", Boolean(item.tied));
      row.classList.toggle("mf-first", place === 0);
      requestAnimationFrame(() => { row.style.transform = `translateY(${place * 28}px)`; });
    });
    for (const [rowKey, row] of rowsByKey) if (!seen.has(rowKey)) { row.remove(); rowsByKey.delete(rowKey); }
    race.style.height = `${Math.max(1, items.length) * 28}px`;
  }

  function trainingRace(run, k) {
    const { most, tied, wins, rows } = run.tables[k];
    raceHead.textContent = most ? `Pairs now${tied > 1 ? `: ${grouped(tied)} tie at ${grouped(most)}` : ", the first merges next"}` : "No pair is left to merge";
    drawRace(rows.map(([pair, count, merged]) => {
      const isTied = tied > 1 && count === most, winners = isTied ? TIES.filter((tie) => wins[tie] === pair) : [];
      const tags = [merged < count && `merges ${merged}`, winners.length === TIES.length ? "every rule" : winners.join(", ")].filter(Boolean);
      return { key: pair, pair: run.bytesOf(pair), count, merged, tied: isTied, words: `${count}${isTied ? " tie" : ""}`, tags };
    }), Math.max(1, most));
  }

  function encodingRace(done) {
    const step = trace.steps[done];
    if (!step) { raceHead.textContent = "No neighbours are left that can merge"; return drawRace([], 1); }
    const all = candidates(trace, piecesAt(trace, step.pretoken, done)).slice(0, TABLE);
    raceHead.replaceChildren("Can merge in ", token(byteString(trace.pretokens[step.pretoken])), ", lowest rank first");
    const most = Math.max(...all.map(({ rank }) => rank)) + 1;
    drawRace(all.map(({ at, rank, pair }) => ({ key: `at ${at} ${rank}`, pair, count: rank + 1, merged: rank + 1, words: `rank ${rank}`, tags: [] })), most);
  }

  // Vocabulary, biography, rules

  const choose = (bytes) => { selected = bytes; draw(); };
  const pick = (bytes, extra, says) => h("button", { type: "button", tabindex: -1, class: `lmc-tok ${extra}`, "aria-label": says, onclick: () => choose(bytes) }, drawn(bytes));
  /** Redraw buttons without losing the tab stop, nor the focus if it is among them. */
  function refill(container, stops, ...nodes) {
    const before = [...container.querySelectorAll("button")], at = before.indexOf(document.activeElement);
    const same = before[at]?.getAttribute("aria-label");
    container.replaceChildren(...nodes.filter(Boolean));
    const after = [...container.querySelectorAll("button")].findIndex((button) => button.getAttribute("aria-label") === same);
    stops.refresh(Math.max(0, after >= 0 ? after : at), at >= 0);
  }

  function drawVocabulary(run, k) {
    const others = TIES.filter((tie) => runs[tie] !== run).map((tie) => new Set(runs[tie].tokens.slice(0, 256 + target())));
    const shown = run.steps.slice(Math.max(0, k - 40), k).reverse();
    refill(vocabulary, vocabularyStops,
      h("p", { class: "mf-sub" }, k ? `Learned so far: ${times(k, "token")}${k > shown.length ? `, the newest ${shown.length} shown` : ""}` : "Nothing learned yet: the vocabulary is the 256 bytes"),
      h("div", { class: "mf-chips" }, shown.map(({ id }) => {
        const bytes = run.tokens[id], now = run.occurrences(id, k), only = others.some((other) => !other.has(bytes));
        return pick(bytes, `${now ? "" : "mf-dead"}${only ? " mf-only" : ""}${bytes === selected ? " mf-chosen" : ""}`, `${spell(bytes)}, id ${id}, ${now ? `in the text ${times(now, "time")}` : "no longer in the text"}${only ? ", not learned under every rule" : ""}`);
      })),
      k ? h("p", { class: "mf-key" }, "dotted: no longer in the text · orange: not learned under every rule · click one for its biography") : null);
  }

  function drawBiography(run, k, total) {
    const id = selected === null ? -1 : run.tokens.slice(0, 256 + total).indexOf(selected);
    if (selected === null) { biography.replaceChildren(); return; }
    if (id < 0) { biography.replaceChildren(h("p", { class: "mf-sub" }, `“${spell(selected)}” is not learned under this rule within ${times(total, "merge")}`)); return; }
    const tree = [];
    const depth = (node) => (node < 256 ? 0 : 1 + Math.max(...[...run.steps[node - 256].pair].map((part) => depth(part.charCodeAt(0)))));
    const height = depth(id);
    const walk = (node, from) => {
      const bytes = run.tokens[node], level = height - depth(node) + 1;
      const cell = pick(bytes, `${bytes === selected ? "mf-chosen" : ""}`, `${spell(bytes)}, ${node < 256 ? "a byte" : `merge ${node - 255}`}`);
      cell.style.gridRow = node < 256 ? height + 1 : level;
      cell.style.gridColumn = `${from + 1} / ${from + 1 + bytes.length}`;
      tree.push(cell);
      if (node >= 256) { let at = from; for (const part of run.steps[node - 256].pair) { walk(part.charCodeAt(0), at); at += run.tokens[part.charCodeAt(0)].length; } }
    };
    walk(id, 0);
    const step = run.steps[id - 256], now = run.occurrences(id, k), end = run.occurrences(id, total), own = String.fromCharCode(id);
    const eaten = run.steps.slice(0, total).filter(({ pair }) => pair.includes(own)).map((s) => `“${spell(run.tokens[s.id])}”`);
    const born = step ? `merge ${id - 255}, made in ${times(step.replaced, "place")}${step.count > step.replaced ? ` (counted ${step.count}: it overlaps itself)` : ""}` : "one of the 256 bytes";
    const life = k < id - 255 ? "not made yet" : `now in ${times(now, "place")}`;
    const fate = end ? `at the end in ${times(end, "place")}` : id < 256 ? "gone at the end" : "at the end in none: scaffolding, with an id that this text never uses";
    refill(biography, biographyStops,
      h("p", { class: "mf-sub" }, "Biography of ", token(selected), ` · id ${id}`),
      h("div", { class: "lmc-scroll" }, h("div", { class: "mf-tree", style: `grid-template-columns: repeat(${selected.length}, minmax(28px, max-content))` }, tree)),
      h("p", {}, `${born}; ${life}; ${fate}.${eaten.length ? ` Later part of ${eaten.slice(0, 4).join(", ")}${eaten.length > 4 ? " …" : ""}.` : ""}`));
  }

  const vocabularyStops = roving(vocabulary, "button"), biographyStops = roving(biography, "button");
  const ruleRows = new Map();
  const ruleTable = h("table", {}, h("thead", {}, h("tr", {}, ["a tie goes to", "bytes a token", "leaves", "tokens only there"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, TIES.map((tie) => {
    const cells = { name: h("button", { type: "button", title: RULES[tie], onclick: () => put(model, { tie, whose: "reference" }) }, tie), ratio: h("td", {}), leaves: h("td", {}), only: h("td", { class: "mf-onlys" }) };
    ruleRows.set(tie, cells);
    return h("tr", {}, h("th", { scope: "row" }, cells.name), cells.ratio, cells.leaves, cells.only);
  })));
  rules.append(h("p", { class: "mf-sub" }, "One text, three rules for a tie"), h("div", { class: "lmc-scroll" }, ruleTable));

  function drawRules(run, total) {
    const learned = (r) => r.tokens.slice(256, 256 + reached(r)), shown = new Set(learned(run));
    for (const [tie, cells] of ruleRows) {
      const other = runs[tie];
      cells.name.setAttribute("aria-pressed", String(other === run));
      cells.ratio.textContent = bytesPerToken(other.bytes, other.tokensAt(reached(other)));
      if (other === run) { cells.leaves.textContent = "shown"; cells.only.replaceChildren(); continue; }
      const at = run.steps.slice(0, total).findIndex(({ pair }, k) => !other.steps[k] || run.bytesOf(pair).join("\n") !== other.bytesOf(other.steps[k].pair).join("\n"));
      cells.leaves.textContent = at < 0 ? "never" : `merge ${at + 1}`;
      const only = [...new Set(learned(other).filter((bytes) => !shown.has(bytes)))];
      cells.only.replaceChildren(only.length ? `${only.length}: ` : "none", ...only.slice(0, 3).flatMap((bytes) => [token(bytes), " "]), only.length > 3 ? "…" : "");
    }
  }

  function drawVerdict(run, total) {
    if (!get("has_train")) { verdict.hidden = true; return null; }
    const theirs = get("theirs");
    verdict.hidden = false;
    verdict.className = "mf-verdict";
    if (theirs.error) { verdict.textContent = `✗ Your trainer: ${theirs.error}`; verdict.classList.add("mf-bad"); return null; }
    if (!runs.yours) { verdict.textContent = kernel.hasKernel ? "… your trainer is running on this text" : "Your trainer runs in Python: run this cell to try another text."; return null; }
    if (!finished(runs.yours) || !finished(runs[get("tie")])) { verdict.textContent = "… comparing"; return null; }
    const found = divergence(runs.yours, runs[get("tie")], target());
    verdict.textContent = found ? `✗ ${found.words}` : `✓ Your trainer and the reference make the same ${times(total, "merge")}.`;
    verdict.classList.add(found ? "mf-bad" : "mf-good");
    return found;
  }

  // Words

  function headTraining(run, k) {
    if (!k) return [h("span", { class: "mf-big" }, "Every token is one byte"), h("span", { class: "lmc-muted" }, "press Play, or step")];
    const { pair, count, replaced, id } = run.steps[k - 1], [left, right] = run.bytesOf(pair), { tied } = run.tables[k - 1];
    return [h("span", { class: "mf-big" }, `Merge ${k} `), h("span", { class: "mf-big mf-formula" }, token(left), " + ", token(right), " → ", token(run.tokens[id], { class: "mf-made" })),
      h("span", {}, count > replaced ? `counted ${count}, merged ${replaced}: it overlaps itself` : `counted ${count}`), h("span", { class: "lmc-muted" }, `id ${id}`), tied > 1 ? h("span", { class: "mf-tag" }, `tie of ${grouped(tied)}`) : null];
  }

  function headEncoding(done) {
    const last = trace.steps[done - 1];
    if (!last) return [h("span", { class: "mf-big" }, "Now encode a text"), h("span", { class: "lmc-muted" }, "the merges again, in the order they were learned")];
    const [left, right] = trace.run.bytesOf(trace.run.steps[last.rank].pair);
    return [h("span", { class: "mf-big" }, `Rank ${last.rank} fires`), h("span", { class: "mf-big mf-formula" }, token(left), " + ", token(right), " → ", token(left + right, { class: "mf-made" })), h("span", { class: "lmc-muted" }, `id ${256 + last.rank}`)];
  }

  function sayTraining(run, k, total) {
    const { most, tied, wins } = run.tables[k], now = run.tokensAt(k);
    const is = `${times(run.bytes, "byte")} ${k ? "are now" : "are"} ${times(now, "token")}, ${bytesPerToken(run.bytes, now)} bytes a token.`;
    if (!run.bytes) return "Type a text to train on: every pair of neighbouring bytes is counted, and the most frequent becomes a token.";
    if (!most || (k === run.steps.length && run.done)) return `${is} Every pre-token is one token: no pair is left to merge.`;
    const pairs = (pair) => run.bytesOf(pair).map((b) => `“${spell(b)}”`).join(" + ");
    if (k === total) return `${is} The vocabulary is full: 256 bytes and ${times(total, "merge")}. Step on to encode a text with it.`;
    const chosen = run.steps[k]?.pair ?? wins[run.tie];
    const next = tied > 1 ? `Next ${times(tied, "pair")} tie at ${most}: ${TIES.map((tie) => `“${tie}” takes ${pairs(wins[tie])}`).join(", ")}.` : `Next: ${pairs(chosen)}, counted ${times(most, "time")}.`;
    return `${is} ${next}`;
  }

  function sayEncoding(done) {
    const bytes = fresh.bytes.length, now = bytes - done, step = trace.steps[done];
    if (!bytes) return "Type a text to encode: the merges fire in the order they were learned.";
    if (!step) {
      const odd = trace.pretokens.findIndex((_, n) => longestMatch(byteString(trace.pretokens[n]), trace.ids).join("\n") !== piecesAt(trace, n, done).join("\n"));
      const warn = odd < 0 ? "" : ` Taking the longest token each time would cut “${spell(byteString(trace.pretokens[odd]))}” into ${longestMatch(byteString(trace.pretokens[odd]), trace.ids).map(spell).join("|")} instead: not what BPE does.`;
      return `${times(bytes, "byte")} became ${times(now, "token")}, ${bytesPerToken(bytes, now)} bytes a token.${warn}`;
    }
    const all = candidates(trace, piecesAt(trace, step.pretoken, done)), leftmost = Math.min(...all.map(({ at }) => at));
    return `${times(all.length, "pair")} of “${spell(byteString(trace.pretokens[step.pretoken]))}” can merge; rank ${step.rank} fires, the earliest learned${step.at > leftmost ? ", though it is not the leftmost" : ""}.`;
  }

  // Controls

  const go = (step) => put(model, { step });
  const player = stepper({ label: "merge", go });
  const rule = choice({ label: "a tie goes to", options: TIES.map((tie) => [tie, RULES[tie]]), value: get("tie"), onchange: (tie) => put(model, { tie }) });
  const whose = choice({ label: "play", options: [["reference", "the reference"], ["yours", "your trainer"]], value: get("whose"), onchange: (value) => put(model, { whose: value }) });
  const size = slider({ label: "vocabulary", min: 257, max: Math.max(768, get("vocab_size")), value: get("vocab_size"), format: (n) => `${grouped(n)} tokens`, oninput: (n) => put(model, { vocab_size: n }) });
  const typed = (name, most) => (text) => {
    note = "";
    if (wellFormed(text) !== text) note = "Half of a surrogate pair was typed, which UTF-8 cannot hold: it became U+FFFD. ";
    if (text.length > most) note = `Only the first ${grouped(most)} of ${grouped(text.length)} characters are ${name === "text" ? "trained on" : "encoded"}. `;
    const whole = wellFormed(text).slice(0, most);
    if (name === "text") page = 0;
    put(model, { [name]: wellFormed(whole) });
  };
  const trainOn = field({ label: "Train on", lines: 3, value: get("text"), oninput: typed("text", MOST) });
  const thenEncode = field({ label: "Then encode", value: get("new_text"), oninput: typed("new_text", MOST_NEW) });
  trainOn.el.classList.add("mf-wide");
  thenEncode.el.classList.add("mf-wide");
  f.controls.append(player.el, rule.el, size.el, ...(get("has_train") ? [whose.el] : []), trainOn.el, thenEncode.el);

  const kernel = asker(model, { answered: () => {}, failed: (words) => put(model, { theirs: { for: [get("text"), get("vocab_size"), get("tie")], merges: [], error: words } }) });

  function draw() {
    prepare();
    const run = mine(), total = reached(run), length = total + trace.steps.length + 2;
    const position = Math.min(get("step"), length - 1), training = position <= total, k = Math.min(position, total), done = position - total - 1;
    const found = drawVerdict(run, total);
    headline.replaceChildren(...(training ? headTraining(run, k) : headEncoding(done)).filter(Boolean));
    timeline(run, total, position, found);
    drawTracks(run, k, position);
    if (training) trainingRace(run, k);
    else encodingRace(done);
    drawVocabulary(run, k);
    drawBiography(run, k, total);
    drawRules(run, total);
    player.set(position, length);
    rule.set(get("tie")); size.set(get("vocab_size")); whose.set(get("whose"));
    for (const [part, name] of [[trainOn, "text"], [thenEncode, "new_text"]]) if (document.activeElement !== part.input) part.set(get(name));
    const left = get("left_out") && get("text") === FIRST.text ? `These are the first ${grouped(MOST)} characters; ${grouped(get("left_out"))} more are left out. ` : "";
    f.say(note + left + (training ? sayTraining(run, k, total) : sayEncoding(done)));
  }

  const watcher = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now > 0 && now !== width) { width = now; draw(); }
  });
  const stop = redraw(model, ["text", "new_text", "vocab_size", "tie", "step", "whose", "theirs"], draw);
  watcher?.observe(f.stage);
  return () => { stop(); player.stop(); kernel.stop(); watcher?.disconnect(); clearTimeout(working); };
}

export default { render };
