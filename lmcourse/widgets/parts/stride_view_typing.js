// StrideView's typed operations: a lane by the rules of this page at once; the library itself confirms it where there
// is a kernel.
import { same } from "../rules/strides.js";
import { applySteps } from "../rules/tensor_operations.js";
import { parse } from "../rules/tensor_text.js";
import { DRAWN, sayLane } from "./stride_view_words.js";

const MOST = 12; // lanes that fit

/** The tensors that operations can start from. */
export const basesOf = ({ lanes }) => lanes.filter((lane) => lane.given && /^[A-Za-z_]\w*$/.test(lane.name));

/** What keeps a text from being tried, or "". */
export function unready(state, text) {
  if (!text) return `Type what you would write in Python, such as ${basesOf(state)[0].name}[1:].T, and press Enter.`;
  return state.lanes.length >= MOST ? "Twelve lanes are enough to look at: remove one first." : "";
}

/**
 * The lane that a text makes, and its storage where it is a copy. Throws an Error in words, or the library's
 * TensorError.
 */
export function typedLane(state, text) {
  const bases = basesOf(state),
    base = bases.find((lane) => lane.name === /^\w+/.exec(text)?.[0]) ?? bases[0];
  const { name, steps } = parse(text, base.library);
  if (name !== base.name)
    throw new Error(`${name} is not one of the tensors here: ${bases.map((lane) => lane.name).join(", ")}`);
  const storage = state.storageOf(base),
    record = { ...base, size: storage.size, itemsize: storage.itemsize, copied: null };
  const made = applySteps(record, steps);
  // In a chain with several copies only the last storage is drawn; its positions are those of the storage before.
  const last = steps.findLastIndex((_, k) => applySteps(record, steps.slice(0, k + 1)).copied);
  const { shape, strides, offset } = made;
  const lane = {
    name: text,
    library: base.library,
    storage: base.storage,
    shape,
    strides,
    offset,
    given: false,
    copy: last >= 0,
    confirmed: false,
  };
  const copy = last < 0 ? null : { ...storage, size: made.size, values: copiedValues(record, storage.values, steps) };
  return { lane, storage: copy };
}

function copiedValues(record, first, steps) {
  let values = first,
    lane = record;
  for (const step of steps) {
    lane = applySteps(lane, [step]);
    const from = values;
    if (lane.copied) values = lane.copied.slice(0, DRAWN).map((position) => from[position] ?? "…");
  }
  return values;
}

/** A lane that the library has seen too, and what is said of that: { lane, words, tone }. */
export function confirmed(state, mine, theirs) {
  const agree =
    ["shape", "strides"].every((part) => same(mine[part], theirs[part])) &&
    mine.offset === theirs.offset &&
    mine.copy === theirs.copy;
  const lane = { ...mine, shape: theirs.shape, strides: theirs.strides, offset: theirs.offset, confirmed: true },
    library = lane.library === "numpy" ? "NumPy" : "PyTorch",
    said = sayLane(state, lane);
  return agree
    ? { lane, words: `${said} ${library} says the same.`, tone: "good" }
    : { lane, words: `${library} says otherwise, and is right: ${said}`, tone: "bad" };
}

/** Operations that are worth a look, for a tensor of this name. */
export function exampleTexts(name, ndim, numpy) {
  if (numpy) {
    const tails = ndim < 2 ? [] : ["[:, 1]", "[::-1].T", ".T.reshape(-1)"];
    return ["[::-1]", "[1::2]", ".T", ".reshape(-1)", ...tails].map((tail) => name + tail);
  }
  if (ndim < 2)
    return ["[1:]", "[::2]", ".unfold(0, 3, 1)", ".expand(3, -1)", ".flip(0)", ".view(2, -1)"].map(
      (tail) => name + tail,
    );
  const stays = Array(ndim - 1)
    .fill(-1)
    .join(", ");
  return [
    "[1:]",
    "[:, 1]",
    "[..., ::2]",
    ".T",
    ".T.view(-1)",
    ".T.reshape(-1)",
    `[0].expand(3, ${stays})`,
    ".unfold(-1, 2, 1)",
    ".diagonal()",
    ".flip(0)",
    "[[0, 0]]",
    ".as_strided((3, 2), (1, 1))",
  ].map((tail) => name + tail);
}
