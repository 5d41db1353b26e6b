// StrideView's puzzles: a pattern to read from a strip, by three numbers a dimension.
import { h } from "../lib/elements.js";
import { plural } from "../lib/numbers.js";
import { addressesOf, indexAt, prod, range, same } from "../rules/strides.js";
import { operations } from "../rules/tensor_operations.js";
import { grid, unseen } from "./stride_view_lanes.js";
import { DRAWN, readIntegers, tuple } from "./stride_view_words.js";

/** PyTorch's own refusal, or null. */
function refusal(act) {
  try {
    act();
    return null;
  } catch (error) {
    return `PyTorch refuses: ${error.message}`;
  }
}

/** What the three fields read from the strip: { positions, shape, refused } or { words } that say why nothing. */
export function attempt(puzzle, [sizes, steps, start]) {
  if (!sizes.trim() && !steps.trim())
    return { words: "Give sizes, one stride for each, and an offset; what they read is drawn as you type." };
  try {
    const shape = readIntegers(sizes, "sizes"),
      strides = readIntegers(steps, "strides"),
      begin = readIntegers(start, "offset");
    if (shape.length !== strides.length)
      throw new Error(`one stride a size: ${plural(shape.length, "size")}, ${plural(strides.length, "stride")}`);
    if (begin.length !== 1) throw new Error("offset: one whole number");
    if (shape.some((n) => n < 1) || prod(shape) > DRAWN)
      throw new Error(`sizes: from 1, and at most ${DRAWN} elements in all`);
    const storage = { ...puzzle, itemsize: 8, offset: 0 },
      positions = addressesOf({ shape, strides, offset: begin[0] });
    const refused = refusal(() => operations.as_strided(storage, shape, strides, begin[0]));
    return { shape, strides, start: begin[0], positions, refused };
  } catch (error) {
    return { words: error.message, bad: true };
  }
}

export const solved = (puzzle, tried) =>
  Boolean(tried.positions) && !tried.refused && same(tried.shape, puzzle.shape) && same(tried.positions, puzzle.target);

/** The strip of a puzzle, with what the reader's record reads. */
function puzzleStrip(puzzle, read, spots, light) {
  const cells = range(puzzle.size).map((p) => {
    const kind = `sv-cell sv-pos${read.has(p) ? " sv-cached" : ""}`;
    const node = h(
      "button",
      { type: "button", class: kind, "data-key": `p0-${p}`, onclick: () => light(0, p) },
      unseen("position "),
      p,
      read.has(p) ? unseen(", read") : null,
    );
    const times = plural(puzzle.target.filter((q) => q === p).length, "time");
    const says = () =>
      `Position ${p} is ${read.has(p) ? "" : "not "}read by your record; the target reads it ${times}.`;
    spots.add({ node, storage: 0, position: p, says });
    return node;
  });
  return h("div", { class: "sv-cells sv-strip", role: "group", "aria-label": "storage" }, cells);
}

/** An element of a pattern; one that differs from `other` is marked. */
const patternCell = (puzzle, positions, other, spots, light) => (k) => {
  const wrong = other && (positions[k] !== other[k] || positions[k] < 0 || positions[k] >= puzzle.size);
  const node = h(
    "button",
    {
      type: "button",
      class: `sv-cell sv-el${wrong ? " sv-wrong" : ""}`,
      "data-key": `${other ? "y" : "e"}${k}`,
      onclick: () => light(0, positions[k]),
    },
    positions[k],
  );
  spots.add({ node, storage: 0, position: positions[k] });
  return node;
};

/** The picture: strip, target, and what was read. */
export function puzzleStage(puzzle, number, tried, spots, light) {
  const fits = tried.positions && same(tried.shape, puzzle.shape);
  const pattern = (positions, other) => patternCell(puzzle, positions, other, spots, light);
  const half = (title, node) => h("div", {}, h("p", { class: "sv-head" }, title), node);
  const strip = puzzleStrip(puzzle, new Set(tried.positions ?? []), spots, light);
  const yours = tried.positions
    ? grid(tried.shape, pattern(tried.positions, fits ? puzzle.target : tried.positions), "yours")
    : h("p", { class: "lmc-muted" }, "nothing is read yet");
  return [
    h("p", { class: "sv-head" }, h("b", {}, `${number}. ${puzzle.name}`), ` from a storage of ${puzzle.size} elements`),
    h("div", { class: "lmc-scroll" }, strip),
    h(
      "div",
      { class: "sv-pair" },
      half(`target, shape ${tuple(puzzle.shape)}`, grid(puzzle.shape, pattern(puzzle.target, null), "target")),
      half(tried.positions ? `yours, shape ${tuple(tried.shape)}` : "yours", yours),
    ),
  ];
}

/** The reading line of a puzzle: [words, tone]. */
export function sayPuzzle(puzzle, tried) {
  if (!tried.positions) return [`${tried.words}${tried.words.endsWith(".") ? "" : "."}`, tried.bad ? "bad" : ""];
  if (tried.refused) return [tried.refused, "bad"];
  if (solved(puzzle, tried))
    return [
      `Solved: as_strided(${tuple(tried.shape)}, ${tuple(tried.strides)}, ${tried.start}) reads the target.`,
      "good",
    ];
  if (!same(tried.shape, puzzle.shape))
    return [`Not yet: your shape is ${tuple(tried.shape)}, the target's ${tuple(puzzle.shape)}.`, "bad"];
  const k = tried.positions.findIndex((p, i) => p !== puzzle.target[i]),
    where = `[${indexAt(k, puzzle.shape).join(", ")}]`;
  return [`Not yet: at ${where} you read position ${tried.positions[k]}, the target reads ${puzzle.target[k]}.`, "bad"];
}
