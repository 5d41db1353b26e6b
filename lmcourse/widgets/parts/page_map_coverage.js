// PageMap's view of what has been seen: the share of the tokens over the batches, and how often each was a target.
import { bottomAxis, leftAxis, line, linear } from "../lib/charts.js";
import { h, s } from "../lib/elements.js";
import { grouped, plural } from "../lib/numbers.js";
import { countSeen, timesSeen } from "../rules/pages.js";
import { shareText } from "./page_map_strip.js";

const TIMES = ["not seen", "once", "twice", "3 × or more"];
const NAMED = {
  random: { at: 0.35, anchor: "start", dx: 8, dy: 18 },
  shuffled: { at: 0.5, anchor: "end", dx: -6, dy: 0 },
};

/** The curves of all orders, and a dot where this walk is. */
function sharePicture(now, share) {
  const x = linear(0, now.stream.last, 44, 344),
    y = linear(0, 1, 170, 20);
  const epoch = now.stream.windows / now.batchSize,
    limit = 1 - Math.exp(-1);
  const goals = !now.facts.length &&
    epoch <= now.stream.last && [
      s("line", { class: "pm-goal", x1: x(epoch), y1: 20, x2: x(epoch), y2: 170 }),
      s("line", { class: "pm-goal", x1: 44, y1: y(limit), x2: 344, y2: y(limit) }),
      s("text", { x: 344, y: y(limit) + 15, "text-anchor": "end" }, "1 − 1/e = 63 %"),
    ];
  const at = plural(now.step, "batch", "batches");
  return s(
    "svg",
    { viewBox: "0 0 350 210", role: "img", "aria-label": `Share of the tokens seen: ${shareText(share)} after ${at}` },
    leftAxis(y, [0, 0.5, 1], { left: 44, right: 344, text: (part) => `${100 * part} %` }),
    bottomAxis(x, goals ? [0, epoch] : [0, now.stream.last], {
      bottom: 170,
      text: (k) => (k === epoch ? "one epoch" : grouped(k)),
    }),
    goals,
    now.rivals.map(([name, points]) =>
      s("path", {
        class: "pm-line",
        "data-on": name === now.order,
        d: line(points.map(([k, part]) => [x(k), y(part)])),
      }),
    ),
    now.rivals.filter(([name]) => name in NAMED).map(([name, points]) => curveName(name, points, x, y)),
    s("circle", { class: "pm-dot", cx: x(now.step), cy: y(share), r: 5 }),
    s("text", { x: 194, y: 206, "text-anchor": "middle" }, "batches →"),
  );
}

function curveName(name, points, x, y) {
  const { at, anchor, dx, dy } = NAMED[name],
    [k, part] = points[Math.round(points.length * at)];
  const text = name === "random" ? "random" : "shuffled, in order";
  return s("text", { x: x(k) + dx, y: y(part) + dy, "text-anchor": anchor }, text);
}

/** How many tokens were a target never, once, twice, more often. */
function timesPicture(counts, all) {
  const wide = linear(0, Math.max(...counts, 1), 0, 170);
  const label = `Tokens by times seen: ${counts.map((n, k) => `${TIMES[k]}: ${shareText(n / all)}`).join(", ")}`;
  return s(
    "svg",
    { viewBox: "0 0 350 150", role: "img", "aria-label": label },
    counts.map((n, k) => [
      s("text", { x: 100, y: 28 + 30 * k, "text-anchor": "end" }, TIMES[k]),
      s("rect", { class: "pm-bar", x: 106, y: 14 + 30 * k, width: wide(n).toFixed(1), height: 20 }),
      s("text", { x: 112 + wide(n), y: 28 + 30 * k }, shareText(n / all)),
    ]),
  );
}

/** The view "what has been seen": its nodes and its sentence. */
export function drawCoverage(now, file) {
  const all = file.numTokens - 1,
    share = countSeen(now.starts, now.contextLength) / all,
    epochs = (now.step * now.batch.length) / now.stream.windows;
  const picture = sharePicture(now, share),
    bars = timesPicture(timesSeen(now.starts, now.contextLength, file.numTokens), all);
  const expected =
    now.order === "random" && epochs ? `; 1 − e^(−${epochs.toFixed(2)}) is ${shareText(1 - Math.exp(-epochs))}` : "";
  const words =
    `After ${plural(now.step, "batch", "batches")} (${epochs.toFixed(2)} epochs) ` +
    `${shareText(share)} of the tokens have been a target${expected}.`;
  return { nodes: [h("div", { class: "pm-side" }, picture, bars)], words, tone: "" };
}
