// What TokenizerLens draws of the lanes: byte by byte below one another, or as chips with their ids.
import { h } from "../lib/elements.js";
import { grouped } from "../lib/numbers.js";
import { COLUMN, byteLine, byteRows, drawn, lines, spell } from "../lib/tokens.js";
import { overlapping } from "../rules/lanes.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** A lane is called by a letter, so that narrow rows have a name too. */
export const letter = (lane) => LETTERS[lane % 26];

/** The button of one token; `withId` puts its id below the text. */
function tokenCell(lane, name, withId) {
  return (span) => {
    const marks = `${span.special ? " tl-special" : ""}${span.cut ? " tl-cut" : ""}`;
    const which = withId ? `${span.id}, ${name} token` : `${name} token ${span.id}`;
    const kind = `${span.special ? ", special" : ""}${span.piece ? ", a piece of a character" : ""}`;
    const look = {
      type: "button",
      tabindex: -1,
      class: `lmc-tok lmc-tok-${span.index % 2}${marks}`,
      "aria-label": `${spell(span.bytes)}, ${which}${kind}`,
      "data-lane": lane,
      "data-index": span.index,
    };
    const text = drawn(span.bytes);
    if (!withId) return h("button", look, text);
    return h("button", look, h("span", { class: "tl-text" }, text), h("span", { class: "tl-id" }, String(span.id)));
  };
}

/** A lane's name with the number of its tokens, as far as there is room. */
const nameOf = (lane, i, names, wide) => (wide ? `${letter(i)} ${names[i].name} · ${grouped(lane.length)}` : letter(i));

/** Every lane below the bytes that its tokens are made of. */
export function byteLines(all, layout, spans, names, wide) {
  const above = byteRows(layout, all[0].from, all.at(-1).to).map((row) => (wide ? row : { ...row, label: "" }));
  const lanes = spans.map((lane, i) => ({
    label: nameOf(lane, i, names, wide),
    spans: lane,
    cell: tokenCell(i, names[i].name, false),
  }));
  const rows = [...above, ...lanes.filter((row) => row.spans.length)];
  return all.map((line) => byteLine(line, rows));
}

/** Every lane as a paragraph of chips. */
export function chipLanes(all, spans, names, wide) {
  const from = all[0].from,
    to = all.at(-1).to;
  return spans.flatMap((lane, i) => {
    if (!lane.length) return [];
    const cell = tokenCell(i, names[i].name, true);
    const chips = overlapping(lane, from, to).map((span) => {
      const chip = cell(span);
      chip.dataset.from = span.from;
      chip.dataset.to = span.to;
      return chip;
    });
    const name = h("span", { class: "lmc-line-label" }, nameOf(lane, i, names, wide));
    return [h("div", { class: "tl-flow" }, name, h("div", { class: "tl-chips" }, chips))];
  });
}

const LINE = 45 + 6; // height of characters and bytes, and of what is between two lines
const LANE = 25; // height of a lane

/**
 * The lines of the page that begins at byte `from`, and the height that it keeps whatever is typed: as many lines as
 * the longest text on offer needs, but two at most, one where there are many lanes, twice that where narrow.
 */
export function pageOf(layout, from, width, label, lanes, longest) {
  const room = width - label - 4,
    needed = Math.max(1, Math.ceil((longest * COLUMN) / room));
  const most = Math.min(needed, (lanes > 4 ? 1 : 2) * (width > 560 ? 1 : 2));
  return { all: lines(layout.cuts, from, room, most, 0), height: most * (LINE + LANE * lanes) + 8 };
}
