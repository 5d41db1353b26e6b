// PageMap's view of one window: x and y with every token's place, and which positions may look at which.
import { h } from "../lib/elements.js";
import { clamp, grouped, plural } from "../lib/numbers.js";
import { documentOf, maskOf, shownOffsets } from "../rules/pages.js";

/** The rows x and y of the chosen window, as a grid with a column an offset. */
function shiftGrid(now, file) {
  const { start, contextLength, ids, ends } = now,
    offsets = shownOffsets(contextLength);
  const grid = h("div", {
    class: "pm-rows",
    style: `grid-template-columns: repeat(${offsets.length + 1}, max-content)`,
  });
  const put = (column, row, kind, content) =>
    grid.append(h("span", { class: kind, style: `grid-column:${column};grid-row:${row}` }, content));
  [ids.length ? "position" : "", "x", "y"].forEach((name, k) => {
    put(1, k + 1, "pm-label", name);
  });
  const wrong = [];
  offsets.forEach((offset, k) => {
    const token = start + offset,
      gap = k > 0 && offset !== offsets[k - 1] + 1,
      newPage = k > 0 && file.pageAt(token) !== file.pageAt(start + offsets[k - 1]);
    const edge = newPage ? "pm-page" : "",
      end = ends.length && ends[documentOf(token, ends)] === token ? "pm-end" : "";
    const place = newPage ? `page ${grouped(file.pageAt(token))}` : ids.length ? grouped(token) : `+${offset}`;
    put(k + 2, 1, `pm-place ${edge}`, `${gap ? "… " : ""}${place}`);
    for (const row of shiftRows(now, offset, offsets)) {
      if (row.bad) wrong.push(`${row.name}[${now.picked}, ${row.at}] is token ${row.value}, where ${token} belongs`);
      const kind = row.bad ? "pm-wrong" : `pm-${row.name}`;
      put(k + 2, row.name === "x" ? 2 : 3, `${kind} ${edge} ${end}`, row.text);
    }
  });
  return { grid, wrong };
}

/** What x and y hold for the token at `offset`: as the order gives it, or as the reader's get_batch did. */
function shiftRows({ start, contextLength, ids, mine, picked }, offset, offsets) {
  const rows = [
    { name: "x", from: 0 },
    { name: "y", from: 1 },
  ];
  return rows
    .filter(({ from }) => offset >= from && offset <= contextLength - 1 + from)
    .map(({ name, from }) => {
      const token = start + offset,
        inRow = offsets.filter((o) => o >= from && o <= contextLength - 1 + from),
        list = mine?.[name][picked];
      const value = list ? list[inRow.indexOf(offset)] : token,
        bad = value !== token;
      const text = list || !ids.length ? grouped(value) : String(ids[token] ?? "");
      return { name, at: offset - from, value, bad, text: `${bad ? "✗ " : ""}${text}` };
    });
}

/** The view "x and y": its nodes and its sentence. */
export function drawShift(now, file) {
  const { grid, wrong } = shiftGrid(now, file),
    name = `window ${now.picked + 1}`;
  const facts = now.facts.map((fact) => h("li", { "data-bad": !fact.ok }, fact.text));
  const nodes = [
    h("div", { class: "lmc-scroll", tabindex: 0, role: "group", "aria-label": `x and y of ${name}` }, grid),
    facts.length ? h("ul", { class: "pm-facts" }, facts) : null,
  ].filter(Boolean);
  if (wrong.length)
    return { nodes, words: `${wrong[0]}${wrong.length > 1 ? `, and ${wrong.length - 1} more` : ""}.`, tone: "bad" };
  const { start, contextLength: T, ends } = now,
    pages = [file.pageAt(start), file.pageAt(start + T)],
    crossed = documentOf(start + T, ends) - documentOf(start, ends);
  const where =
    pages[0] === pages[1]
      ? `all in page ${grouped(pages[0])}`
      : `from page ${grouped(pages[0])} to ${grouped(pages[1])}`;
  const across = ends.length && crossed ? `, across ${plural(crossed, "end")} of a document` : "";
  const words =
    `Window ${now.picked + 1}: x is tokens ${grouped(start)} … ${grouped(start + T - 1)}, ` +
    `y the same one token later, to ${grouped(start + T)}; ${where}${across}.`;
  return { nodes, words, tone: "" };
}

const MARKS = { yes: "", future: "", other: "×" };

/** The view "documents and mask": its nodes and its sentence. */
export function drawMask(now) {
  const { start, contextLength, ends } = now,
    size = Math.min(16, contextLength),
    within = ends[documentOf(start, ends)];
  const crosses = within !== undefined && within < start + contextLength - 1;
  const from = crosses ? clamp(within - (size >> 1) + 1, start, start + contextLength - size) : start;
  const mask = maskOf(from, size, ends).flat(),
    other = mask.filter((kind) => kind === "other").length;
  const label =
    `Mask of positions ${from} to ${from + size - 1}: ${other} pairs are kept apart because they lie ` +
    "in different documents";
  const style = `grid-template-columns: repeat(${size}, max-content)`;
  const picture = h(
    "div",
    { class: "pm-mask", role: "img", "aria-label": label, style },
    mask.map((kind) => h("i", { "data-m": kind }, MARKS[kind])),
  );
  const words = h(
    "div",
    { class: "pm-mask-words" },
    h("p", {}, `Row: the position that looks, ${grouped(from)} at the top. Column: what it may look at.`),
    h("p", {}, "Filled: allowed. ×: back, but in another document. Dotted: the future."),
  );
  return {
    nodes: [h("div", { class: "pm-side" }, picture, words)],
    words: sayMask(now, crosses, within, other, size),
    tone: "",
  };
}

function sayMask({ picked, ends }, crosses, within, other, size) {
  if (!ends.length) return "No end_of_text was given, so the tokens are one document and only the future is hidden.";
  if (!crosses) return `Window ${picked + 1} lies in one document: the mask is the causal one.`;
  return (
    `Window ${picked + 1} crosses the end of a document at token ${grouped(within)}: the mask keeps ${other} ` +
    `of these ${size * size} pairs apart, which the causal mask alone would join.`
  );
}
