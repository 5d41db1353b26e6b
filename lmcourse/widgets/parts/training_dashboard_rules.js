// TrainingDashboard's panel of rules: which share of the samples keeps each, over the steps. Only drawing.

import { linear, line, spread } from "../lib/charts.js";
import { h, s } from "../lib/elements.js";
import { grouped, percent } from "../lib/numbers.js";
import { before, lastStep } from "../rules/runs.js";

const [LEFT, TOP, HIGH, ROW] = [54, 10, 150, 15];

/** A line for each rule; its name at the end, with the share at the step that is looked at. */
export function rulesPanel() {
  const title = h("p", { class: "td-heading" });
  const svg = s("svg", { class: "td-svg", role: "img" });
  const el = h("section", { class: "td-panel td-rules" }, title, svg);
  let drawn = "";
  return {
    el,
    draw(scene) {
      const rows = scene.facts.rules ?? [];
      const k = before(rows, scene.step);
      const wide = Math.max(280, Math.round(svg.clientWidth) || 640);
      const key = JSON.stringify([wide, rows, k, scene.facts.index]);
      if (key === drawn) return;
      drawn = key;
      title.textContent = rulesTitle(rows, k);
      svg.setAttribute("viewBox", `0 0 ${wide} ${TOP + HIGH + 24}`);
      svg.setAttribute("aria-label", rulesWords(rows, k));
      svg.replaceChildren(...(k < 0 ? [] : picture(rows, k, wide, lastStep(scene))).flat(Infinity));
    },
  };
}

export function rulesTitle(rows, k) {
  if (k < 0) return "No function was given that judges the samples (rules).";
  const when = rows[k][0] ? `after step ${grouped(rows[k][0])}` : "before training";
  return `Share of the samples that keeps each rule, ${when}`;
}

/** All shares in words, the largest first. */
export function rulesWords(rows, k) {
  if (k < 0) return rulesTitle(rows, k);
  const shares = Object.entries(rows[k][1]).sort((a, b) => b[1] - a[1]);
  return `${rulesTitle(rows, k)}: ${shares.map(([name, share]) => `${name} ${percent(share, 0)}`).join(", ")}.`;
}

function picture(rows, k, wide, last) {
  const right = wide - 136;
  const x = linear(0, last, LEFT, right);
  const y = linear(0, 1, TOP + HIGH, TOP);
  const names = Object.keys(rows[k][1]);
  const shares = names.map((name) => rows[k][1][name]);
  const places = spread(shares.map(y), ROW, TOP + 4, TOP + HIGH);
  const at = x(rows[k][0]);
  return [
    [0, 0.5, 1].map((share) => [
      s("line", { class: "lmc-grid", x1: LEFT, x2: right, y1: y(share), y2: y(share) }),
      s("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share, 0)),
    ]),
    s("line", { class: "td-cursor", x1: at, x2: at, y1: TOP, y2: TOP + HIGH }),
    names.map((name, n) => {
      const look = `td-run td-run-${n % 4}`;
      const points = rows.map(([step, kept]) => [x(step), y(kept[name] ?? 0)]);
      return [
        s("path", { class: n < 4 ? look : `${look} td-thin`, d: line(points) }),
        s("circle", { class: `${look} td-dot`, cx: at, cy: y(shares[n]), r: 3 }),
        s("text", { class: `${look} td-name`, x: right + 8, y: places[n] + 4 }, `${name} ${percent(shares[n], 0)}`),
      ];
    }),
    s("text", { x: right, y: TOP + HIGH + 18, "text-anchor": "end" }, "optimizer steps →"),
  ];
}
