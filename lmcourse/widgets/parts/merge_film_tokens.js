// How MergeFilm draws a token, and keeps the tab stop among many of them while they change.
import { change, h } from "../lib/elements.js";
import { drawn, spell } from "../lib/tokens.js";

/** A token to look at. */
export const token = (bytes, look = "") => h("span", { class: `lmc-tok ${look}` }, drawn(bytes));

/** A token to click; `dress` gives it its look and its name. */
export const pick = (bytes, choose) =>
  h("button", { type: "button", tabindex: -1, onclick: () => choose(bytes) }, drawn(bytes));

/** The class names, a space before each, of those that apply. */
export const marks = (...pairs) =>
  pairs
    .filter(([applies]) => applies)
    .map(([, name]) => ` ${name}`)
    .join("");

const looks = new WeakMap();
/** Set a token's class and label where they differ: what the pointer lit stays lit where nothing changes. */
export function dress(button, look, says) {
  if (looks.get(button) !== look) button.className = look;
  looks.set(button, look);
  change(button, { "aria-label": says });
}

/** A token of the tracks: made by this merge, merged next, or chosen. */
export function dressSpan(button, span, chosen) {
  const look = marks(
    [span.made, "mf-made"],
    [span.next, `mf-next mf-${span.next}`],
    [span.bytes === chosen, "mf-chosen"],
  );
  const now = span.next ? ", merges next" : span.made ? ", made by this merge" : "";
  dress(button, `lmc-tok lmc-tok-${span.parity}${look}`, `token ${spell(span.bytes)}, id ${span.id}${now}`);
}

/** Draw buttons without losing the tab stop, nor the focus if it is among them: `same` finds it again. */
export function keepStop(container, stops, draw, same) {
  const held = container.contains(document.activeElement) ? document.activeElement : null;
  draw();
  const cells = [...container.querySelectorAll("button")];
  const again = Math.max(
    0,
    cells.findIndex((cell) => held && same(held, cell)),
  );
  if (held && document.activeElement !== held) stops.refresh(again, true);
  else if (!cells.some((cell) => cell.tabIndex === 0)) stops.refresh();
}

export const sameName = (old, cell) => old.getAttribute("aria-label") === cell.getAttribute("aria-label");
