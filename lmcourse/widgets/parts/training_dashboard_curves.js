// TrainingDashboard's curves: the losses of all runs, and below them the strips on the same axis of steps.
import { curve, leftAxis, legendLine, linear, logarithmic, logTicks, spread, ticks } from "../lib/charts.js";
import { s } from "../lib/elements.js";
import { clamp, grouped } from "../lib/numbers.js";
import { lastStep, lossRange, stripRange } from "../rules/runs.js";
import { words } from "./training_dashboard_words.js";

const STRIPS = [
  { key: "lr", name: "learning rate" },
  { key: "norm", name: "gradient norm, before clipping (log)" },
  { key: "rate", name: "tokens/s" },
  { key: "mfu", name: "MFU" },
];
const TOP = 8;
const GAP = 6;

export const lookOf = (index) => `td-run td-run-${Math.min(index, 3)}`;

/** Where things lie on a picture that is `wide`; on a wide page words are large enough for the last row of a room. */
export function layoutOf(wide) {
  const roomy = wide >= 620;
  const big = wide >= 820;
  const high = 138;
  const strip = big ? 28 : 32;
  return {
    wide,
    roomy,
    big,
    left: big ? 64 : 54,
    right: wide - (big ? 176 : roomy ? 150 : 12),
    strip,
    floor: TOP + high, // of the losses
    bottom: TOP + high + STRIPS.length * (strip + GAP),
  };
}

/** All that stays as long as no message comes: nodes, and the scales that the cursor needs. */
export function curvesOf(scene, layout) {
  const last = lastStep(scene);
  const x = (scene.look.log ? logarithmic : linear)(scene.look.log ? 1 : 0, last, layout.left, layout.right);
  const [least, most] = lossRange(scene, last);
  const raw = linear(least, most, layout.floor, TOP);
  const y = (value) => Math.max(TOP, raw(value)); // a run that has gone astray is drawn at the edge
  const strips = STRIPS.map((strip, row) => stripOf(scene, layout, x, strip, row));
  const nodes = [
    leftAxis(raw, ticks(least, most, 5), layout),
    ghostLines(scene, last, x, y),
    baselineLines(scene, layout, y),
    scene.all.map((run) => runLines(run, most, x, y, layout)),
    names(scene, layout, last, y),
    strips.map((strip) => strip.nodes),
    stepAxis(scene, layout, last, x),
    keptMarks(scene, layout, x),
  ];
  return { nodes, x, y, last, strips };
}

const baselineLines = ({ baselines }, { left, right }, y) =>
  baselines.map(([, value]) => s("line", { class: "td-base", x1: left, x2: right, y1: y(value), y2: y(value) }));

const pointsOf = (ghost, last) => ghost.points.filter(([step, value]) => step <= last && value !== null);

function ghostLines({ ghosts }, last, x, y) {
  return ghosts.map((ghost) => {
    const points = pointsOf(ghost, last);
    const [steps, values] = [0, 1].map((k) => points.map((point) => point[k]));
    return s("path", { class: "td-ghost", d: curve(steps, values, x, y) });
  });
}

/** A run: thin each step, thick the average, ○ validation, ▲ at the edge where the loss is beyond it. */
function runLines({ c, facts }, most, x, y, { floor }) {
  const look = lookOf(facts.index);
  const beyond = [...c.step].filter((_, k) => !(c.loss[k] <= most));
  const validation = facts.validation.filter(([, value]) => value !== null);
  return [
    s("path", { class: `${look} td-raw`, d: curve(c.step, c.loss, x, y) }),
    s("path", { class: `${look} td-smooth`, d: curve(c.step, c.smooth, x, y) }),
    validation.map(([step, value]) => {
      const title = `${facts.name}, step ${step}: validation ${words("loss", value)}`;
      return s("circle", { class: look, cx: x(step), cy: y(value), r: 4 }, s("title", {}, title));
    }),
    beyond.map((step) => s("path", { class: `${look} td-over`, d: `M${x(step) - 4} ${TOP + 7}l4 -7l4 7Z` })),
    facts.origin
      ? s("line", {
          class: `${look} td-origin`,
          x1: x(facts.origin.step),
          x2: x(facts.origin.step),
          y1: TOP,
          y2: floor,
        })
      : null,
  ];
}

/** The names of lines: at their ends where there is room, else of the baselines on them. */
function names({ all, baselines, ghosts }, { roomy, big, right, left, floor }, last, y) {
  const title = roomy ? "loss, nats a token: thin each step, thick the average, ○ validation" : "loss, nats a token";
  const heading = s("text", { class: "td-axis-name", x: left + 4, y: TOP + 8 }, title);
  if (!roomy)
    return [
      baselines.map(([name, value]) => {
        const at = { class: "td-axis-name", x: right - 4, y: y(value) - 4, "text-anchor": "end" };
        return s("text", at, `${name} ${value.toFixed(2)}`);
      }),
      heading,
    ];
  const labels = [
    ...baselines.map(([name, value]) => ({ at: y(value), text: `${name} ${value.toFixed(2)}`, kind: "" })),
    ...ghosts.flatMap((ghost) => {
      const end = pointsOf(ghost, last).at(-1);
      return end ? [{ at: y(end[1]), text: ghost.name, kind: "td-ghost-name" }] : [];
    }),
    ...all.flatMap(({ c, facts }) => {
      const end = c.smooth.at(-1);
      const kind = `${lookOf(facts.index)} td-name`;
      return Number.isFinite(end) ? [{ at: y(end), text: `${facts.name} ${end.toFixed(2)}`, kind }] : [];
    }),
  ];
  const places = spread(
    labels.map((label) => label.at),
    big ? 17 : 15,
    TOP + 4,
    floor,
  );
  return [labels.map((label, k) => labelAt(label, right + 8, places[k] + 4)), heading];
}

function labelAt({ text, kind }, x, y) {
  const shown = text.length > 21 ? `${text.slice(0, 20)}…` : text;
  return s("text", { class: kind, x, y }, shown, s("title", {}, text));
}

/** One strip below the losses: its nodes, and where a value of it lies. */
function stripOf(scene, layout, x, { key, name }, row) {
  const { left, right, strip, floor, big } = layout;
  const from = floor + GAP + row * (strip + GAP);
  const above = from + (big ? 16 : 14);
  const base = from + strip;
  const known = scene.all.some((run) => run.c[key].some(Number.isFinite));
  const limit = key === "norm" ? scene.maxNorm : null;
  const values = scene.all.flatMap((run) => [...run.c[key]]);
  const [low, high] = stripRange(values, { log: key === "norm", limit });
  const scale = (key === "norm" ? logarithmic : linear)(low, high, base, above);
  const y = (value) => clamp(scale(value), above, base);
  const title = key === "mfu" && !known ? "MFU: the peak of this machine is not known" : name;
  const tick = (value, at) =>
    s("text", { x: left - 6, y: at, "text-anchor": "end" }, words(key, value).replace(" × ", "·"));
  const nodes = [
    s("line", { class: "lmc-grid", x1: left, x2: right, y1: base, y2: base }),
    limit === null ? null : s("line", { class: "td-base", x1: left, x2: right, y1: y(limit), y2: y(limit) }),
    scene.all.map(({ c, facts }) =>
      s("path", { class: `${lookOf(facts.index)} td-thin`, d: curve(c.step, c[key], x, y) }),
    ),
    key === "lr" ? scene.all.map((run) => handMarks(run, x, from)) : null,
    s("text", { class: "td-axis-name", x: left + 4, y: from + (big ? 12 : 10) }, title),
    known ? [tick(high, above + 4), big ? null : tick(low, base + 2)] : null, // large words: the upper end alone
  ];
  return { key, y, nodes };
}

/** Where the rate was changed by hand. */
const handMarks = ({ facts }, x, from) =>
  facts.by_hand.map(([step, lr]) => {
    const what = lr === null ? "back to the schedule" : `lr set to ${words("lr", lr)} by hand`;
    const title = s("title", {}, `step ${step}: ${what}`);
    return s("path", { class: lookOf(facts.index), d: `M${x(step)} ${from + 8}l4 4l-4 4l-4 -4Z` }, title);
  });

function stepAxis({ look }, { roomy, right, bottom }, last, x) {
  const most = roomy ? 8 : 4;
  const values = look.log ? logTicks(1, last, most) : ticks(0, last, most);
  return [
    values.map((v) => [
      s("line", { class: "lmc-grid", x1: x(v), x2: x(v), y1: TOP, y2: bottom }),
      s("text", { x: x(v), y: bottom + 20, "text-anchor": "middle" }, grouped(v)),
    ]),
    roomy
      ? s("text", { x: right + 20, y: bottom + 20 }, look.log ? "steps (log)" : "steps →")
      : s("text", { x: right, y: bottom + 37, "text-anchor": "end" }, `optimizer steps${look.log ? " (log)" : ""} →`),
  ];
}

/** ▲ below the axis where a copy of the run is kept. */
function keptMarks({ facts, look, hasKernel }, { left, right, bottom, roomy }, x) {
  if (!facts.copies.length) return [];
  const use = hasKernel ? "a fork can start here" : "for forks, in a notebook";
  const explained = s("title", {}, `a copy of the run is kept: ${use}`);
  return [
    roomy
      ? s("text", { x: right + 112, y: bottom + 20 }, "▲ kept", explained)
      : s("text", { x: left - 4, y: bottom + 37 }, "▲ kept for forks"),
    facts.copies
      .filter((step) => !look.log || step > 0)
      .map((step) => {
        const title = s("title", {}, `step ${step} is kept for forks`);
        return s("path", { class: "td-kept", d: `M${x(step)} ${bottom + 1}l4 6h-8Z` }, title);
      }),
  ];
}

/** The step that is looked at: a line over the curves, and the numbers of the strips beside it. */
export function cursorOf({ shown, at, facts }, { roomy, right, bottom }, { x, y, strips }) {
  if (at < 0) return [];
  const px = x(shown.step[at]);
  const own = lookOf(facts.index);
  const dot = (cy) => s("circle", { class: `${own} td-dot`, cx: px, cy, r: 4 });
  const known = strips.filter(({ key }) => Number.isFinite(shown[key][at]));
  return [
    s("line", { class: "td-cursor", x1: px, x2: px, y1: TOP, y2: bottom }),
    Number.isFinite(shown.loss[at]) ? dot(y(shown.loss[at])) : null,
    known.map((strip) => {
      const value = shown[strip.key][at];
      const place = strip.y(value);
      const name = () => s("text", { class: `${own} td-name`, x: right + 8, y: place + 4 }, words(strip.key, value));
      return [dot(place), roomy ? name() : null];
    }),
  ];
}

/** The lines by name, for a page on which the names do not fit beside them. */
export const legendOf = ({ all, ghosts }) => [
  ...all.map((run) => legendLine(`${lookOf(run.facts.index)} td-smooth`, run.facts.name)),
  ...ghosts.map((ghost) => legendLine("td-ghost", ghost.name)),
];
