// NextToken's surprises: the loss of every token of a text of the reader's own, the largest first.
import { h, write } from "../lib/elements.js";
import { grouped, percent } from "../lib/numbers.js";
import { spell } from "../lib/tokens.js";

const ROWS = 7;
const FULL = 10; // nats that give a cell its full colour

export const shareOf = (loss) => (loss === null ? 0 : Math.min(1, Math.max(0, loss) / FULL));

/** The tokens by their loss, the largest first. */
export const surprises = ({ losses }) =>
  [...losses.keys()].filter((k) => losses[k] !== null).sort((a, b) => losses[b] - losses[a]);

/** 2.3 nats as what the model gave the token. */
export const given = (loss) => {
  const share = Math.exp(-loss);
  return share >= 0.1 ? percent(share, 0) : `1 in ${grouped(Math.round(1 / share))}`;
};

export function surprisePanel() {
  const heads = ["token", "loss, nats", "the model gave", "expected"].map((text) => h("th", { scope: "col" }, text)),
    rows = Array.from({ length: ROWS }, () => {
      const cells = Array.from({ length: 4 }, () => h("td"));
      return { el: h("tr", {}, cells), cells };
    }),
    table = h(
      "table",
      {},
      h("thead", {}, h("tr", {}, heads)),
      h(
        "tbody",
        {},
        rows.map(({ el }) => el),
      ),
    ),
    empty = h("p", { class: "lmc-muted nt-empty" });
  return {
    el: h("div", { class: "nt-panel nt-surprises" }, table, empty),
    draw({ judged, missing }) {
      table.hidden = !judged;
      write(empty, judged ? "" : missing);
      if (!judged) return;
      const order = surprises(judged);
      rows.forEach(({ el, cells }, k) => {
        const at = order[k];
        el.hidden = at === undefined;
        if (at === undefined) return;
        const loss = judged.losses[at],
          values = [spell(judged.pieces[at]), loss.toFixed(2), given(loss), spell(judged.expected[at])];
        cells.forEach((cell, j) => {
          write(cell, values[j]);
        });
      });
    },
  };
}
