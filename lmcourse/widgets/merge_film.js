// MergeFilm: byte-pair encoding, merge by merge: learned from a text, then applied to another. The algorithm is in
// bpe.js and runs here, so that the film needs no kernel; this file draws it.
import { frame, put, redraw } from "./lib/base.js";
import { still } from "./lib/motion.js";
import { check, choice, field, slider } from "./lib/controls.js";
import { stepper } from "./lib/player.js";
import { roving } from "./lib/roving.js";
import { change, fill, h, keyed, s, write } from "./lib/elements.js";
import { asker } from "./lib/kernel.js";
import { grouped } from "./lib/numbers.js";
import {
  Film,
  TABLE,
  TIES,
  Trainer,
  candidates,
  divergence,
  encodeTrace,
  longestMatch,
  pairKey,
  piecesAt,
} from "./rules/bpe.js";
import { movedTo } from "./lib/share.js";
import {
  byteLine,
  byteString,
  bytesPerToken,
  byteRows,
  drawn,
  layOut,
  lines,
  linkSpans,
  pager,
  spell,
  wellFormed,
} from "./lib/tokens.js";

const RULES = {
  greatest: "greatest bytes (CS336)",
  first: "first seen (minbpe)",
  smallest: "smallest ids (Hugging Face)",
};
const MOST = 20000; // characters trained on
const MOST_NEW = 300; // characters encoded, one merge a step
const LINE = 82; // height of a line of tracks
const SLICE = 6; // ms of work between two frames

const token = (bytes, props = {}) => h("span", { ...props, class: `lmc-tok ${props.class ?? ""}` }, drawn(bytes));
const named = (run, pair) =>
  run
    .bytesOf(pair)
    .map((bytes) => `“${spell(bytes)}”`)
    .join(" + ");
const times = (n, word) => `${grouped(n)} ${word}${n === 1 ? "" : "s"}`;

/** The same function, which remembers its last answer: what did not change is not worked out for every step. */
const once = (fn) => {
  let asked = [],
    answer;
  return (...now) => {
    if (!asked.length || now.some((value, i) => value !== asked[i])) {
      asked = now;
      answer = fn(...now);
    }
    return answer;
  };
};

function render({ model, el }) {
  const get = (name) => model.get(name);
  const FIRST = Object.fromEntries(
    ["text", "new_text", "vocab_size", "tie", "step", "whose", "guess"].map((name) => [name, get(name)]),
  );
  const f = frame({
    model,
    el,
    reset: () => {
      page = 0;
      selected = null;
      put(model, FIRST);
    },
    python: () => {
      const [text, tie, newText] = ["text", "tie", "new_text"].map((name) => JSON.stringify(get(name)));
      return (
        `MergeFilm(${text}, vocab_size=${get("vocab_size")}, tie=${tie}, new_text=${newText}, step=${get("step")}` +
        `${get("guess") ? ", guess=True" : ""}${get("has_train") ? ", train=your_trainer" : ""})` +
        movedTo(model, { whose: "reference" })
      );
    },
  });
  f.root.classList.add("mf");
  let film = null,
    coming = null,
    runsFor = null; // the film on the stage, the one of a newer text, whose answer "yours" is
  let trace = null,
    fresh = null; // the encoding, and its text
  let page = 0,
    selected = null,
    note = "",
    answered = null; // where in the text, which token, what is said besides
  let working = 0,
    drawnAt = 0,
    typedAt = 0,
    width = 920;

  const target = () => get("vocab_size") - 256;
  const mine = () =>
    get("has_train") && get("whose") === "yours" && film.runs.yours ? film.runs.yours : film.runs[get("tie")];
  const reached = (run) => Math.min(target(), run.steps.length);
  const finished = (run) => run.done || run.steps.length >= target();

  // Work in slices between frames, so that no control waits: the shown rule first, then the others. Until a newer text can
  // be shown the stage keeps the film before it, and the newest text replaces one that was still on its way.
  function work() {
    working = 0;
    const until = performance.now() + SLICE;
    let more = true;
    while (more && performance.now() < until) {
      const at = coming ?? film,
        first = at === film && mine() === film.runs.yours ? "yours" : get("tie");
      more = at.advance(first, target());
      if (at === coming && (at.ready(first, target()) || (at.ready(first, 1) && performance.now() - typedAt > 150))) {
        film = coming;
        coming = null;
        page = 0;
        drawnAt = 0;
      }
    }
    if (more) later();
    if (!more || (!coming && performance.now() - drawnAt > 150)) draw();
  }
  const busy = () => Boolean(coming) || Object.keys(film.runs).some((name) => !film.done(name, target()));
  const later = () => {
    working ||= setTimeout(work, 0);
  };

  function prepare() {
    const text = wellFormed(get("text")).slice(0, MOST);
    if (!film) {
      film = new Film(text);
      const until = performance.now() + SLICE;
      while ((performance.now() < until || !film.ready(get("tie"), 0)) && film.advance(get("tie"), target()));
    }
    if (film.text === text) coming = null;
    else if (coming?.text !== text) {
      coming = new Film(text);
      typedAt = performance.now();
    }
    if (busy()) later();

    const theirs = get("theirs"),
      wanted = JSON.stringify([get("text"), get("vocab_size"), get("tie")]),
      is = JSON.stringify(theirs.for);
    if (get("has_train") && is !== wanted)
      kernel.ask({ text: get("text"), vocab_size: get("vocab_size"), tie: get("tie") });
    if (is !== wanted || theirs.error || coming) delete film.runs.yours;
    else if (get("has_train") && (theirs !== runsFor || !film.runs.yours)) {
      runsFor = theirs;
      film.runs.yours = new Trainer(film.words, get("tie"), theirs.merges);
      later();
    }
    const run = mine();
    [trace, fresh] = encoding(run, reached(run), get("new_text"));
  }
  const encoding = once((run, total, newText) => {
    const text = wellFormed(newText).slice(0, MOST_NEW);
    return [{ ...encodeTrace(text, run.merges(total)), run }, layOut(text)];
  });

  // Parts of the stage

  const headline = h("div", { class: "mf-headline" });
  const svg = s("svg", { class: "mf-time", role: "img", height: 118 });
  const hand = {
    line: s("line", { class: "mf-now" }),
    dot: s("circle", { r: 5, class: "mf-dot" }),
    value: s("text", { class: "mf-value" }),
  };
  const marker = s("g", {}, hand.line, hand.dot, hand.value);
  const tracks = h("div", { class: "mf-tracks" });
  const raceHead = h("p", { class: "mf-sub" });
  const race = h("div", { class: "mf-race", role: "list", style: `height: ${TABLE * 28}px` });
  const rules = h("div", { class: "mf-rules" });
  const vocabulary = h("div", { class: "mf-vocab" });
  const biography = h("div", { class: "mf-bio" });
  const verdict = h("p", { class: "mf-verdict", role: "status" });
  const show = h("button", { type: "button", onclick: () => put(model, { step: show.at }) }, "Show it");
  // Timeline: bytes per token while training, then while encoding; drag it to scrub.

  const PLOT = { left: 44, right: 12, top: 22, bottom: 82 };
  const scaled = once((run, total, _trace, _width, _finished, split) => curves(run, total, split));
  function timeline(run, total, position, compare) {
    const scale = scaled(
      run,
      total,
      trace,
      width,
      finished(run),
      compare?.at,
      ...TIES.map((tie) => reached(film.runs[tie])),
    );
    const here =
      position <= total ? run.bytes / Math.max(1, run.tokensAt(position)) : scale.encoded(position - total - 1);
    const x = scale.x(position),
      y = scale.y(here);
    change(hand.line, { x1: x, x2: x, y1: PLOT.top - 4, y2: PLOT.bottom + 20 });
    change(hand.dot, { cx: x, cy: y });
    change(hand.value, { x: Math.min(x + 8, scale.right - 100), y: Math.max(y - 8, PLOT.top + 4) });
    write(hand.value, `${here.toFixed(2)} bytes a token`);
  }

  function curves(run, total, differsAt) {
    const plotWidth = Math.max(200, width - PLOT.left - PLOT.right),
      turn = PLOT.left + plotWidth * 0.72;
    const right = PLOT.left + plotWidth,
      steps = trace.steps.length;
    const ratio = (bytes, tokens) => (tokens ? bytes / tokens : 1);
    const encoded = (k) => ratio(fresh.bytes.length, fresh.bytes.length - k);
    const most = Math.max(
      1.5,
      encoded(steps),
      ...[run, ...TIES.map((tie) => film.runs[tie])].map((r) => ratio(r.bytes, r.tokensAt(reached(r)))),
    );
    const x = (k) =>
      k <= total
        ? PLOT.left + ((turn - PLOT.left - 12) * k) / Math.max(1, total)
        : turn + 12 + ((right - turn - 12) * (k - total - 1)) / Math.max(1, steps);
    const y = (r) => PLOT.bottom - ((PLOT.bottom - PLOT.top) * (r - 1)) / (most - 1);
    const path = (n, at) =>
      Array.from(
        { length: n + 1 },
        (_, k) =>
          `${k ? "L" : "M"}${at(k)
            .map((v) => v.toFixed(1))
            .join(" ")}`,
      ).join("");
    const learning = (other) =>
      path(Math.min(total, other.steps.length), (k) => [x(k), y(ratio(other.bytes, other.tokensAt(k)))]);
    const curve = (other, cls) => s("path", { class: cls, d: learning(other) });
    const ties = run.tables
      .slice(0, total)
      .flatMap(({ wins }, k) => (new Set(TIES.map((tie) => wins[tie])).size > 1 ? [k] : []));
    const split = x((differsAt ?? 0) + 0.5);
    svg.setAttribute("viewBox", `0 0 ${width} 118`);
    svg.setAttribute(
      "aria-label",
      `Bytes per token: training ends at ${bytesPerToken(run.bytes, run.tokensAt(total))}, ` +
        `encoding at ${encoded(steps).toFixed(2)}; ${ties.length} of ${total} merges were ties that the rules break differently`,
    );
    const wide = width > 560,
      differ = wide ? `, ${times(ties.length, "tie")} that the rules break differently` : "";
    svg.replaceChildren(
      s("rect", {
        x: turn,
        y: PLOT.top - 4,
        width: right - turn + 8,
        height: PLOT.bottom - PLOT.top + 8,
        class: "mf-ground",
      }),
      s(
        "text",
        { x: PLOT.left, y: 12 },
        `training: ${times(total, "merge")}${differ}${finished(run) ? "" : " so far …"}`,
      ),
      s("text", { x: turn + 8, y: 12 }, `encoding: ${steps}${wide ? " fire" : ""}`),
      ...[1, most].map((r) =>
        s(
          "g",
          {},
          s("line", { x1: PLOT.left, x2: right, y1: y(r), y2: y(r), class: "mf-grid" }),
          s("text", { x: PLOT.left - 6, y: y(r) + 4, "text-anchor": "end" }, r.toFixed(1)),
        ),
      ),
      ...TIES.filter((tie) => film.runs[tie] !== run).map((tie) => curve(film.runs[tie], "mf-other")),
      curve(run, "mf-curve"),
      s("path", { class: "mf-curve", d: path(steps, (k) => [x(total + 1 + k), y(encoded(k))]) }),
      s("text", { x: PLOT.left - 6, y: PLOT.bottom + 16, "text-anchor": "end", class: "mf-tie" }, "ties"),
      s("path", { class: "mf-tick", d: ties.map((k) => `M${x(k + 0.5).toFixed(1)} ${PLOT.bottom + 6}v12`).join("") }),
      ...(differsAt !== undefined
        ? [
            s("line", { x1: split, x2: split, y1: PLOT.top, y2: PLOT.bottom + 22, class: "mf-split" }),
            s("text", { x: split, y: PLOT.bottom + 34, "text-anchor": "middle", class: "mf-bad" }, "✗"),
          ]
        : []),
      marker,
    );
    const at = (px, from, to, n) => Math.round(Math.min(1, Math.max(0, (px - from) / (to - from))) * n);
    svg.scrub = (px) => (px < turn ? at(px, PLOT.left, turn - 12, total) : total + 1 + at(px, turn + 12, right, steps));
    return { x, y, right, encoded };
  }
  const scrub = (event) => {
    const box = svg.getBoundingClientRect();
    go(svg.scrub(((event.clientX - box.left) / box.width) * width));
  };
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    scrub(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (svg.hasPointerCapture(event.pointerId)) scrub(event);
  });

  // Tracks

  /** Token spans of what is visible; `pairNext` are the two ids that merge next. */
  function tokenSpans(run, shown, k, position, from, to) {
    const spans = [];
    const training = shown === film.layout;
    shown.pretokens.forEach((pretoken, number) => {
      if (pretoken.to <= from || pretoken.from >= to) return;
      let at = pretoken.from,
        previous = null;
      const add = (bytes, id, made, parity) => {
        previous = { from: at, to: at + bytes.length, bytes, id, made, parity };
        at += bytes.length;
        spans.push(previous);
      };
      if (training) {
        const text = run.textAt(run.index.get(pretoken.text), k),
          next = guessing(run, k) ? null : run.steps[k]?.pair;
        let parity = 0;
        for (const char of text) {
          const id = char.charCodeAt(0),
            before = previous;
          add(run.tokens[id], id, k > 0 && id === 255 + k, (parity += 1) % 2);
          if (next && before && !before.next && String.fromCharCode(before.id) + char === next) {
            before.next = "left";
            previous.next = "right";
          }
        }
      } else {
        const done = position - reached(run) - 1,
          pieces = piecesAt(trace, number, done),
          step = trace.steps[done],
          last = trace.steps[done - 1];
        pieces.forEach((bytes, i) => {
          add(
            bytes,
            bytes.length === 1 ? bytes.charCodeAt(0) : trace.ids.get(bytes),
            last?.pretoken === number && last.at === i,
            i % 2,
          );
          if (step?.pretoken === number && (step.at === i || step.at + 1 === i))
            previous.next = step.at === i ? "left" : "right";
        });
      }
    });
    return spans;
  }

  const marks = (...named) =>
    named
      .filter(([is]) => is)
      .map(([, name]) => ` ${name}`)
      .join("");
  const tokenCell = (span) =>
    h("button", { type: "button", tabindex: -1, onclick: () => choose(span.bytes) }, drawn(span.bytes));
  const dressToken = (button, span) =>
    dress(
      button,
      `lmc-tok lmc-tok-${span.parity}${marks([span.made, "mf-made"], [span.next, `mf-next mf-${span.next}`], [span.bytes === selected, "mf-chosen"])}`,
      `token ${spell(span.bytes)}, id ${span.id}${span.next ? ", merges next" : span.made ? ", made by this merge" : ""}`,
    );
  const dress = (button, look, says) => {
    if (button.look !== look) button.className = button.look = look; // what the pointer lit stays lit where nothing changes
    change(button, { "aria-label": says });
  };

  /** Draw buttons without losing the tab stop, nor the focus if it is among them: `same` finds it again. */
  function keepStop(container, stops, draw, same) {
    const held = container.contains(document.activeElement) ? document.activeElement : null;
    draw();
    const cells = [...container.querySelectorAll("button")];
    if (held && document.activeElement !== held)
      stops.refresh(
        Math.max(
          0,
          cells.findIndex((cell) => same(held, cell)),
        ),
        true,
      );
    else if (!cells.some((cell) => cell.tabIndex === 0)) stops.refresh();
  }
  const covers = ({ dataset: old }, { dataset: cell }) =>
    Number(cell.from) <= Number(old.from) && Number(old.from) < Number(cell.to);
  const sameName = (old, cell) => old.getAttribute("aria-label") === cell.getAttribute("aria-label");

  const aboveTokens = once(byteRows);
  function drawTracks(run, k, position) {
    const training = position <= reached(run),
      shown = training ? film.layout : fresh;
    const label = width > 560 ? 84 : 0,
      most = width > 560 ? 4 : 6;
    if (shown !== film.layout) page = shown.cuts.includes(page) ? page : 0;
    const all = lines(shown.cuts, page, width - label - 4, most);
    const from = all[0]?.from ?? 0,
      to = all.at(-1)?.to ?? 0;
    const spans = tokenSpans(run, shown, k, position, from, to);
    const above = aboveTokens(shown, from, to);
    const rows = [...above, { label: "tokens", spans: [], cell: null }];
    const signed = all.map((line) => {
      // characters and bytes stay while only tokens change
      const characters = above[0].spans.filter((span) => span.to > line.from && span.from < line.to);
      const cuts = [...shown.gaps].filter((cut) => line.from < cut && cut < line.to);
      return {
        sign: JSON.stringify([line, cuts, characters, shown.bytes.slice(line.from, line.to)]),
        make: () => byteLine(line, rows, shown.gaps),
      };
    });
    const nothing = {
      sign: `nothing ${training}`,
      make: () => h("p", { class: "lmc-muted" }, `There is no text to ${training ? "train on" : "encode"}.`),
    };
    keepStop(
      tracks,
      cellsRoving,
      () =>
        keyed(tracks, all.length ? signed : [nothing], {
          key: ({ sign }) => sign,
          make: ({ make }) => make(),
          update: (line) => line.fill?.(2, spans, tokenCell, dressToken),
        }),
      covers,
    );
    pages.set(from, to, all.length ? shown.cuts : [0]);
    find.toggleAttribute("hidden", !training);
    const tallest = Math.max(
      ...[film.layout, fresh].map((one) => lines(one.cuts, one === shown ? page : 0, width - label - 4, most).length),
    );
    const rungs = training
      ? []
      : rungsOf(position - reached(run) - 1, Math.floor(((tallest - all.length) * LINE) / 28) - 1);
    ladder.replaceChildren(...rungs);
    if (rungs.length) tracks.append(ladder);
    else ladder.remove();
    // the taller of the two texts sets the height, so that the buttons below stay under the pointer
    change(tracks, { style: `--lmc-label: ${label}px; min-height: ${tallest * LINE + 4}px` });
  }
  /** Where the other text leaves room: the pre-token at hand, from its bytes to now, a line for each merge. */
  const ladder = h("div", { class: "mf-ladder" });
  function rungsOf(done, rows) {
    const number = (trace.steps[done] ?? trace.steps[done - 1])?.pretoken;
    if (number === undefined || rows < 2) return [];
    const start = trace.first[number],
      fired = trace.steps.slice(start, Math.max(start, done)).filter(({ pretoken }) => pretoken === number);
    const states = [...fired.keys(), fired.length].slice(-rows);
    return states.map((n) =>
      h(
        "div",
        {},
        h("span", { class: "lmc-line-label" }, n ? `rank ${fired[n - 1].rank}` : "bytes"),
        piecesAt(trace, number, start + n).map((piece, i) =>
          token(piece, { class: n && fired[n - 1].at === i ? "mf-made" : "" }),
        ),
      ),
    );
  }
  const cellsRoving = roving(tracks, "button");
  linkSpans(tracks);
  const find = h(
    "button",
    {
      type: "button",
      onclick: () => {
        const run = mine(),
          k = Math.min(get("step"), reached(run)),
          made = k ? String.fromCharCode(255 + k) : run.steps[0]?.pair;
        if (!made) return;
        const holds = (pretoken) => run.textAt(run.index.get(pretoken.text), k).includes(made);
        const next = film.layout.pretokens.find((p) => p.from > page && holds(p)) ?? film.layout.pretokens.find(holds);
        if (next) {
          page = next.from;
          draw();
        }
      },
    },
    "Go to the next place it merged",
  );
  const pages = pager((from) => {
    page = from;
    draw();
  }, find);

  f.stage.append(
    headline,
    svg,
    tracks,
    pages.el,
    h(
      "div",
      { class: "mf-columns" },
      h("div", {}, raceHead, race),
      h("div", { class: "mf-column" }, rules, vocabulary),
    ),
    biography,
    verdict,
  );

  // The race of the pairs

  const guesses = roving(race, "button");
  const guessing = (run, k) => get("guess") && k < reached(run);
  const keyOf = (run, pair) => `${pair} ${pairKey(...run.bytesOf(pair))}`; // the ids and the bytes: ids differ from run to run
  let places = new Map(); // where each pair stood, so that it is seen to move

  function drawRace(items, most) {
    const before = places,
      motion = { duration: 240, easing: "ease" },
      moves = before.size && !still();
    places = new Map(items.map(({ key }, place) => [key, place]));
    keyed(race, items, {
      key: ({ key }) => key,
      make: ({ pair: [left, right] }) => {
        const parts = {
          bar: h("span", { class: "mf-bar" }),
          over: h("span", { class: "mf-bar-over" }),
          count: h("span", { class: "mf-count" }),
          tags: h("span", { class: "mf-tags" }),
        };
        const row = h(
          "div",
          { role: "listitem" },
          h("span", { class: "mf-pair" }, token(left), " + ", token(right)),
          h("span", { class: "mf-track" }, parts.bar, parts.over),
          parts.count,
          parts.tags,
        );
        return Object.assign(row, { parts });
      },
      update: (row, { key, count, merged, tied, words, tags }) => {
        const { parts } = row,
          place = places.get(key),
          from = before.get(key) ?? TABLE;
        change(row, { class: `mf-row${tied ? " mf-tied" : ""}${place === 0 ? " mf-first" : ""}` });
        change(parts.bar, { style: `width: ${(100 * merged) / most}%` });
        change(parts.over, { style: `width: ${(100 * (count - merged)) / most}%` });
        write(parts.count, words);
        if (row.tags?.length !== tags.length || tags.some((tag, i) => tag !== row.tags[i])) {
          parts.tags.replaceChildren(
            ...tags.map((tag) => (typeof tag === "string" ? h("span", { class: "mf-tag" }, tag) : tag)),
          );
        }
        row.tags = tags;
        row.motion?.cancel();
        if (moves && from !== place)
          row.motion = row.animate(
            [{ transform: `translateY(${(from - place) * 28}px)` }, { transform: "none" }],
            motion,
          );
      },
    });
  }

  /** The reader says which pair merges next, before the counts are shown. */
  function guessRace(run, k) {
    const { most, tied, wins, rows } = run.tables[k],
      right = run.steps[k].pair,
      here = race.contains(document.activeElement);
    const say = (pair, count) => {
      const counted = `${named(run, pair)} is counted ${times(count, "time")}`;
      if (pair === right) {
        const alone = tied > 1 ? `, as ${times(tied - 1, "other")}, and the rule takes it` : ", more than any other";
        answered = { step: k + 1, words: `Yes: ${counted}${alone}. ` };
        put(model, { step: k + 1 });
      } else if (count < most) f.say(`${counted}; another pair is counted ${times(most, "time")}.`, "bad");
      else
        f.say(
          `${counted}, as the one that the rule takes: ${TIES.map((tie) => `“${tie}” takes ${named(run, wins[tie])}`).join(", ")}.`,
          "bad",
        );
    };
    write(raceHead, "Which pair merges next?");
    const alphabetical = [...rows].sort(([p], [q]) => (named(run, p) < named(run, q) ? -1 : 1));
    drawRace(
      alphabetical.map(([pair, count]) => {
        const tell = h(
          "button",
          { type: "button", "aria-label": `this one: ${named(run, pair)}`, onclick: () => say(pair, count) },
          "this one",
        );
        return { key: keyOf(run, pair), pair: run.bytesOf(pair), count: 0, merged: 0, words: "?", tags: [tell] };
      }),
      1,
    );
    guesses.refresh(0, here);
  }

  function trainingRace(run, k) {
    if (guessing(run, k)) return guessRace(run, k);
    const { most, tied, wins, rows } = run.tables[k];
    const yours = run.given && run.steps[k]?.pair;
    if (!most) write(raceHead, "No pair is left to merge");
    else if (tied > 1) write(raceHead, `Pairs now: ${grouped(tied)} tie at ${grouped(most)}`);
    else write(raceHead, yours ? "Pairs now" : "Pairs now, the first merges next");
    drawRace(
      rows.map(([pair, count, merged]) => {
        const isTied = tied > 1 && count === most,
          winners = isTied ? TIES.filter((tie) => wins[tie] === pair) : [];
        const rule = winners.length === TIES.length ? "every rule" : winners.join(", ");
        const tags = [merged < count && `merges ${merged}`, rule, pair === yours && "yours next"].filter(Boolean);
        return {
          key: keyOf(run, pair),
          pair: run.bytesOf(pair),
          count,
          merged,
          tied: isTied,
          words: `${count}${isTied ? " tie" : ""}`,
          tags,
        };
      }),
      Math.max(1, most),
    );
  }

  const canMerge = once(({ pretokens }, n) => [
    new Text("Can merge in "),
    token(byteString(pretokens[n])),
    new Text(", lowest rank first"),
  ]);
  function encodingRace(done) {
    const step = trace.steps[done];
    if (!step) {
      const fired = new Set(trace.steps.map(({ rank }) => rank)).size;
      write(
        raceHead,
        `No neighbours are left that can merge: ${fired} of ${times(trace.run.merges(reached(trace.run)).length, "merge")} fired`,
      );
      return drawRace([], 1);
    }
    const all = candidates(trace, piecesAt(trace, step.pretoken, done)).slice(0, TABLE);
    fill(raceHead, canMerge(trace, step.pretoken));
    const most = Math.max(...all.map(({ rank }) => rank)) + 1;
    drawRace(
      all.map(({ at, rank, pair }) => ({
        key: `at ${at} ${rank} ${pairKey(...pair)}`,
        pair,
        count: rank + 1,
        merged: rank + 1,
        words: `rank ${rank}`,
        tags: [],
      })),
      most,
    );
  }

  // Vocabulary, biography, rules

  const choose = (bytes) => {
    selected = bytes;
    draw();
  };
  const pick = (bytes) => h("button", { type: "button", tabindex: -1, onclick: () => choose(bytes) }, drawn(bytes));
  const dressPick = (button, bytes, extra, says) =>
    dress(button, `lmc-tok${extra}${marks([bytes === selected, "mf-chosen"])}`, says);

  const vocabularyHead = h("p", { class: "mf-sub" }),
    chips = h("div", { class: "mf-chips" });
  vocabulary.append(
    vocabularyHead,
    chips,
    h("p", { class: "mf-key" }, "dotted: gone from the text · orange: not under every rule · click: its biography"),
  );
  const elsewhere = once((run, size, ..._reached) =>
    TIES.filter((tie) => film.runs[tie] !== run).map((tie) => new Set(film.runs[tie].tokens.slice(0, size))),
  );

  function drawVocabulary(run, k) {
    const others = elsewhere(run, 256 + target(), ...TIES.map((tie) => reached(film.runs[tie])));
    const shown = run.steps
      .slice(Math.max(0, k - 40), k)
      .reverse()
      .map(({ id }) => ({ id, bytes: run.tokens[id] }));
    write(
      vocabularyHead,
      k
        ? `Learned so far: ${times(k, "token")}${k > shown.length ? `, the newest ${shown.length} shown` : ""}`
        : "Nothing learned yet: the vocabulary is the 256 bytes",
    );
    keepStop(
      vocabulary,
      vocabularyStops,
      () =>
        keyed(chips, shown, {
          key: ({ id, bytes }) => `${id} ${bytes}`,
          make: ({ bytes }) => pick(bytes),
          update: (chip, { id, bytes }) => {
            const there = run.occurrences(id, k),
              only = others.some((other) => !other.has(bytes));
            const where = there ? `in the text ${times(there, "time")}` : "no longer in the text";
            dressPick(
              chip,
              bytes,
              marks([!there, "mf-dead"], [only, "mf-only"]),
              `${spell(bytes)}, id ${id}, ${where}${only ? ", not learned under every rule" : ""}`,
            );
          },
        }),
      sameName,
    );
  }

  function drawBiography(run, k, total) {
    const id = selected === null ? -1 : run.tokens.slice(0, 256 + total).indexOf(selected);
    let parts = [];
    if (id >= 0) {
      const { head, body, story } = biographyOf(run, id);
      write(story, life(run, id, k, total));
      parts = [head, body];
    } else if (selected !== null) {
      parts = [
        h(
          "p",
          { class: "mf-sub" },
          `“${spell(selected)}” is not learned under this rule within ${times(total, "merge")}`,
        ),
      ];
    }
    keepStop(biography, biographyStops, () => fill(biography, parts), sameName);
  }
  const biographyOf = once((run, id) => {
    const story = h("p", {});
    const head = h("p", { class: "mf-sub" }, "Biography of ", token(run.tokens[id]), ` · id ${id}`);
    return {
      head,
      story,
      body: h("div", { class: "mf-life" }, h("div", { class: "lmc-scroll" }, mergeTree(run, id)), story),
    };
  });

  /** The merges that made a token, from its bytes upwards. */
  function mergeTree(run, root) {
    const halves = (id) => (id < 256 ? [] : [...run.steps[id - 256].pair].map((char) => char.charCodeAt(0)));
    const depth = (id) => (id < 256 ? 0 : 1 + Math.max(...halves(id).map(depth)));
    const cells = [],
      height = depth(root);
    const place = (id, from) => {
      const cell = pick(run.tokens[id]);
      dressPick(cell, run.tokens[id], "", `${spell(run.tokens[id])}, ${id < 256 ? "a byte" : `merge ${id - 255}`}`);
      cell.style.gridArea = `${height - depth(id) + 1} / ${from + 1} / auto / ${from + 1 + run.tokens[id].length}`;
      cells.push(cell);
      let at = from;
      for (const half of halves(id)) {
        place(half, at);
        at += run.tokens[half].length;
      }
    };
    place(root, 0);
    return h(
      "div",
      {
        class: "mf-tree",
        style: `grid-template-columns: repeat(${run.tokens[root].length}, minmax(28px, max-content))`,
      },
      cells,
    );
  }

  function life(run, id, k, total) {
    const step = run.steps[id - 256],
      end = run.occurrences(id, total),
      own = String.fromCharCode(id);
    const heirs = run.steps
      .slice(0, total)
      .filter(({ pair }) => pair.includes(own))
      .map((heir) => `“${spell(run.tokens[heir.id])}”`);
    const overlap = step && step.count > step.replaced ? ` (counted ${step.count}: it overlaps itself)` : "";
    const born = step
      ? `merge ${id - 255}, made in ${times(step.replaced, "place")}${overlap}`
      : "one of the 256 bytes";
    const now = k < id - 255 ? "not made yet" : `now in ${times(run.occurrences(id, k), "place")}`;
    let fate = `at the end in ${times(end, "place")}`;
    if (!end) fate = step ? "at the end in none: scaffolding, with an id that this text never uses" : "gone at the end";
    return `${born}; ${now}; ${fate}.${heirs.length ? ` Later part of ${heirs.slice(0, 4).join(", ")}${heirs.length > 4 ? " …" : ""}.` : ""}`;
  }

  const vocabularyStops = roving(vocabulary, "button"),
    biographyStops = roving(biography, "button");
  const ruleRows = new Map();
  const ruleTable = h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["a tie goes to", "bytes a token", "leaves", "tokens only there"].map((name) =>
          h("th", { scope: "col" }, name),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      TIES.map((tie) => {
        const name = h(
          "button",
          { type: "button", title: RULES[tie], onclick: () => put(model, { tie, whose: "reference" }) },
          tie,
        );
        const cells = { name, ratio: h("td", {}), leaves: h("td", {}), only: h("td", { class: "mf-onlys" }) };
        ruleRows.set(tie, cells);
        return h("tr", {}, h("th", { scope: "row" }, name), cells.ratio, cells.leaves, cells.only);
      }),
    ),
  );
  rules.append(
    h("p", { class: "mf-sub" }, "One text, three rules for a tie"),
    h("div", { class: "lmc-scroll" }, ruleTable),
  );

  const drawRules = once((run, total, ..._reached) => {
    const learned = (r) => r.tokens.slice(256, 256 + reached(r)),
      shown = new Set(learned(run));
    for (const [tie, cells] of ruleRows) {
      const other = film.runs[tie];
      cells.name.setAttribute("aria-pressed", String(other === run));
      cells.ratio.textContent = bytesPerToken(other.bytes, other.tokensAt(reached(other)));
      if (other === run) {
        cells.leaves.textContent = "shown";
        cells.only.replaceChildren();
        continue;
      }
      const differs = ({ pair }, k) => !other.steps[k] || named(run, pair) !== named(other, other.steps[k].pair);
      const at = run.steps.slice(0, total).findIndex(differs);
      cells.leaves.textContent = at < 0 ? "never" : `merge ${at + 1}`;
      const only = [...new Set(learned(other).filter((bytes) => !shown.has(bytes)))];
      const few = only.slice(0, 3).flatMap((bytes) => [token(bytes), " "]);
      cells.only.replaceChildren(only.length ? `${only.length}: ` : "none", ...few, only.length > 3 ? "…" : "");
    }
  });
  const divergenceOf = once((yours, reference, size, ..._reached) => divergence(yours, reference, size));

  function drawVerdict(run, total) {
    verdict.toggleAttribute("hidden", !get("has_train"));
    if (!get("has_train")) return null;
    const theirs = get("theirs");
    const wait = (words, look = "") => {
      write(verdict, words);
      change(verdict, { class: `mf-verdict${look}` });
      return null;
    };
    if (theirs.error) return wait(`✗ Your trainer: ${theirs.error}`, " mf-bad");
    if (!film.runs.yours)
      return wait(
        kernel.hasKernel
          ? "… your trainer is running on this text"
          : "Your trainer runs in Python: run this cell to try another text.",
      );
    if (!finished(film.runs.yours) || !finished(film.runs[get("tie")])) return wait("… comparing");
    const found = divergenceOf(film.runs.yours, film.runs[get("tie")], target(), film.runs.yours.steps.length);
    const says = found
      ? `✗ ${found.words} `
      : `✓ Your trainer and the reference make the same ${times(total, "merge")}.`;
    if (found) show.at = found.at;
    if (verdict.firstChild?.textContent !== says) verdict.replaceChildren(says, ...(found ? [show] : []));
    change(verdict, { class: `mf-verdict ${found ? "mf-bad" : "mf-good"}` });
    return found;
  }

  // Words

  const big = (...children) => h("span", { class: "mf-big" }, children);
  const small = (...children) => h("span", { class: "lmc-muted" }, children);
  const formula = (left, right, made) =>
    h(
      "span",
      { class: "mf-big mf-formula" },
      token(left),
      " + ",
      token(right),
      " → ",
      token(made, { class: "mf-made" }),
    );

  const headTraining = once((run, k) => {
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
  });

  const headEncoding = once(({ run, steps }, done) => {
    const last = steps[done - 1];
    if (!last) return [big("Now encode a text"), small("the merges again, in the order they were learned")];
    const [left, right] = run.bytesOf(run.steps[last.rank].pair);
    return [big(`Rank ${last.rank} fires`), formula(left, right, left + right), small(`id ${256 + last.rank}`)];
  });

  function sayTraining(run, k, total) {
    const { most, tied, wins } = run.tables[k],
      now = run.tokensAt(k);
    const is = `${times(run.bytes, "byte")} ${k ? "are now" : "are"} ${times(now, "token")}, ${bytesPerToken(run.bytes, now)} bytes a token.`;
    if (!run.bytes)
      return "Type a text to train on: every pair of neighbouring bytes is counted, and the most frequent becomes a token.";
    if (!most || (k === run.steps.length && run.done))
      return `${is} Every pre-token is one token: no pair is left to merge.`;
    if (guessing(run, k)) return `${is} Count the pairs, and say which one is merged next.`;
    if (k === total)
      return `${is} The vocabulary is full: 256 bytes and ${times(total, "merge")}. Step on to encode a text with it.`;
    const chosen = run.steps[k]?.pair ?? wins[run.tie],
      count = run.steps[k]?.count ?? most;
    if (run.given)
      return `${is} Yours merges ${named(run, chosen)} next, counted ${times(count, "time")}${count < most ? `; the most frequent is counted ${most}` : ""}.`;
    const once = most === 1 ? " Every pair is there once: from here on the text is only learned by heart." : "";
    if (tied === 1) return `${is} Next: ${named(run, chosen)}, counted ${times(most, "time")}.${once}`;
    return `${is} Next ${times(tied, "pair")} tie at ${most}: ${TIES.map((tie) => `“${tie}” takes ${named(run, wins[tie])}`).join(", ")}.${once}`;
  }

  function sayEncoding(done) {
    const bytes = fresh.bytes.length,
      now = bytes - done,
      step = trace.steps[done];
    if (!bytes) return "Type a text to encode: the merges fire in the order they were learned.";
    if (!step)
      return `${times(bytes, "byte")} became ${times(now, "token")}, ${bytesPerToken(bytes, now)} bytes a token.${notLongest(done)}`;
    const all = candidates(trace, piecesAt(trace, step.pretoken, done)),
      leftmost = Math.min(...all.map(({ at }) => at));
    const whole = spell(byteString(trace.pretokens[step.pretoken])),
      notFirst = step.at > leftmost ? ", though it is not the leftmost" : "";
    return `${times(all.length, "pair")} of “${whole}” can merge; rank ${step.rank} fires, the earliest learned${notFirst}.`;
  }

  /** A pre-token that taking the longest token each time would cut otherwise, in words; nothing where there is none. */
  function notLongest(done) {
    for (const [n, pretoken] of trace.pretokens.entries()) {
      const bytes = byteString(pretoken),
        longest = longestMatch(bytes, trace.ids).map(spell).join("|");
      if (longest === piecesAt(trace, n, done).map(spell).join("|")) continue;
      return ` Taking the longest token each time would cut “${spell(bytes)}” into ${longest} instead: not what BPE does.`;
    }
    return "";
  }

  // Controls

  const go = (step) => put(model, { step });
  const player = stepper({ label: "merge", go });
  const rule = choice({
    label: "a tie goes to",
    options: TIES.map((tie) => [tie, RULES[tie]]),
    value: get("tie"),
    onchange: (tie) => put(model, { tie }),
  });
  const whose = choice({
    label: "play",
    options: [
      ["reference", "the reference"],
      ["yours", "your trainer"],
    ],
    value: get("whose"),
    onchange: (value) => put(model, { whose: value }),
  });
  const size = slider({
    label: "vocabulary",
    min: 257,
    max: Math.max(768, get("vocab_size")),
    value: get("vocab_size"),
    format: (n) => `${grouped(n)} tokens`,
    oninput: (n) => put(model, { vocab_size: n }),
  });
  const guess = check({
    label: "let me guess",
    value: get("guess"),
    onchange: (value) => put(model, { guess: value }),
  });
  const typed = (name, most) => (text) => {
    note = "";
    if (wellFormed(text) !== text)
      note = "Half of a surrogate pair was typed, which UTF-8 cannot hold: it became U+FFFD. ";
    if (text.length > most)
      note = `Only the first ${grouped(most)} of ${grouped(text.length)} characters are ${name === "text" ? "trained on" : "encoded"}. `;
    const whole = wellFormed(text).slice(0, most);
    put(model, { [name]: wellFormed(whole) });
  };
  const trainOn = field({ label: "Train on", lines: 3, value: get("text"), oninput: typed("text", MOST) });
  const thenEncode = field({
    label: "Then encode",
    lines: 3,
    value: get("new_text"),
    oninput: typed("new_text", MOST_NEW),
  });
  f.controls.append(
    player.el,
    rule.el,
    size.el,
    guess.el,
    ...(get("has_train") ? [whose.el] : []),
    h("div", { class: "mf-texts" }, trainOn.el, thenEncode.el),
  );

  const kernel = asker(model, {
    answered: () => {},
    failed: (words) =>
      put(model, { theirs: { for: [get("text"), get("vocab_size"), get("tie")], merges: [], error: words } }),
  });

  function draw() {
    drawnAt = performance.now();
    prepare();
    const run = mine(),
      total = reached(run),
      length = total + trace.steps.length + 2;
    const position = Math.min(get("step"), length - 1),
      training = position <= total,
      k = Math.min(position, total),
      done = position - total - 1;
    const found = drawVerdict(run, total);
    fill(headline, training ? headTraining(run, k) : headEncoding(trace, done));
    timeline(run, total, position, found);
    drawTracks(run, k, position);
    if (training) trainingRace(run, k);
    else encodingRace(done);
    drawVocabulary(run, k);
    drawBiography(run, k, total);
    drawRules(run, total, ...TIES.map((tie) => reached(film.runs[tie])));
    player.set(position, length);
    rule.set(get("tie"));
    size.set(get("vocab_size"));
    guess.set(get("guess"));
    whose.set(get("whose"));
    for (const [part, name] of [
      [trainOn, "text"],
      [thenEncode, "new_text"],
    ])
      if (document.activeElement !== part.input) part.set(get(name));
    const left =
      get("left_out") && get("text") === FIRST.text
        ? `These are the first ${grouped(MOST)} characters; ${grouped(get("left_out"))} more are left out. `
        : "";
    const well = answered?.step === position ? answered.words : "",
      wait = coming ? "Training on what you typed … " : "";
    change(f.root, { "aria-busy": busy() });
    f.say(wait + well + note + left + (training ? sayTraining(run, k, total) : sayEncoding(done)), well ? "good" : "");
  }

  const watcher =
    typeof ResizeObserver === "undefined"
      ? null
      : new ResizeObserver(([entry]) => {
          const now = Math.floor(entry.contentRect.width);
          if (now > 0 && now !== width) {
            width = now;
            draw();
          }
        });
  const stop = redraw(model, ["text", "new_text", "vocab_size", "tie", "step", "whose", "guess", "theirs"], draw);
  watcher?.observe(f.stage);
  return () => {
    stop();
    player.stop();
    kernel.stop();
    watcher?.disconnect();
    clearTimeout(working);
  };
}

export default { render };
