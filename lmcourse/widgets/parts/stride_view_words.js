// StrideView in words: what a lane, an element and a position are, in the notation of the library that they come from.
import { grouped, plural } from "../lib/numbers.js";
import { contiguousStrides, indexAt, isContiguous, offsetOf, prod } from "../rules/strides.js";

export const LETTERS = "ABCDEFGHIJKLMNOP";
export const WALKED = 4096; // elements that are walked through, or looked up as aliases
export const DRAWN = 256; // elements of a storage, and of a grid, that are drawn

export const tuple = (numbers) => `(${numbers.join(", ")}${numbers.length === 1 ? "," : ""})`;

/** "2, -1, 6" → [2, -1, 6]; throws an Error in words. */
export function readIntegers(text, what) {
  const parts = text
    .replace(/^\s*[([]|[)\]]\s*$/g, "")
    .split(/[\s,]+/)
    .filter(Boolean);
  for (const part of parts)
    if (!/^-?\d{1,9}$/.test(part)) throw new Error(`${what}: whole numbers with commas between them, such as 2, 6`);
  return parts.map(Number);
}

/** The state with what belongs together: lanes, storages, and the lane that is chosen. */
export function stateOf(model) {
  const lanes = model.get("lanes"),
    storages = model.get("storages");
  const storageOf = (lane) => storages[lane.storage];
  return {
    lanes,
    storages,
    lane: lanes[Math.min(model.get("selected"), lanes.length - 1)],
    mode: lanes.length ? model.get("mode") : "puzzle",
    storageOf,
    valueAt: (lane, position) => storageOf(lane).values[position] ?? (position < storageOf(lane).size ? "…" : "?"),
  };
}

/** Which indices of a lane read each position of its storage: Map position → [index, ...]. */
export function aliases(lane) {
  const found = new Map();
  for (let k = 0; k < Math.min(prod(lane.shape), WALKED); k += 1) {
    const index = indexAt(k, lane.shape),
      position = offsetOf(index, lane.strides, lane.offset);
    if (!found.has(position)) found.set(position, []);
    found.get(position).push(index);
  }
  return found;
}

export const stridesInWords = (lane, itemsize) =>
  lane.library === "numpy" ? `${tuple(lane.strides.map((n) => n * itemsize))} bytes` : tuple(lane.strides);

export const offsetInWords = (lane, itemsize) =>
  lane.library === "numpy" ? `${lane.offset * itemsize} bytes` : String(lane.offset);

export const arithmetic = (index, lane) =>
  [lane.offset, ...index.map((i, d) => `${i}·${lane.strides[d]}`)].join(" + ") +
  ` = ${offsetOf(index, lane.strides, lane.offset)}`;

function whyContiguous(lane) {
  if (isContiguous(lane.shape, lane.strides)) return "contiguous";
  return `not contiguous: fresh strides for ${tuple(lane.shape)} would be ${tuple(contiguousStrides(lane.shape))}`;
}

/** What a position of a storage holds, and who reads it. */
export function sayPosition({ lanes, storages }, storage, position) {
  const names = lanes
    .filter((lane) => lane.storage === storage)
    .map((lane) => {
      const found = aliases(lane).get(position) ?? [];
      if (!found.length) return `no element of ${lane.name}`;
      const more = found.length > 1 ? ` and ${found.length - 1} more of its elements` : "";
      return `${lane.name}[${found[0].join(", ")}]${more}`;
    });
  const value = storages[storage].values[position] ?? "a value not sent";
  return `Storage ${LETTERS[storage]}, position ${position}, holds ${value}: ${names.join("; ")}.`;
}

/** Where an element lies, and who else lies there. */
export function sayElement(state, lane, index) {
  const position = offsetOf(index, lane.strides, lane.offset);
  const count = state.lanes
    .filter((other) => other.storage === lane.storage)
    .reduce((n, other) => n + (aliases(other).get(position)?.length ?? 0), 0);
  const shared = count > 1 ? ` ${plural(count, "element")} here are this one position: write one and all change.` : "";
  const bytes = lane.library === "numpy" ? ` (byte ${position * state.storageOf(lane).itemsize})` : "";
  const place = `${arithmetic(index, lane)}${bytes} in storage ${LETTERS[lane.storage]}`;
  return `${lane.name}[${index.join(", ")}] is at ${place}.${shared}`;
}

/** What a lane is. */
export function sayLane(state, lane) {
  const { size, itemsize } = state.storageOf(lane),
    elements = plural(size, "element");
  const kind = lane.copy ? `a copy: ${elements} in a storage of its own` : "a view: no element was moved";
  const origin =
    lane === state.lanes[0] ? "the first tensor here" : lane.given && lane.copy ? "in a storage of its own" : kind;
  const kept = !lane.copy && size > 4 * prod(lane.shape) ? ` It keeps ${elements} alive.` : "";
  const proof = lane.confirmed ? "" : " By the page's rules; the kernel has not confirmed it.";
  const record = `shape ${tuple(lane.shape)} and strides ${stridesInWords(lane, itemsize)}`;
  return `${lane.name} has ${record}, ${whyContiguous(lane)}; ${origin}.${kept}${proof}`;
}

export const cutWords = (size) => (size > DRAWN ? `, the first ${grouped(DRAWN)} drawn` : "");
