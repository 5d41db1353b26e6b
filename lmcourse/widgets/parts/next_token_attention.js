// NextToken's attention: for the token at the cursor, a small picture a head of how its weight lies over the text, a
// row a layer. The chosen one is also seen in the text; its largest weights stand below in numbers.
import { change, h, s, write } from "../lib/elements.js";
import { area, linear } from "../lib/charts.js";
import { percent } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { spell } from "../lib/tokens.js";
import { LOOKS, lookOf } from "../rules/roads.js";

const W = 88,
  H = 28,
  LEAST = 0.2; // of the weight that is drawn in full height
const MARKS = {
  same: "same token",
  after: "after same",
  previous: "token before",
  first: "first token",
  itself: "itself",
};

/** One head. */
function tile(layer, head, choose) {
  const path = s("path", { class: "nt-weight" }),
    mark = h("span", { class: "nt-mark" });
  const picture = s(
    "svg",
    { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", height: H, "aria-hidden": "true" },
    path,
  );
  const el = h("button", { type: "button", class: "nt-tile", onclick: () => choose([layer, head]) }, picture, mark);
  return {
    el,
    draw(weights, ids, { on, most }) {
      const x = linear(0, weights.length, 0, W),
        y = linear(0, most, H, 1);
      const places = Array.from(weights).flatMap((w, k) => [
        [x(k), y(w)],
        [x(k + 1), y(w)],
      ]);
      change(path, { d: area(places, H) });
      const look = lookOf(weights, ids);
      write(mark, `head ${head + 1}${look ? ` · ${MARKS[look]}` : ""}`);
      el.classList.toggle("nt-finds", look === "same" || look === "after");
      const words = `layer ${layer + 1}, head ${head + 1}${look ? `: looks at ${LOOKS[look]}` : ""}`;
      change(el, { "aria-pressed": String(on), "aria-label": words, title: words });
    },
  };
}

/** The largest weights in words. */
export function largest(weights, pieces, most = 5) {
  const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, most);
  return order.map((k) => `“${spell(pieces[k])}” ${percent(weights[k])}`);
}

/**
 * @param {{ num_layers?: number, num_heads?: number }} about
 * @param {(head: number[]) => void} choose  hears [layer, head]
 */
export function attentionPanel({ num_layers: layers = 0, num_heads: heads = 0 }, choose) {
  const tiles = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: heads }, (_, head) => tile(layer, head, choose)),
  );
  const rows = tiles.map((row, layer) => [
    h("span", { class: "nt-layer" }, `layer ${layer + 1}`),
    ...row.map(({ el }) => el),
  ]);
  const grid = h("div", { class: "nt-tiles", style: `--nt-heads: ${heads}` }, rows.flat()),
    numbers = h("p", { class: "nt-caption" }),
    whole = h("div", { class: "nt-whole" }, h("div", { class: "nt-scroll" }, grid), numbers),
    empty = h("p", { class: "lmc-muted nt-empty" });
  roving(grid, "button", { columns: () => heads }).refresh();
  return {
    el: h("div", { class: "nt-panel" }, whole, empty),
    draw({ heads: found, head: [layer, head], ids, pieces, missing }) {
      whole.classList.toggle("nt-none", !found);
      write(empty, found ? "" : missing);
      if (!found) return;
      const seen = ids.slice(-found[0][0].length), // a long text is seen from its window on
        most = Math.max(LEAST, ...found.flat().map((weights) => Math.max(...weights))); // one scale for all
      tiles.forEach((row, k) => {
        row.forEach((each, j) => {
          if (found[k]?.[j]) each.draw(found[k][j], seen, { on: k === layer && j === head, most });
        });
      });
      write(numbers, `Most weight: ${largest(found[layer][head], pieces.slice(-seen.length)).join(", ")}.`);
    },
  };
}
