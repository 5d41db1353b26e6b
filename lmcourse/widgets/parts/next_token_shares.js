// NextToken's distribution: all that may be drawn side by side, with the place where the die fell, and below it the
// tokens one by one, most probable first. A row is a button that takes its token.
import { change, h, write } from "../lib/elements.js";
import { grouped, percent } from "../lib/numbers.js";
import { roving } from "../lib/roving.js";
import { drawn, spell } from "../lib/tokens.js";

const ROWS = 20;
const FULL = 0.4; // of a share that has the whole room, where none is larger
const NAMED = 0.07; // from this share on a piece of the strip is wide enough for its token

/** A bar of a share of its room, without a new layout. */
const wide = (bar, share) => {
  bar.style.transform = `scaleX(${share.toFixed(4)})`;
};

/** A bar for what the model gives, filled as far as the token is drawn. */
function row(k, take) {
  const token = h("span", { class: "lmc-tok" }),
    own = h("span", { class: "nt-own" }),
    chance = h("span", { class: "nt-chance" }),
    numbers = { own: h("span", { class: "nt-number" }), chance: h("span", { class: "nt-number" }) };
  const bar = h("span", { class: "nt-bar" }, own, chance);
  const cells = [h("span", { class: "nt-rank" }, String(k + 1)), token, bar, numbers.own, numbers.chance];
  const el = h("button", { type: "button", class: "nt-row", onclick: () => take(k) }, cells);
  let piece = null;
  return {
    el,
    draw(scene) {
      const { dist, order, pieceOf, taken } = scene,
        there = k < order.length,
        kept = k < dist.kept;
      el.hidden = !there;
      if (!there) return;
      const next = pieceOf(order[k]);
      if (next !== piece) token.replaceChildren(...drawn(next));
      piece = next;
      const full = Math.max(FULL, dist.own[0], dist.chance[0]);
      wide(own, dist.own[k] / full);
      wide(chance, dist.chance[k] / full);
      write(numbers.own, percent(dist.own[k]));
      write(numbers.chance, kept ? percent(dist.chance[k]) : "cut off");
      el.classList.toggle("nt-cut", !kept);
      change(el, { "aria-pressed": String(k === taken) });
    },
  };
}

/** All chances side by side from 0 to 1, and where the die fell. */
function chances() {
  const pieces = Array.from({ length: ROWS }, () => h("span", { class: "nt-piece" })),
    rest = h("span", { class: "nt-piece nt-rest" }),
    mark = h("span", { class: "nt-die lmc-moves" }),
    label = h("span", { class: "nt-die-words" });
  mark.append(label);
  const el = h(
    "div",
    { class: "nt-chances", "aria-hidden": "true" },
    h("div", { class: "nt-pieces" }, pieces, rest),
    mark,
  );
  return {
    el,
    draw({ dist, order, pieceOf, thrown }) {
      let sum = 0;
      pieces.forEach((piece, k) => {
        const share = k < dist.kept ? dist.chance[k] : 0;
        sum += share;
        piece.style.width = `${100 * share}%`;
        piece.hidden = share === 0;
        write(piece, share > NAMED ? spell(pieceOf(order[k])) : "");
      });
      rest.style.width = `${100 * Math.max(0, 1 - sum)}%`;
      mark.classList.toggle("nt-none", thrown < 0);
      if (thrown >= 0) mark.style.left = `${100 * thrown}%`;
      mark.classList.toggle("nt-right", thrown > 0.8);
      write(label, thrown >= 0 ? `die ${thrown.toFixed(3)}` : "");
    },
  };
}

/** What the rows do not show. */
function restOf({ dist, order }) {
  const more = order.length - ROWS;
  const cut = order.length - dist.kept;
  const words = cut ? `${grouped(cut)} of ${grouped(order.length)} tokens are cut off` : "no token is cut off";
  return more > 0 ? `${words}; the first ${ROWS} are shown.` : `${words}.`;
}

/** The heads of the columns; they stay in view. */
const heads = () =>
  h("div", { class: "nt-head" }, [
    h("span", {}),
    h("span", {}, "token"),
    h("span", { class: "nt-legend" }, "pale: the model; full: drawn"),
    h("span", {}, "model"),
    h("span", {}, "drawn"),
  ]);

/** @param {(rank: number) => void} take  hears which row was pressed */
export function sharesPanel(take) {
  const strip = chances(),
    rows = Array.from({ length: ROWS }, (_, k) => row(k, take)),
    list = h("div", { class: "nt-rows", role: "group", "aria-label": "next tokens" }, [
      heads(),
      ...rows.map(({ el }) => el),
    ]),
    rest = h("p", { class: "nt-caption" }),
    whole = h("div", { class: "nt-whole" }, strip.el, list, rest),
    empty = h("p", { class: "lmc-muted nt-empty" });
  roving(list, "button:not([hidden])").refresh();
  return {
    el: h("div", { class: "nt-panel" }, whole, empty),
    /** @param {any} scene  without `dist` there is nothing to show but `missing`, in words */
    draw(scene) {
      whole.classList.toggle("nt-none", !scene.dist);
      write(empty, scene.dist ? "" : scene.missing);
      if (!scene.dist) return;
      strip.draw(scene);
      for (const each of rows) each.draw(scene);
      write(rest, restOf(scene));
    },
  };
}
