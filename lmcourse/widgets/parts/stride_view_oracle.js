// StrideView's question "will .view() work?": nothing is told before the reader has said something, and what was told
// goes when the question changes.
import { h } from "../lib/elements.js";
import { plural } from "../lib/numbers.js";
import { blocksOf, canView, prod, viewConflict } from "../rules/strides.js";
import { inferSizes, TensorError, VIEW_WORDS } from "../rules/tensor_operations.js";
import { readIntegers, tuple } from "./stride_view_words.js";

/** What .view(`text`) makes of a lane: { ready, works, words, shape?, strides?, conflict? }. */
export function verdict(lane, text) {
  let shape;
  try {
    shape = inferSizes(readIntegers(text, "new shape"), prod(lane.shape));
  } catch (error) {
    const ready = error instanceof TensorError;
    return { ready, works: false, words: ready ? `${error.kind}: ${error.message}` : error.message };
  }
  const strides = canView(lane.shape, lane.strides, shape);
  return {
    ready: true,
    works: strides !== null,
    shape,
    strides,
    conflict: strides ? null : viewConflict(lane.shape, lane.strides, shape),
    words: strides ? "" : `RuntimeError: ${VIEW_WORDS}`,
  };
}

/** The question, and once it was answered also what is true; `told` is the verdict then, else null. */
export function oraclePanel(lane, text, told) {
  const dims = lane.shape.map((n, d) => [
    oldDim(lane, n, d, told),
    d + 1 < lane.shape.length ? link(lane, d, told) : null,
  ]);
  const row = (label, name, nodes) =>
    h("div", { class: "sv-dims", role: "group", "aria-label": label }, h("span", { class: "sv-small" }, name), nodes);
  return h(
    "div",
    { class: "sv-oracle" },
    h("p", { class: "sv-head lmc-mono" }, `${lane.name}.view(${text})`),
    h(
      "div",
      { class: "sv-both" },
      row("old dimensions", "is", dims.length ? dims : "a single element"),
      told?.shape
        ? row(
            "new dimensions",
            "becomes",
            told.shape.map((n, k) => newDim(told, n, k)),
          )
        : null,
    ),
    told ? result(lane, told) : null,
  );
}

const box = (bad, above, number, below) =>
  h(
    "span",
    { class: `sv-dim${bad ? " sv-wrong" : ""}` },
    h("span", { class: "sv-small" }, above),
    h("b", {}, number),
    h("span", { class: "sv-small" }, below),
  );

const oldDim = (lane, n, d, told) => box(told?.conflict?.dims.includes(d), `dim ${d}`, n, `stride ${lane.strides[d]}`);

function newDim(told, n, k) {
  const bad = told.conflict?.newDim === k;
  return box(bad, `dim ${k}`, n, told.works ? `stride ${told.strides[k]}` : bad ? "needs two strides ✗" : "fine");
}

/**
 * Between two old dimensions: whether they are walked with one stride. That is half of the answer: only once it was
 * told.
 */
function link(lane, d, told) {
  if (!told) return h("span", { class: "sv-link" }, "·");
  const merges = lane.shape[d] === 1 || blocksOf(lane.shape, lane.strides).every((block) => block.first !== d + 1);
  if (merges) return h("span", { class: "sv-link sv-good" }, lane.shape[d] === 1 ? "size 1 merges" : "merges ✓");
  const bad = told.conflict?.dims[0] === d,
    words = `${lane.strides[d]} ≠ ${lane.shape[d + 1]}·${lane.strides[d + 1]}`;
  return h("span", { class: `sv-link${bad ? " sv-bad" : ""}` }, bad ? `${words} ✗` : words);
}

function result(lane, told) {
  if (told.works) {
    const words = `✓ a view: strides ${tuple(told.strides)}, offset ${lane.offset}, no element moves`;
    return h("p", { class: "sv-verdict", style: "color:var(--lmc-good)" }, words);
  }
  const { conflict } = told;
  const why =
    conflict &&
    `Dimensions ${conflict.dims.join(" and ")} do not merge: a step along dimension ${conflict.dims[0]} skips ` +
      `${conflict.stride}, and it would have to skip ${conflict.needed}. ` +
      `.reshape copies ${plural(prod(lane.shape), "element")} instead.`;
  return h(
    "div",
    {},
    h("p", { class: "sv-verdict", style: "color:var(--lmc-bad)" }, `✗ ${told.words}`),
    why && h("p", {}, why),
  );
}
