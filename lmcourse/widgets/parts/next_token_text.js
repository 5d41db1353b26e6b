// NextToken's text: a cell a token, in a box that keeps its height. The cursor stands after one of them; what the road
// says after it is pale.
import { change, h, keyed } from "../lib/elements.js";
import { roving } from "../lib/roving.js";
import { drawn, spell } from "../lib/tokens.js";

/** Colours a cell by a share from 0 to 1, and says it in a tip; what stays the same is not touched. */
function tint(cell, share, words) {
  const full = share.toFixed(3);
  if (cell.lmcShare !== full) cell.style.setProperty("--nt-share", full);
  cell.lmcShare = full;
  change(cell, { title: words });
}

/** @param {{ label: string, choose: (key: string) => void }} options  `choose` hears which cell was pressed */
export function strip({ label, choose }) {
  const el = h("div", { class: "nt-text", role: "group", "aria-label": label });
  const stops = roving(el, "button");
  const make = ({ key, piece }) =>
    h("button", { type: "button", class: "lmc-tok", "data-key": key, onclick: () => choose(key) }, drawn(piece));
  let shown = "";
  const follow = () => {
    /** @type {any} */
    const here = el.querySelector("[aria-current=true]");
    if (!here) return;
    const top = here.offsetTop,
      bottom = top + here.offsetHeight;
    if (top < el.scrollTop || bottom > el.scrollTop + el.clientHeight) el.scrollTop = bottom - el.clientHeight + 4;
  };
  return {
    el,
    /**
     * @param {{ key: string, piece: string, later?: boolean, share?: number, words?: string }[]} items
     * @param {string | null} current  the key of the cell where the cursor is
     */
    draw(items, current) {
      const update = (cell, { key, piece, later = false, share = 0, words = "" }) => {
        cell.classList.toggle("nt-later", later);
        change(cell, { "aria-current": String(key === current) });
        tint(cell, share, words || spell(piece));
      };
      keyed(el, items, { key: ({ key }) => key, make, update });
      const at = items.findIndex(({ key }) => key === current),
        state = `${items.length} ${at}`;
      if (state === shown) return;
      shown = state;
      stops.refresh(Math.max(0, at));
      follow();
    },
  };
}
