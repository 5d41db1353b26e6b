// MergeFilm's timeline: bytes per token while training, then while encoding; where rules break ties differently, and
// where the reader's trainer leaves the reference. Drag it to scrub.
import { change, s, write } from "../lib/elements.js";
import { plural } from "../lib/numbers.js";
import { bytesPerToken } from "../lib/tokens.js";
import { TIES } from "../rules/bpe.js";
import { once, splitTies } from "../rules/film.js";

const HEIGHT = 98;
const REACH = 24; // pixels from the hand at which a finger takes it
const PLOT = { left: 44, right: 12, top: 20, bottom: 62 };
const ratio = (bytes, tokens) => (tokens ? bytes / tokens : 1);

/** Steps to places, for `total` merges and `steps` that fire on a plot this wide; `most` bytes a token are the top. */
export function scaleOf({ width, total, steps, most }) {
  const wide = Math.max(200, width - PLOT.left - PLOT.right),
    turn = PLOT.left + wide * 0.72,
    right = PLOT.left + wide;
  const learn = { from: PLOT.left, to: turn - 12, n: total },
    encode = { from: turn + 12, to: right, n: steps };
  const at = ({ from, to, n }, k) => from + ((to - from) * k) / Math.max(1, n);
  const back = ({ from, to, n }, px) => Math.round(Math.min(1, Math.max(0, (px - from) / (to - from))) * n);
  return {
    turn,
    right,
    most,
    x: (k) => (k <= total ? at(learn, k) : at(encode, k - total - 1)),
    y: (r) => PLOT.bottom - ((PLOT.bottom - PLOT.top) * (r - 1)) / (most - 1),
    stepAt: (px) => (px < turn ? back(learn, px) : total + 1 + back(encode, px)),
  };
}

const path = (n, at) =>
  Array.from({ length: n + 1 }, (_, k) => {
    const [x, y] = at(k);
    return `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");

/** Bytes a token after each merge of a run. */
const learned = (run, total, { x, y }) =>
  path(Math.min(total, run.steps.length), (k) => [x(k), y(ratio(run.bytes, run.tokensAt(k)))]);

function ground({ turn, right, y, most }) {
  const box = { x: turn, y: PLOT.top - 4, width: right - turn + 8, height: PLOT.bottom - PLOT.top + 8 };
  const lines = [1, most].map((r) => [
    s("line", { x1: PLOT.left, x2: right, y1: y(r), y2: y(r), class: "mf-grid" }),
    s("text", { x: PLOT.left - 6, y: y(r) + 4, "text-anchor": "end" }, r.toFixed(1)),
  ]);
  return [s("rect", { ...box, class: "mf-ground" }), ...lines.flat()];
}

function headings({ total, steps, ties, finished, scale }) {
  const left = `training: ${plural(total, "merge")}${finished ? "" : " so far …"}, ${plural(ties.length, "tie")}`;
  return [s("text", { x: PLOT.left, y: 12 }, left), s("text", { x: scale.turn + 8, y: 12 }, `encoding: ${steps}`)];
}

function tieMarks(ties, { x }) {
  const d = ties.map((k) => `M${x(k + 0.5).toFixed(1)} ${PLOT.bottom + 6}v12`).join("");
  return [
    s("text", { x: PLOT.left - 6, y: PLOT.bottom + 16, "text-anchor": "end", class: "mf-tie" }, "ties"),
    s("path", { class: "mf-tick", d }),
  ];
}

function splitMark(at, { x }) {
  if (at === undefined) return [];
  const here = x(at + 0.5);
  return [
    s("line", { x1: here, x2: here, y1: PLOT.top, y2: PLOT.bottom + 22, class: "mf-split" }),
    s("text", { x: here, y: PLOT.bottom + 34, "text-anchor": "middle", class: "mf-bad" }, "✗"),
  ];
}

/** All but the hand, which moves with every step; gives the scale that it was drawn on. */
function drawCurves(svg, hand, view, width, differsAt) {
  const { run, total, trace, fresh, film, finished } = view,
    steps = trace.steps.length;
  const encoded = (k) => ratio(fresh.bytes.length, fresh.bytes.length - k);
  const runs = [run, ...TIES.map((tie) => film.runs[tie])];
  const ends = runs.map((each) => ratio(each.bytes, each.tokensAt(Math.min(view.target, each.steps.length))));
  const scale = scaleOf({ width, total, steps, most: Math.max(1.5, encoded(steps), ...ends) });
  const ties = splitTies(run, total);
  const others = TIES.map((tie) => film.runs[tie]).filter((other) => other !== run);
  change(svg, {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    "aria-label":
      `Bytes per token: training ends at ${bytesPerToken(run.bytes, run.tokensAt(total))}, encoding at ` +
      `${encoded(steps).toFixed(2)}; ${ties.length} of ${total} merges were ties that the rules break differently`,
  });
  svg.replaceChildren(
    ...ground(scale),
    ...headings({ total, steps, ties, finished, scale }),
    ...others.map((other) => s("path", { class: "mf-other", d: learned(other, total, scale) })),
    s("path", { class: "mf-curve", d: learned(run, total, scale) }),
    s("path", { class: "mf-curve", d: path(steps, (k) => [scale.x(total + 1 + k), scale.y(encoded(k))]) }),
    ...tieMarks(ties, scale),
    ...splitMark(differsAt, scale),
    hand,
  );
  return { ...scale, encoded };
}

/** The line, the dot and the number at the step that is shown. */
function handOf() {
  const line = s("line", { class: "mf-now" }),
    dot = s("circle", { r: 5, class: "mf-dot" }),
    value = s("text", { class: "mf-value" });
  return {
    el: s("g", {}, line, dot, value),
    /** Where there is no text there are no bytes a token, and no place for the dot. */
    show(yes) {
      for (const node of [line, dot, value]) node.toggleAttribute("hidden", !yes);
    },
    put(x, y, most, ratio) {
      change(line, { x1: x, x2: x, y1: PLOT.top - 4, y2: PLOT.bottom + 20 });
      change(dot, { cx: x, cy: y });
      change(value, { x: Math.min(x + 8, most), y: Math.max(y - 8, PLOT.top + 4) });
      write(value, `${ratio.toFixed(2)} bytes a token`);
    },
  };
}

export function timeline(go) {
  const svg = s("svg", { class: "mf-time", role: "img", height: HEIGHT }),
    hand = handOf();
  const curves = once(
    (view, width, differsAt) => drawCurves(svg, hand.el, view, width, differsAt),
    ({ run, total, trace, finished, reached }, width, at) =>
      [run, total, trace, finished, width, at].concat(Object.values(reached)),
  );
  let scale = null,
    handAt = 0,
    drawnWidth = 0;
  function scrub(event) {
    const box = svg.getBoundingClientRect();
    go(scale.stepAt(((event.clientX - box.left) / box.width) * drawnWidth));
  }
  /** A finger drags the hand alone: elsewhere it swipes the page, and a tap is a click. */
  function onHand(event) {
    const box = svg.getBoundingClientRect();
    return Math.abs(((event.clientX - box.left) / box.width) * drawnWidth - handAt) < REACH;
  }
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && !onHand(event)) return;
    svg.setPointerCapture(event.pointerId);
    scrub(event);
  });
  svg.addEventListener("click", scrub);
  svg.addEventListener("pointermove", (event) => {
    if (svg.hasPointerCapture(event.pointerId)) scrub(event);
  });
  return {
    el: svg,
    draw(view, width, differsAt) {
      const { run, position, training, done, fresh } = view;
      drawnWidth = width;
      scale = curves(view, width, differsAt);
      const here = training ? ratio(run.bytes, Math.max(1, run.tokensAt(position))) : scale.encoded(done);
      hand.show((training ? run.bytes : fresh.bytes.length) > 0);
      handAt = scale.x(position);
      hand.put(handAt, scale.y(here), scale.right - 120, here);
    },
  };
}
